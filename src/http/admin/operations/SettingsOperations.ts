/**
 * The operations that show and change the settings. Secrets are masked on the way out, and a mask on the way in means the
 * value that is there (`SecretMasks`). A change that names a tag is made only to what still has it.
 */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { OperationRefused } from "./OperationRefused.ts"

const Finding = Schema.Struct({ path: Schema.String, reason: Schema.String })

export const ServerEntryView = Schema.Struct({
  name: Schema.String,
  /** Its entry in the settings, with secrets masked. */
  config: Schema.Unknown
})
export type ServerEntryView = typeof ServerEntryView.Type

export const SettingsView = Schema.Struct({
  /** With secrets masked. */
  settings: Schema.Unknown,
  warnings: Schema.Array(Finding),
  /** Why what the file holds is not in force; null if it is. */
  rejected: Schema.NullOr(Schema.String)
})
export type SettingsView = typeof SettingsView.Type

const TaggedEntry = Schema.Struct({ view: ServerEntryView, tag: Schema.String })
const TaggedSettings = Schema.Struct({ view: SettingsView, tag: Schema.String })

const server = { name: Schema.String }
/** Null: whatever it is by now. */
const expected = { expected: Schema.NullOr(Schema.String) }

export class SettingsOperations extends RpcGroup.make(
  Rpc.make("settingsShow", { success: TaggedSettings, error: OperationRefused }),
  Rpc.make("settingsPut", {
    payload: { settings: Schema.Unknown, ...expected },
    success: TaggedSettings,
    error: OperationRefused
  }),
  Rpc.make("entryShow", { payload: server, success: TaggedEntry, error: OperationRefused }),
  Rpc.make("entryAdd", {
    payload: { ...server, config: Schema.Unknown },
    success: TaggedEntry,
    error: OperationRefused
  }),
  Rpc.make("entryPut", {
    payload: { ...server, config: Schema.Unknown, ...expected },
    success: TaggedEntry,
    error: OperationRefused
  }),
  Rpc.make("entryRemove", { payload: { ...server, ...expected }, success: ServerEntryView, error: OperationRefused }),
  /** Switches the server on or off; null: the other way. */
  Rpc.make("entrySwitch", {
    payload: { ...server, enabled: Schema.NullOr(Schema.Boolean) },
    success: TaggedEntry,
    error: OperationRefused
  }),
  /** Replaces what is given of a tool's setting; a description of null is the server's own again. */
  Rpc.make("toolSet", {
    payload: {
      ...server,
      tool: Schema.String,
      enabled: Schema.optional(Schema.Boolean),
      description: Schema.optional(Schema.NullOr(Schema.String))
    },
    success: TaggedEntry,
    error: OperationRefused
  })
) {}
