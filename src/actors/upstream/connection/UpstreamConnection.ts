/**
 * One MCP connection to one upstream server: initialized, alive for as long as the scope it was opened in.
 *
 * The session actor (or the user's pool) owns the scope; closing it interrupts what is in flight, ends the upstream's
 * session (HTTP DELETE, or the whole process group) and frees every socket. Implementations: `UpstreamHttp` and
 * `UpstreamStdio`. What a message of the upstream belongs to is decided here and nowhere else: messages on the stream
 * of a call go to that call's `onMessage`, everything else to the connection's `onMessage`.
 */
import type { Effect, Scope } from "effect"
import type { RequestId, SessionId } from "../../../domain/Ids.ts"
import type { Principal } from "../../../domain/identity/Principal.ts"
import type {
  JsonObject,
  JsonRpcNotification,
  JsonRpcRequest,
  JsonRpcResponse
} from "../../../domain/protocol/JsonRpc.ts"
import type { Abilities } from "../../../domain/protocol/json/Abilities.ts"
import type { Era } from "../../../domain/protocol/Versions.ts"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import type { EraNotSpoken, UpstreamError } from "../../../domain/requests/UpstreamErrors.ts"
import type { Waits } from "../../../domain/requests/Waits.ts"

/** Whose request this is: what the context headers, `_meta` and environment are built from, fresh for each request. */
export interface CallContext {
  readonly principal: Principal
  readonly sessionId: SessionId
  /** What the upstream sees as the user's session: derived from user and session, see UserContext.ts. */
  readonly userSessionId: string
  readonly requestId: RequestId
  /** Who is told where the request waits: its record, or the work that requests wait for. */
  readonly waits?: Waits | undefined
}

/** What an upstream may send besides answers. */
export type UpstreamMessage = JsonRpcRequest | JsonRpcNotification

export interface UpstreamCall {
  readonly method: string
  readonly params: JsonObject | undefined
  readonly context: CallContext
  /** The least severe log level the client wants for this call; a stateless upstream is told with each request. */
  readonly logLevel?: string | undefined
  /**
   * The hub changes nothing on either way: the result may come as a `RawJson`, and large arguments are let go of once they
   * have been written.
   */
  readonly raw?: boolean | undefined
  /** The hub asks on its own account: it is not refused for want of a place at the server (`ServerPlaces`). */
  readonly own?: boolean | undefined
  /** Bytes that its answer may have; absent: as many as any answer. */
  readonly maxBytes?: number | undefined
  /** The hub itself wants to hear of progress: the server is given a token whether or not the client sent one. */
  readonly onProgress?: (() => void) | undefined
  /** Notifications and requests of the upstream that belong to this call (progress, logging, elicitation, …). */
  readonly onMessage: (message: UpstreamMessage) => void
}

/** What the upstream said in `initialize` or `server/discover`. */
export interface UpstreamInfo extends Abilities {
  readonly protocolVersion: string
}

export interface UpstreamConnection {
  readonly server: string
  /** What is spoken on this connection; its results have the shape of that era. */
  readonly era: Era
  readonly info: UpstreamInfo
  /** The upstream keeps state for this connection (it issued a session id, or is a process of its own). */
  readonly stateful: boolean
  /**
   * Sends one request under a hub-minted id and succeeds with its `result`. Interruption tells the upstream
   * (`notifications/cancelled`) and frees the exchange; a late answer is dropped and counted.
   */
  readonly request: (call: UpstreamCall) => Effect.Effect<unknown, UpstreamError>
  readonly notify: (
    method: string,
    params: JsonObject | undefined,
    context: CallContext
  ) => Effect.Effect<void, UpstreamError>
  /** Answers a request of the upstream (sampling, elicitation, roots, ping). */
  readonly respond: (response: JsonRpcResponse, context: CallContext) => Effect.Effect<void, UpstreamError>
  /**
   * Stateless upstreams only: (re)opens `subscriptions/listen` for list changes and these resources. Stateful ones are
   * asked with `resources/subscribe` instead.
   */
  readonly listen?:
    | ((uris: ReadonlyArray<string>, context: CallContext) => Effect.Effect<void, UpstreamError>)
    | undefined
  /** Succeeds with the reason when the connection is over (process gone, session refused twice); never fails. */
  readonly closed: Effect.Effect<string>
  /**
   * What the upstream wrote last before it ended by itself, as the end of a sentence and without the secrets it was
   * given. It is for the operator: of a process that several users share it may be about any of them.
   */
  readonly lastWords?: (() => string) | undefined
}

export interface ConnectOptions {
  readonly name: string
  /** As configured: templates are expanded per connection and request from the caller's own tokens. */
  readonly config: ServerConfig
  /** The client's revision, capabilities and clientInfo, passed on at initialize. */
  readonly protocolVersion: string
  readonly clientCapabilities: JsonObject
  readonly clientInfo: JsonObject
  /** The context of the request that opens the connection. */
  readonly context: CallContext
  /** Messages of the upstream that belong to no call. */
  readonly onMessage: (message: UpstreamMessage) => void
  /** The upstream sent what is no message, or belongs to nothing; it was skipped. */
  readonly onNoise?: (() => void) | undefined
  /**
   * The upstream's process has ended by itself or was not ready in time: the last lines of its stderr, without the secrets
   * it was given. For the operator, as `lastWords` is.
   */
  readonly onLines?: ((lines: ReadonlyArray<string>) => void) | undefined
  /**
   * The upstream forgot its session and a new one stands in its place: sets up again what the old one had been told (log
   * level, subscriptions), before any call goes on.
   */
  readonly onRenew?: ((connection: UpstreamConnection, context: CallContext) => Effect.Effect<void>) | undefined
  /** Asked before a forgotten session is opened anew: fails when that happens too often. */
  readonly mayRenew?: Effect.Effect<void, UpstreamError> | undefined
}

export type Connect = (options: ConnectOptions) => Effect.Effect<UpstreamConnection, UpstreamError, Scope.Scope>

/** Opens a connection in one era; a server that does not speak it is told apart from one that fails. */
export type OpenIn = (
  options: ConnectOptions,
  era: Era
) => Effect.Effect<UpstreamConnection, UpstreamError | EraNotSpoken, Scope.Scope>

/** The same connection with parts of it done otherwise. */
export const withParts = (
  connection: UpstreamConnection,
  parts: Partial<Pick<UpstreamConnection, "request" | "notify" | "respond" | "listen">>
): UpstreamConnection => ({
  server: connection.server,
  era: connection.era,
  // Read through: both change when the upstream's session is renewed.
  get info() {
    return connection.info
  },
  get stateful() {
    return connection.stateful
  },
  request: connection.request,
  notify: connection.notify,
  respond: connection.respond,
  listen: connection.listen,
  closed: connection.closed,
  lastWords: connection.lastWords,
  ...parts
})
