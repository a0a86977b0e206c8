/**
 * All operations of the command line, defined once: the local door of a running hub serves them, and without a hub the
 * same handlers run inside the command itself, on the opened database.
 */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import type * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcClientError from "effect/rpc/RpcClientError"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { AuditOperations } from "./AuditOperations.ts"
import { GroupOperations } from "./GroupOperations.ts"
import { KeyOperations, NewKey } from "./KeyOperations.ts"
import { LiveOperations } from "./LiveOperations.ts"
import { OperationRefused } from "./OperationRefused.ts"
import { SealOperations } from "./SealOperations.ts"
import { ServerOperations } from "./ServerOperations.ts"
import { StatisticsOperations } from "./StatisticsOperations.ts"
import { UserOperations } from "./UserOperations.ts"

const Counts = Schema.Struct({ created: Schema.Number, updated: Schema.Number, unchanged: Schema.Number })

export const ProvisionView = Schema.Struct({
  users: Counts,
  groups: Counts,
  keys: Counts,
  /** Tokens written, counted once per user. */
  serviceTokens: Schema.Number,
  /** Keys the hub had to mint, shown this once. */
  minted: Schema.Array(NewKey)
})
export type ProvisionView = typeof ProvisionView.Type

export class ProvisionOperations extends RpcGroup.make(
  /** The text of a provisioning file, and its name for the messages. */
  Rpc.make("provision", {
    payload: { file: Schema.String, text: Schema.String },
    success: ProvisionView,
    error: OperationRefused
  })
) {}

export const DatabaseView = Schema.Struct({
  /** The database's name and version, e.g. `PostgreSQL 16.4`. */
  version: Schema.String,
  /** Migrations applied, the newest last. */
  migrations: Schema.Array(Schema.String),
  /** Milliseconds by which the database's clock is ahead of the hub's. */
  clockAheadMs: Schema.Number,
  /** What is damaged in the files of the embedded database, in its own words. */
  damage: Schema.Array(Schema.String),
  /** Which disk is full, and the remedy, where a running hub was lately refused a write. */
  full: Schema.NullOr(Schema.String)
})
export type DatabaseView = typeof DatabaseView.Type

export class DatabaseOperations extends RpcGroup.make(
  Rpc.make("databaseCheck", { success: DatabaseView, error: OperationRefused })
) {}

/** The operations that need only the database and the settings. */
export const StoredOperations = UserOperations.merge(
  KeyOperations,
  GroupOperations,
  ProvisionOperations,
  AuditOperations,
  StatisticsOperations,
  DatabaseOperations,
  SealOperations
)

export const AdminOperations = StoredOperations.merge(ServerOperations, LiveOperations)

export type Admin = RpcClient.FromGroup<typeof AdminOperations, RpcClientError.RpcClientError>
