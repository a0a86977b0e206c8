/**
 * Connections to MCP servers over streamable HTTP, revisions 2024-11-05 to 2025-11-25.
 *
 * One connection is one initialized conversation inside the scope it was opened in, with its own session id, cookies,
 * event stream and request ids, on its user's own sockets. Closing the scope fails what is in flight, ends the
 * upstream's session (DELETE) and frees everything within a second.
 *
 * A request is sent once. The one exception is proven harmless: an HTTP 404 under a session id says that the server has
 * forgotten the session and executed nothing, so the connection initializes again, once for all calls that meet the
 * 404, and sends each of them again, once.
 */
import { Context, Deferred, Effect, Exit, Fiber, FiberHandle, Layer, Scope } from "effect"
import { HubConfig } from "../../domain/HubConfig.ts"
import {
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcResponse,
  notification
} from "../../domain/protocol/JsonRpc.ts"
import { isStateful, latestStateful, statefulVersions } from "../../domain/protocol/Versions.ts"
import { RequestTracker } from "../RequestTracker.ts"
import type { CallContext, Connect, ConnectOptions, UpstreamCall, UpstreamConnection, UpstreamInfo } from "./UpstreamConnection.ts"
import { type UpstreamError, UpstreamUnavailable } from "./UpstreamErrors.ts"
import { UpstreamHeaders } from "./UpstreamHeaders.ts"
import { conclude, retryAfterMs } from "./UpstreamHttpAnswer.ts"
import * as UpstreamHttpCalls from "./UpstreamHttpCalls.ts"
import { closedError, sessionLost, statusError } from "./UpstreamHttpErrors.ts"
import type { ExchangeEnd } from "./UpstreamHttpExchange.ts"
import { listen } from "./UpstreamHttpStream.ts"
import * as UpstreamHttpWire from "./UpstreamHttpWire.ts"
import { UserPools } from "./UserPools.ts"

/** Milliseconds for telling an upstream that a call is cancelled, and for taking leave of it. */
const cancelMs = 2_000
const leaveMs = 800

/** Revisions this client can speak; 2024-11-05 servers speak the same transport. */
const spoken: ReadonlyArray<unknown> = ["2024-11-05", ...statefulVersions]

/** MCP `basic/transports`: a session id is visible ASCII. */
const visibleAscii = /^[\x21-\x7e]{1,1024}$/

export class UpstreamHttp extends Context.Service<UpstreamHttp, { readonly connect: Connect }>()(
  "mcphub/actors/upstream/UpstreamHttp"
) {
  static readonly layerNoDeps: Layer.Layer<UpstreamHttp, never, UpstreamHeaders | UserPools | RequestTracker> =
    Layer.effect(
      UpstreamHttp,
      Effect.gen(function* () {
        // Only these: the scope of a connection is its caller's, not the layer's.
        const services = Context.make(UpstreamHeaders, yield* UpstreamHeaders).pipe(
          Context.add(UserPools, yield* UserPools),
          Context.add(RequestTracker, yield* RequestTracker),
          Context.add(HubConfig, yield* HubConfig)
        )
        return UpstreamHttp.of({ connect: (options) => Effect.provideContext(connect(options), services) })
      })
    )

  static readonly layer: Layer.Layer<UpstreamHttp, never, UpstreamHeaders | RequestTracker> = this.layerNoDeps.pipe(
    Layer.provide(UserPools.layer)
  )
}

