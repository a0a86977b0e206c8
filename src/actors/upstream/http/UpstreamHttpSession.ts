/**
 * The upstream's session behind one connection: opened by `initialize`, opened again when the upstream has forgotten it.
 *
 * A request is sent once. The one exception is proven harmless: an HTTP 404 under a session id says that the server has
 * forgotten the session and executed nothing, so the connection initializes again, once for all calls that meet the
 * 404, and sends each of them again, once. Another refusal that a ping in the same session meets as well ends that
 * session too (`SessionProbe`); then what is sent again is what was refused in the very words of the ping, or does no
 * harm when it is executed twice. Arguments that were let go of cannot be sent again: such a call fails, and says so.
 *
 * Source: MCP `basic/lifecycle` (initialization), `basic/transports` (session management).
 */
import { Deferred, Effect, FiberHandle, type Scope } from "effect"
import { startLimits } from "../connection/StartLimits.ts"
import * as SingleFlight from "../../../domain/SingleFlight.ts"
import {
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  notification
} from "../../../domain/protocol/JsonRpc.ts"
import { encodeMessage } from "../../../domain/protocol/json/CarriedJson.ts"
import { readAbilities } from "../../../domain/protocol/json/Abilities.ts"
import { firstAnswerBytes, readIntroduction } from "../../../domain/protocol/json/ServerResults.ts"
import { isRepeatable } from "../../../domain/protocol/Methods.ts"
import { statefulVersions } from "../../../domain/protocol/Versions.ts"
import { timeoutAwake } from "../../../domain/AwakeTimeout.ts"
import type { CallContext, ConnectOptions, UpstreamInfo } from "../connection/UpstreamConnection.ts"
import { initializeRefused, unusable } from "../era/EraEvidence.ts"
import {
  type EraNotSpoken,
  isForOperator,
  type UpstreamError,
  UpstreamUnavailable,
  reasonToOpen
} from "../../../domain/requests/UpstreamErrors.ts"
import { type AnswerOptions, conclude } from "./UpstreamHttpAnswer.ts"
import { connectionGone, sessionLost, statusError } from "./UpstreamHttpErrors.ts"
import type { ExchangeEnd } from "./ExchangeRequest.ts"
import * as SessionProbe from "./SessionProbe.ts"
import { isAboutSession, isSame, refusalOf } from "./SessionRefusal.ts"
import { retryAfterMs } from "./RetryAfter.ts"
import { listen } from "./UpstreamHttpStream.ts"
import type { WireError } from "./UpstreamHttpWire.ts"

export interface UpstreamHttpSession {
  /** Initializes, in time or not at all. */
  readonly open: (by: CallContext) => Effect.Effect<void, UpstreamError | EraNotSpoken>
  /** Sends, and once more in a new session when the server has forgotten this one; `then` gets the end that counts. */
  readonly within: <A>(
    send: Effect.Effect<ExchangeEnd, WireError>,
    by: CallContext,
    then: (end: ExchangeEnd) => Effect.Effect<A, UpstreamError>,
    /** The request that is sent, and whether it can be sent once more; absent for a message that has no answer. */
    request?: Pick<JsonRpcRequest, "id" | "method"> & { readonly isThere: () => boolean }
  ) => Effect.Effect<A, UpstreamError>
  /** Sends a message that has no answer. */
  readonly post: (
    message: JsonRpcNotification | JsonRpcResponse,
    by: CallContext
  ) => Effect.Effect<ExchangeEnd, WireError>
  /** Fails when the server did not take such a message. */
  readonly accepted: (end: ExchangeEnd) => Effect.Effect<void, UpstreamError>
  /** Notes whose request came last: what the connection sends on its own account carries that context. */
  readonly remember: (by: CallContext) => void
  readonly context: () => CallContext
  /** What the server said at the latest `initialize`. */
  readonly info: () => UpstreamInfo
}

/** Revisions this client can speak; 2024-11-05 servers use the same messages. */
const spoken: ReadonlyArray<unknown> = ["2024-11-05", ...statefulVersions]

/** MCP `basic/transports`: a session id is visible ASCII. */
const visibleAscii = /^[\x21-\x7e]{1,1024}$/

