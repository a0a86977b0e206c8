/** The operations that show the upstream servers and test one. */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { OperationRefused } from "./OperationRefused.ts"
import { UserRef } from "./UserRef.ts"

export const ServerView = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  /** `unknown` until the first connection: the hub connects when a session needs it. */
  state: Schema.String,
  /** The failure in a word, as lists and the log have it, and in a sentence. */
  why: Schema.NullOr(Schema.String),
  reason: Schema.NullOr(Schema.String),
  /** Connecting: how far that has come, or what it waits for. */
  stage: Schema.NullOr(Schema.String),
  /** When the state began, ISO 8601 in UTC. */
  since: Schema.NullOr(Schema.String),
  /** When somebody for whom it is paused or down may try it again at the earliest. */
  nextAttempt: Schema.NullOr(Schema.String),
  /** What the process that failed last wrote to stderr, without secrets, until a connection opens. */
  lastLines: Schema.Array(Schema.String),
  connections: Schema.Number,
  /** Users whose circuit breaker pauses the server. */
  paused: Schema.Number,
  tools: Schema.NullOr(Schema.Number),
  /** The users for whom it does not work, and why. */
  troubles: Schema.Array(
    Schema.Struct({
      /** `null` where all users share the server. */
      username: Schema.NullOr(Schema.String),
      state: Schema.String,
      reason: Schema.NullOr(Schema.String),
      forMs: Schema.Number,
      /** Since it was last tried; a state lasts until the next attempt shows another. */
      triedMs: Schema.Number,
      /** Until it is tried again at the earliest. */
      retryMs: Schema.NullOr(Schema.Number)
    })
  ),
  /** Of what requests to it have failed, by kind, since the start. */
  errors: Schema.Array(Schema.Struct({ kind: Schema.String, count: Schema.Number, agoMs: Schema.Number })),
  /** What it does that no specification foresees, in sentences. */
  oddities: Schema.Array(Schema.String)
})
export type ServerView = typeof ServerView.Type

/** A server as one user finds it. */
export const OwnServerView = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  /** Null: all of its tools; otherwise whether a tool may be called depends on the user's groups. */
  tools: Schema.NullOr(Schema.Array(Schema.String)),
  /** `unknown` until a session of the user has needed it. */
  state: Schema.String,
  reason: Schema.NullOr(Schema.String),
  /** Service tokens that it names and the user has not set. */
  missing: Schema.Array(Schema.String),
  /** Service tokens that it would get, by name. */
  tokens: Schema.Array(Schema.String)
})
export type OwnServerView = typeof OwnServerView.Type

export const ServerTestView = Schema.Struct({
  name: Schema.String,
  /** `needs-credential`: it works only with a user's own token. */
  outcome: Schema.Literals(["ok", "failed", "needs-credential", "disabled"]),
  /** The failure in a word, if it failed, and with its remedy. */
  why: Schema.NullOr(Schema.String),
  reason: Schema.NullOr(Schema.String),
  protocolVersion: Schema.NullOr(Schema.String),
  serverName: Schema.NullOr(Schema.String),
  tools: Schema.Array(Schema.Struct({ name: Schema.String, description: Schema.NullOr(Schema.String) })),
  /** Names, as clients see them, that many models refuse, with the whole list. */
  refusedNames: Schema.Array(Schema.String),
  /** The remedy for these. */
  namesRemedy: Schema.NullOr(Schema.String),
  durationMs: Schema.Number
})
export type ServerTestView = typeof ServerTestView.Type

export const IsolationView = Schema.Struct({
  servers: Schema.Number,
  /** Kinds of tokens tried. */
  tokens: Schema.Number,
  /**
   * Everything that would reach a server it is not meant for; a token by its name, never its value. Empty in a sound
   * hub.
   */
  crossings: Schema.Array(Schema.Struct({ server: Schema.String, what: Schema.String }))
})
export type IsolationView = typeof IsolationView.Type

export class ServerOperations extends RpcGroup.make(
  /** The servers that a user may reach. */
  Rpc.make("serversOf", { payload: { user: UserRef }, success: Schema.Array(OwnServerView), error: OperationRefused }),
  Rpc.make("serverList", { success: Schema.Array(ServerView), error: OperationRefused }),
  /**
   * Opens a connection of its own, lists the tools and closes it: with the service tokens of the given MCPHub key, or
   * with nobody's.
   */
  Rpc.make("serverTest", {
    payload: { name: Schema.String, key: Schema.NullOr(Schema.String) },
    success: ServerTestView,
    error: OperationRefused
  }),
  /**
   * Runs two invented users with invented tokens through the code that builds each server's requests; nothing leaves
   * the hub.
   */
  Rpc.make("isolationCheck", { success: IsolationView, error: OperationRefused })
) {}