const connect = Effect.fnUntraced(function* (
  options: ConnectOptions
): Effect.fn.Return<UpstreamConnection, UpstreamError, UpstreamHeaders | UserPools | RequestTracker | Scope.Scope> {
  const { name: server } = options
  const { initTimeout } = yield* HubConfig
  const tracker = yield* RequestTracker
  const scope = yield* Effect.scope
  const onLate = () => tracker.lateResponse(server)
  const wanted = isStateful(options.protocolVersion) ? options.protocolVersion : latestStateful
  const wire = yield* UpstreamHttpWire.make(options, wanted)
  const calls = UpstreamHttpCalls.make(options.onMessage, onLate)
  const closed = yield* Deferred.make<string>()
  const stream = yield* FiberHandle.make<void>()
  const cancels = new Set<Fiber.Fiber<unknown, unknown>>()
  const answers = { server, wire, calls, closed, onLate }
  const ignore = { onMessage: () => false, onLate: () => undefined } as const
  let context = options.context
  let info: UpstreamInfo
  /** Counts the sessions of this connection: tells a call that meets a 404 whether another has dealt with it. */
  let generation = 0
  let renewing: Deferred.Deferred<void, UpstreamError> | undefined

  /** What the connection sends on its own account carries the latest context of the user it belongs to. */
  const remember = (latest: CallContext) => {
    if (latest.principal.userId === options.context.principal.userId) context = latest
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
        onMessage: (message) => calls.route(message, pending),
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
    const answer = (result ?? {}) as JsonObject
    const protocolVersion = answer["protocolVersion"]
    if (!spoken.includes(protocolVersion)) {
      return yield* unusable(server, `does not speak a revision of MCP that this hub knows (${spoken.join(", ")})`)
    }
    wire.protocolVersion = protocolVersion as string
    wire.initialized = true
    info = {
      protocolVersion: protocolVersion as string,
      capabilities: (answer["capabilities"] ?? {}) as JsonObject,
      serverInfo: (answer["serverInfo"] ?? {}) as JsonObject,
      instructions: typeof answer["instructions"] === "string" ? answer["instructions"] : undefined
    }
    yield* Effect.flatMap(post(notification("notifications/initialized"), by), accepted)
    generation++
    yield* FiberHandle.run(stream, listen({ wire, calls, context: () => context, onLate }))
  })

  const open = (by: CallContext) =>
    initialize(by).pipe(
      Effect.mapError((error) => unopened(server, error)),
      Effect.timeoutOrElse({
        duration: initTimeout,
        orElse: () =>
          Effect.fail(
            new UpstreamUnavailable({
              server,
              reason: "timeout",
              message: `Server ${server} did not finish initialize within ${initTimeout} ms; check its log, or raise INIT_TIMEOUT`
            })
          )
      })
    )

  /** A new session after the 404 of `failed`, started by the first call that meets it and shared by the others. */
  const renew = (failed: number, by: CallContext): Effect.Effect<void, UpstreamError> =>
    Effect.suspend(() => {
      if (generation !== failed) return Effect.void
      if (renewing !== undefined) return Deferred.await(renewing)
      const current = (renewing = Deferred.makeUnsafe<void, UpstreamError>())
      const work = Effect.onExit(open(by), (exit) =>
        Effect.sync(() => {
          renewing = undefined
          Deferred.doneUnsafe(current, Exit.hasInterrupts(exit) ? Effect.fail(gone(server)) : exit)
        })
      )
      return Effect.andThen(Effect.forkIn(work, scope), Deferred.await(current))
    })

  const post = (message: JsonRpcNotification | JsonRpcResponse, by: CallContext) =>
    wire.send({ method: "POST", context: by, body: JSON.stringify(message), headOnly: true, ...ignore })

  const accepted = (end: ExchangeEnd): Effect.Effect<void, UpstreamError> =>
    end.head.status < 300
      ? Effect.void
      : Effect.fail(statusError(server, end.head.status, retryAfterMs(end.head.retryAfter)))

  /** Sends, and once more in a new session when the server has forgotten this one. */
  const inSession = Effect.fnUntraced(function* (
    send: Effect.Effect<ExchangeEnd, UpstreamHttpWire.WireError>,
    by: CallContext
  ): Effect.fn.Return<ExchangeEnd, UpstreamError> {
    const first = generation
    const stateful = wire.sessionId !== undefined
    const end = yield* send
    if (end.head.status !== 404 || !stateful) return end
    yield* renew(first, by)
    const again = yield* send
    if (again.head.status !== 404) return again
    yield* Deferred.succeed(closed, "session refused twice")
    return yield* sessionLost(server)
  })

  const alive = <A>(effect: Effect.Effect<A, UpstreamError>): Effect.Effect<A, UpstreamError> =>
    Effect.suspend(() => (Deferred.isDoneUnsafe(closed) ? Effect.fail(gone(server)) : effect))

  const cancel = (id: number, by: CallContext) =>
    Effect.suspend(() => {
      const message = notification("notifications/cancelled", { requestId: id, reason: "The hub no longer waits for it" })
      return post(message, by)
    }).pipe(
      Effect.timeoutOption(cancelMs),
      Effect.ignore,
      Effect.forkDetach({ startImmediately: true }),
      Effect.map((fiber) => {
        cancels.add(fiber)
        fiber.addObserver(() => void cancels.delete(fiber))
      })
    )

  const request = (call: UpstreamCall) =>
    alive(
      Effect.suspend(() => {
        remember(call.context)
        const pending = calls.open(call)
        const send = wire.send({
          method: "POST",
          context: call.context,
          body: pending.body,
          onMessage: (message) => calls.route(message, pending),
          onLate,
          onSend: () => void (pending.sent = true)
        })
        return inSession(send, call.context).pipe(
          Effect.flatMap((end) => conclude(answers, pending, end)),
          Effect.onExit((exit) => {
            calls.close(pending)
            const untold = pending.sent && pending.response === undefined && Exit.hasInterrupts(exit)
            return untold ? cancel(pending.id, call.context) : Effect.void
          })
        )
      })
    )

  const tell = (send: Effect.Effect<ExchangeEnd, UpstreamError>, by: CallContext) =>
    alive(
      Effect.suspend(() => {
        remember(by)
        return Effect.flatMap(send, accepted)
      }).pipe(
        Effect.timeoutOrElse({
          duration: initTimeout,
          orElse: () => Effect.fail(closedError(server, "headers", "did not accept a message in time"))
        })
      )
    )

  const leave = Effect.suspend(() => {
    if (wire.sessionId === undefined) return Effect.void
    return wire.send({ method: "DELETE", context, headOnly: true, ...ignore })
  }).pipe(Effect.ignore)

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      Deferred.doneUnsafe(closed, Effect.succeed("session ended"))
      for (const running of wire.running) if (!running.brief) running.close()
      return Effect.interruptible(Effect.all([Fiber.awaitAll(cancels), leave], { concurrency: "unbounded", discard: true }))
    }).pipe(
      Effect.timeoutOption(leaveMs),
      Effect.andThen(
        Effect.sync(() => {
          for (const running of wire.running) running.close()
        })
      )
    )
  )

  yield* open(options.context)

  return {
    server,
    get info() {
      return info
    },
    get stateful() {
      return wire.sessionId !== undefined
    },
    request,
    notify: (method, params, by) => tell(inSession(post(notification(method, params), by), by), by),
    respond: (response, by) => tell(post(response, by), by),
    closed: Deferred.await(closed)
  }
})

const unusable = (server: string, what: string): UpstreamUnavailable =>
  new UpstreamUnavailable({ server, reason: "initialize", message: `Server ${server} ${what}` })

const gone = (server: string): UpstreamUnavailable =>
  new UpstreamUnavailable({
    server,
    reason: "exited",
    message: `The connection to server ${server} has ended; call again to open a new one`
  })

/** Nothing was executed yet, so a failed opening is safe to repeat; what the operator must mend keeps its own reason. */
const unopened = (server: string, error: UpstreamError): UpstreamError => {
  if (error._tag === "UpstreamErrorResponse") {
    return unusable(server, `refused initialize with error ${error.code}: ${error.message}`)
  }
  if (error._tag !== "UpstreamFailed" || error.reason === "redirect" || error.reason === "bad-header") return error
  return new UpstreamUnavailable({
    server,
    reason: error.reason === "status" ? "status" : "initialize",
    message: error.message
  })
}