/** `onRenew` runs in every new session but the first, before any call goes on. */
export const make = Effect.fnUntraced(function* (
  options: ConnectOptions,
  answers: AnswerOptions,
  onRenew: (by: CallContext) => Effect.Effect<void>
): Effect.fn.Return<UpstreamHttpSession, never, Scope.Scope> {
  const { server, wire, calls, closed, onLate } = answers
  const { startMs } = yield* startLimits(options.config)
  const scope = yield* Effect.scope
  const stream = yield* FiberHandle.make<void>()
  const wanted = wire.protocolVersion
  let context = options.context
  let info: UpstreamInfo = { protocolVersion: wanted, ...readAbilities({}) }
  /** Counts the sessions: tells a call that is refused in one whether another has dealt with it. */
  let generation = 0
  const probe = SessionProbe.make({ answers, scope, patience: startMs, generation: () => generation })
  const renewals = SingleFlight.make<string, void, UpstreamError>(scope, () => connectionGone(server))

  const post: UpstreamHttpSession["post"] = (message, by) =>
    wire.send({
      method: "POST",
      context: by,
      body: encodeMessage(message),
      // What an answer carries leaves once.
      raw: true,
      headOnly: true,
      onMessage: () => false,
      onLate: () => undefined
    })

  const accepted: UpstreamHttpSession["accepted"] = ({ head }) => {
    if (head.status < 300) return Effect.void
    if (head.status === 404 && wire.sessionId !== undefined) return Effect.fail(sessionLost(server))
    return Effect.fail(
      statusError(server, head.status, {
        retryAfterMs: retryAfterMs(head),
        sentCredentials: wire.sentCredentials
      })
    )
  }

  const initialize = Effect.fnUntraced(function* (by: CallContext): Effect.fn.Return<void, UpstreamError> {
    const params = { protocolVersion: wanted, capabilities: options.clientCapabilities, clientInfo: options.clientInfo }
    const pending = calls.open({ method: "initialize", params, context: by, onMessage: options.onMessage })
    wire.initialized = false
    wire.protocolVersion = wanted
    const result = yield* wire
      .send({
        method: "POST",
        context: by,
        body: pending.body,
        initialize: true,
        maxBytes: firstAnswerBytes,
        onMessage: (message) => calls.route(message, pending),
        wasAwaited: (text) => calls.wasAnswer(text, pending),
        onLate
      })
      .pipe(
        Effect.flatMap((end) => conclude(answers, pending, end)),
        Effect.ensuring(Effect.sync(() => calls.close(pending)))
      )
    if (wire.sessionId !== undefined && !visibleAscii.test(wire.sessionId)) {
      wire.sessionId = undefined
      return yield* unusable(server, "issued a session id that HTTP cannot carry; report this to its author")
    }
    const read = readIntroduction(result)
    if (!read.ok) return yield* unusable(server, read.what)
    const { protocolVersion } = read.value
    if (!spoken.includes(protocolVersion)) {
      return yield* unusable(server, `does not speak a revision of MCP that this hub knows (${spoken.join(", ")})`)
    }
    wire.protocolVersion = protocolVersion
    wire.initialized = true
    info = read.value
    yield* Effect.flatMap(post(notification("notifications/initialized"), by), accepted)
    generation++
    yield* FiberHandle.run(stream, listen({ wire, calls, context: () => context, onLate }))
  })

  const inTime = (opening: Effect.Effect<void, UpstreamError>) =>
    opening.pipe(
      Effect.mapError((error) => unopened(server, error)),
      timeoutAwake(startMs, () =>
        Effect.fail(
          new UpstreamUnavailable({
            server,
            reason: "timeout",
            message: `Server ${server} did not finish initialize within ${startMs} ms; check its log, or raise its options.initTimeout or INIT_TIMEOUT`
          })
        )
      )
    )

  /** A new session after the refusal in generation `failed`, started by the first call that meets it and shared by all. */
  const renew = (failed: number, by: CallContext): Effect.Effect<void, UpstreamError> =>
    Effect.suspend(() => {
      if (generation !== failed) return Effect.void
      const opened = Effect.catchTag(inTime(Effect.andThen(initialize(by), onRenew(by))), "EraNotSpoken", (error) =>
        Effect.fail(error.refusal)
      )
      return renewals.run(server, () => Effect.andThen(options.mayRenew ?? Effect.void, opened))
    })

  const within: UpstreamHttpSession["within"] = (send, by, then, request) => {
    const first = generation
    const hadId = wire.sessionId !== undefined
    const again = (): Effect.Effect<ExchangeEnd, UpstreamError> =>
      request?.isThere() === false
        ? Effect.andThen(renew(first, by), Effect.fail(sessionLost(server)))
        : inNewSession(send, first, by)
    return Effect.flatMap(send, (end) => {
      const refusal = end.head.status < 400 ? undefined : refusalOf(end, request?.id)
      if (refusal === undefined) return then(end)
      const isLost = refusal.status === 404 && (refusal.text === "" || isAboutSession(refusal))
      if (refusal.status === 404 && !hadId) return then(end)
      if (isLost) return Effect.flatMap(again(), then)
      return Effect.flatMap(probe(first, by), (ping) => {
        if (ping === undefined) return then(end)
        const mayRepeat = request === undefined || isRepeatable(request.method) || refusal.status === 404
        // A server that lost its session over the call may refuse that and the ping in words that say nothing.
        const isRefused = ping !== "unheard" && isSame(refusal, ping) && isAboutSession(refusal)
        if (mayRepeat || isRefused) return Effect.flatMap(again(), then)
        return Effect.andThen(renew(first, by), Effect.fail(sessionLost(server)))
      })
    })
  }

  const inNewSession = Effect.fnUntraced(function* (
    send: Effect.Effect<ExchangeEnd, WireError>,
    failed: number,
    by: CallContext
  ): Effect.fn.Return<ExchangeEnd, UpstreamError> {
    yield* renew(failed, by)
    const again = yield* send
    if (again.head.status !== 404) return again
    yield* Deferred.succeed(closed, "session refused twice")
    return yield* sessionLost(server)
  })

  return {
    open: (by) => inTime(initialize(by)),
    within,
    post,
    accepted,
    remember: (by) => {
      if (by.principal.userId === options.context.principal.userId) context = by
    },
    context: () => context,
    info: () => info
  }
})

/** Nothing was executed yet, so a failed opening is safe to repeat; what the operator must mend keeps its own reason. */
const unopened = (server: string, error: UpstreamError): UpstreamError | EraNotSpoken => {
  if (error._tag === "UpstreamErrorResponse") return initializeRefused(error)
  if (error._tag !== "UpstreamFailed" || isForOperator(error)) return error
  return new UpstreamUnavailable({
    server,
    reason: reasonToOpen(error),
    message: error.message
  })
}
