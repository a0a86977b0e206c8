/**
 * Connections to MCP servers over streamable HTTP. Here the revisions with sessions, 2024-11-05 to 2025-11-25;
 * `UpstreamHttpStateless` has the one without.
 *
 * A connection is initialized and lives inside the scope it was opened in, with its own session id, cookies,
 * event stream and request ids, on its user's own sockets. Closing the scope fails what is in flight, ends the
 * upstream's session (DELETE) and frees everything within a second.
 */
import { AnswerBytes } from "../../limits/AnswerBytes.ts"
import { FairShare } from "../../limits/FairShare.ts"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { Guard } from "../../../domain/Guard.ts"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { startLimits } from "../connection/StartLimits.ts"
import { notification } from "../../../domain/protocol/JsonRpc.ts"
import { isStateful, latestStateful } from "../../../domain/protocol/Versions.ts"
import { RequestTracker } from "../../requests/RequestTracker.ts"
import { timeoutAwake } from "../../../domain/AwakeTimeout.ts"
import { eraLost, noLongerSpoken, refusesSessions } from "../era/EraEvidence.ts"
import type {
  CallContext,
  ConnectOptions,
  OpenIn,
  UpstreamCall,
  UpstreamConnection
} from "../connection/UpstreamConnection.ts"
import type { EraNotSpoken, UpstreamError } from "../../../domain/requests/UpstreamErrors.ts"
import { UpstreamHeaders } from "../connection/UpstreamHeaders.ts"
import { conclude } from "./UpstreamHttpAnswer.ts"
import * as UpstreamHttpCalls from "./UpstreamHttpCalls.ts"
import { closedError, connectionGone } from "./UpstreamHttpErrors.ts"
import * as UpstreamHttpSession from "./UpstreamHttpSession.ts"
import * as UpstreamHttpStateless from "./UpstreamHttpStateless.ts"
import * as UpstreamHttpWire from "./UpstreamHttpWire.ts"
import { waiting } from "../../../domain/requests/Waits.ts"
import { UserPools } from "./UserPools.ts"

/** Milliseconds for telling an upstream that a call is cancelled. */
const cancelMs = 2_000
/**
 * How long the server has to hear that its session has ended, in turns of the event loop that are this many milliseconds
 * apart: one long wait would be over as soon as a hub that stood still goes on, before anything was sent.
 */
const leave = { everyMs: 100, turns: 6 }

export class UpstreamHttp extends Context.Service<UpstreamHttp, { readonly open: OpenIn }>()(
  "mcphub/actors/upstream/http/UpstreamHttp"
) {
  static readonly layerNoDeps: Layer.Layer<
    UpstreamHttp,
    never,
    UpstreamHeaders | UserPools | RequestTracker | AnswerBytes | FairShare
  > = Layer.effect(
    UpstreamHttp,
    Effect.gen(function* () {
      // Only these: the scope of a connection is its caller's, not the layer's.
      const services = Context.make(UpstreamHeaders, yield* UpstreamHeaders).pipe(
        Context.add(UserPools, yield* UserPools),
        Context.add(AnswerBytes, yield* AnswerBytes),
        Context.add(FairShare, yield* FairShare),
        Context.add(RequestTracker, yield* RequestTracker),
        Context.add(HubConfig, yield* HubConfig)
      )
      return UpstreamHttp.of({
        open: (options, era) =>
          Effect.provideContext(
            era === "stateless" ? UpstreamHttpStateless.connect(options) : connect(options),
            services
          )
      })
    })
  )

  static readonly layer: Layer.Layer<UpstreamHttp, never, UpstreamHeaders | RequestTracker | AnswerBytes> =
    this.layerNoDeps.pipe(Layer.provide(UserPools.layer), Layer.provide(FairShare.layer))
}

/** Whether the request could be sent once more: carried arguments are gone once they have been written. */
const isThere = ({ body }: UpstreamHttpCalls.PendingCall): boolean => typeof body === "string" || body.isThere

const connect = Effect.fnUntraced(function* (
  options: ConnectOptions
): Effect.fn.Return<
  UpstreamConnection,
  UpstreamError | EraNotSpoken,
  UpstreamHeaders | UserPools | AnswerBytes | FairShare | RequestTracker | Scope.Scope
> {
  const { name: server } = options
  const { startMs } = yield* startLimits(options.config)
  const tracker = yield* RequestTracker
  const onLate = () => tracker.lateResponse(server)
  const wire = yield* UpstreamHttpWire.make(
    options,
    isStateful(options.protocolVersion) ? options.protocolVersion : latestStateful
  )
  const calls = UpstreamHttpCalls.make(options.onMessage, onLate)
  const closed = yield* Deferred.make<string>()
  const answers = { server, wire, calls, closed, onLate, era: "stateful" } as const
  const onRenew = (by: CallContext) => options.onRenew?.(connection, by) ?? Effect.void
  const session = yield* UpstreamHttpSession.make(options, answers, (by) => Effect.suspend(() => onRenew(by)))
  const cancels = new Set<Fiber.Fiber<unknown, unknown>>()
  const breakOff = () => Deferred.doneUnsafe(closed, Effect.succeed("a defect of the hub's"))
  const guard = new Guard(Effect.runForkWith(yield* Effect.context<never>()), { breakOff }, { server })

  const alive = <A>(effect: Effect.Effect<A, UpstreamError>): Effect.Effect<A, UpstreamError> =>
    Effect.suspend(() => (Deferred.isDoneUnsafe(closed) ? Effect.fail(connectionGone(server)) : effect))

  /** The server has gone over to the other era: this connection is over, the next one finds out anew. */
  const lost = (error: UpstreamError): UpstreamError => {
    if (error._tag !== "UpstreamErrorResponse" || !refusesSessions(error)) return error
    Deferred.doneUnsafe(closed, Effect.succeed(eraLost))
    return noLongerSpoken(server, error.message)
  }

  const lostCause = (cause: Cause.Cause<UpstreamError>) => Effect.failCause(Cause.map(cause, lost))

  /** In the background: whoever gave the call up does not wait for the upstream to hear of it. */
  const cancel = (id: number, by: CallContext) =>
    session
      .post(notification("notifications/cancelled", { requestId: id, reason: "The hub no longer waits for it" }), by)
      .pipe(
        Effect.timeoutOption(cancelMs),
        Effect.ignore,
        Effect.forkDetach({ startImmediately: true }),
        Effect.map((fiber) => {
          cancels.add(fiber)
          guard.whenEnded(fiber, () => cancels.delete(fiber))
        })
      )

  const request = (call: UpstreamCall): Effect.Effect<unknown, UpstreamError> =>
    Effect.suspend(() => {
      if (Deferred.isDoneUnsafe(closed)) return Effect.fail(connectionGone(server))
      session.remember(call.context)
      const pending = calls.open(call)
      const send = wire.send({
        method: "POST",
        context: call.context,
        body: pending.body,
        raw: call.raw === true,
        maxBytes: call.maxBytes,
        onMessage: (message) => calls.route(message, pending),
        wasAwaited: (text) => calls.wasAnswer(text, pending),
        onLate,
        onSend: () => void (pending.sent = true)
      })
      const answer = session.within(send, call.context, (end) => conclude(answers, pending, end), {
        id: pending.id,
        method: call.method,
        isThere: () => isThere(pending)
      })
      return Effect.onExitPrimitive(Effect.catchCause(answer, lostCause), (exit) => {
        calls.close(pending)
        const untold = pending.sent && pending.response === undefined && Exit.hasInterrupts(exit)
        return untold ? cancel(pending.id, call.context) : undefined
      })
    })

  const tell = (by: CallContext, send: () => Effect.Effect<void, UpstreamError>) =>
    alive(
      Effect.suspend(() => {
        session.remember(by)
        return send()
      }).pipe(
        timeoutAwake(startMs, () => Effect.fail(closedError(server, "headers", "did not accept a message in time")))
      )
    )

  const sayGoodbye = Effect.suspend(() =>
    wire.sessionId === undefined
      ? Effect.void
      : wire.send({
          method: "DELETE",
          context: session.context(),
          headOnly: true,
          onMessage: () => false,
          onLate: () => undefined
        })
  ).pipe(Effect.ignore)

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      Deferred.doneUnsafe(closed, Effect.succeed("session ended"))
      for (const running of wire.running) if (!running.brief) running.close()
      return Effect.interruptible(
        Effect.all([Fiber.awaitAll(cancels), sayGoodbye], { concurrency: "unbounded", discard: true })
      )
    }).pipe(
      Effect.raceFirst(Effect.repeat(Effect.sleep(leave.everyMs), { times: leave.turns - 1 })),
      Effect.andThen(
        Effect.sync(() => {
          for (const running of wire.running) running.close()
        })
      )
    )
  )

  const connection: UpstreamConnection = {
    server,
    era: "stateful",
    get info() {
      return session.info()
    },
    get stateful() {
      return wire.sessionId !== undefined
    },
    request,
    notify: (method, params, by) =>
      tell(by, () => session.within(session.post(notification(method, params), by), by, session.accepted)),
    respond: (response, by) => tell(by, () => Effect.flatMap(session.post(response, by), session.accepted)),
    closed: Deferred.await(closed)
  }

  yield* waiting(
    options.context.waits,
    { kind: "connection", stage: "initialize", server },
    session.open(options.context)
  )
  return connection
})
