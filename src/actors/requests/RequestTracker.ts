/**
 * Every MCP request and notification of every user, from its start to exactly one outcome.
 *
 * `track` brackets an effect: it mints the request id, registers the record, runs the effect under the deadline and
 * ends the record as completed, failed, timedOut, cancelled or sessionClosed. The release notes' verbs stand beside it
 * for embedders. Statistics are exact per user. Deadlines use the monotonic clock and are re-checked after a stall.
 *
 * Inside: one map of running entries, one fiber per request, one fiber for all deadlines. An entry ends at the first call
 * of `settle`, whoever makes it (the answer, the deadline, a cancel, the session's end, the caller's interruption); all
 * later ones find it ended and do nothing. This is what makes the outcome exactly one.
 */
import { Cause, Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Option, Predicate, type Scope } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { Guard } from "../../domain/Guard.ts"
import type { RequestId, SessionId, UserId } from "../../domain/Ids.ts"
import { makeMint } from "../../domain/requests/RequestId.ts"
import { AuditTrail } from "../observing/AuditTrail.ts"
import { HourlyStatistics } from "../observing/HourlyStatistics.ts"
import { HubMetrics } from "../observing/HubMetrics.ts"
import * as RequestDeadlines from "./RequestDeadlines.ts"
import { errorRow } from "../../domain/requests/RequestErrorCodes.ts"
import { RequestLog } from "../observing/RequestLog.ts"
import {
  type EndedRequest,
  type EndReason,
  RequestCancelled,
  type RequestEnd,
  RequestFailed,
  type RequestOutcome,
  requestOutcomes,
  type RequestRecord,
  RequestTimeout,
  SessionClosed,
  type TrackOptions,
  UnknownRequest
} from "../../domain/requests/RequestRecord.ts"
import { Account, type Numbers, RequestStatistics } from "./RequestStatistics.ts"
import { RunningRequest } from "./RunningRequest.ts"

export * from "../../domain/requests/RequestRecord.ts"

export interface UserStats extends Numbers {
  readonly userId: UserId
}

export interface SystemStats extends Numbers {
  /** Users with statistics. */
  readonly users: number
  /** Sessions with a request running right now. */
  readonly sessions: number
  readonly lateResponses: number
}

type Fork = (effect: Effect.Effect<unknown, unknown>) => Fiber.Fiber<unknown, unknown>

/** `UpstreamFailed` → `upstream_failed`; what is no tagged error is `internal`. */
const kindOf = (error: unknown): string => {
  const tag = typeof error === "object" && error !== null && "_tag" in error ? error._tag : undefined
  if (typeof tag !== "string") return "internal"
  if (tag === "RequestTimeout") return "timeout"
  if (tag === "RequestCancelled") return "cancelled"
  return tag.replace(/(?<=[a-z0-9])[A-Z]/g, "_$&").toLowerCase()
}

/** The server that a request failed by before it was certain where it leads. */
const serverOf = (error: unknown): string | undefined =>
  Predicate.hasProperty(error, "server") && typeof error.server === "string" ? error.server : undefined

const outcomeOf = (
  record: RequestRecord,
  exit: Exit.Exit<unknown, unknown>
): readonly [RequestOutcome, errorKind: string | undefined] => {
  if (Exit.isFailure(exit)) {
    if (Cause.hasInterruptsOnly(exit.cause)) return ["cancelled", "cancelled"]
    const error = Cause.squash(exit.cause)
    record.server ??= serverOf(error)
    return ["failed", record.errorKind ?? kindOf(error)]
  }
  if (record.errorKind === undefined && record.errorCode === undefined) return ["completed", undefined]
  return ["failed", record.errorKind ?? "error_response"]
}

const listenersByOutcome = (): Readonly<Record<RequestOutcome, Set<(ended: EndedRequest) => void>>> => ({
  completed: new Set(),
  failed: new Set(),
  timedOut: new Set(),
  cancelled: new Set(),
  sessionClosed: new Set()
})

const unknown = (requestId: string) =>
  new UnknownRequest({ requestId, message: `No request ${requestId} is running; it has ended or was never tracked` })

const make: Effect.Effect<RequestTracker["Service"], never, RequestLog | HubMetrics | Scope.Scope> = Effect.gen(
  function* () {
    const config = yield* HubConfig
    const clock = yield* Clock.Clock
    const log = yield* RequestLog
    const audit = yield* AuditTrail
    const hourly = yield* HourlyStatistics
    const metrics = yield* HubMetrics
    const mint = makeMint()
    const statistics = new RequestStatistics()
    const running = new Map<string, RunningRequest>()
    /** Ended, but their finalizers still run: a session is not clean before they are done. */
    const finishing = new Set<RunningRequest>()
    const listeners = listenersByOutcome()
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    let lateResponses = 0
    const deadlines = yield* RequestDeadlines.make(() => running.values())

    const open = (options: TrackOptions): RunningRequest => {
      const { principal, sessionId, method } = options
      const startedAt = clock.currentTimeMillisUnsafe()
      const requestId = mint(principal.userId, sessionId, method, startedAt)
      const request = new RunningRequest(requestId, options, config, startedAt, deadlines, timeOut)
      const account = statistics.account(principal.userId)
      account.started(startedAt)
      statistics.system.started(startedAt)
      request.account = account
      running.set(requestId, request)
      if (request.deadline < deadlines.awaited) deadlines.arm(request.deadline)
      return request
    }

    /** The one end of a request; false when it had ended before. */
    const settle = (request: RunningRequest, outcome: RequestOutcome, errorKind: string | undefined): boolean => {
      if (!running.delete(request.requestId)) return false
      const durationMs = deadlines.now() - request.startedMono
      const endedAt = clock.currentTimeMillisUnsafe()
      request.account!.ended(durationMs, errorKind, endedAt)
      statistics.system.ended(durationMs, errorKind, endedAt)
      const ended: EndedRequest = { record: request, outcome, durationMs, endedAt, errorKind }
      // First, so that no defect of the others costs a row whose place was reserved.
      audit.ended(ended, request.hasAuditPlace)
      hourly.ended(ended)
      metrics.requestEnded(request.method, outcome, errorKind, durationMs, request.server)
      log.ended(ended)
      for (const listener of listeners[outcome]) listener(ended)
      return true
    }

    /** A request whose end throws is over all the same, and whoever waits for its answer hears so. */
    const guarding = (request: RunningRequest): Guard => {
      const { requestId, method, userId, sessionId } = request
      const breakOff = (): void => {
        running.delete(requestId)
        const { answer } = request
        request.release()
        answer(Exit.die(new Error("The end of a request failed")))
      }
      return new Guard(runFork, { breakOff }, { requestId, method, userId, sessionId })
    }

    /** One for all fibers: a defect in the end of a request is that request's, see `finish`. */
    const observing = new Guard(runFork, { breakOff: () => {} })

    const interrupt = (request: RunningRequest): void => {
      const fiber = request.fiber
      if (fiber === undefined || fiber.pollUnsafe() !== undefined) return
      finishing.add(request)
      observing.whenEnded(fiber, () => void finishing.delete(request))
      fiber.interruptUnsafe()
    }

    /** Ends a request from outside: its fiber is interrupted, its caller gets the typed error at once. */
    const stop = (request: RunningRequest, outcome: RequestOutcome, error: RequestEnd): void => {
      if (!running.has(request.requestId)) return
      const { code, kind } = errorRow(error)
      request.errorCode = code
      // Taken first: a fiber that ends at once releases the request.
      const { answer } = request
      settle(request, outcome, kind)
      interrupt(request)
      answer(Exit.fail(error))
    }

    function timeOut(request: RunningRequest, timeoutMs: number): void {
      const { requestId, server } = request
      const [who, whose] =
        server === undefined ? ["No answer", "the server's"] : [`No answer of server ${server}`, "its"]
      const message = `${who} within ${timeoutMs} ms, so the request was cancelled; raise ${whose} options.timeout or REQUEST_TIMEOUT if it needs longer`
      const error = new RequestTimeout({ requestId, timeoutMs, server, message })
      stop(request, "timedOut", error)
    }

    const stopFor = (request: RunningRequest, reason: EndReason, detail: string): void => {
      const { requestId } = request
      if (reason === "cancelled") {
        stop(request, "cancelled", new RequestCancelled({ requestId, message: detail }))
      } else {
        const message = `The session ended while the request was running: ${detail}`
        stop(request, "sessionClosed", new SessionClosed({ requestId, reason: detail, message }))
      }
    }

    /** The effect has ended; what ended it from outside has answered already. */
    const finish = (request: RunningRequest, exit: Exit.Exit<unknown, unknown>): void => {
      try {
        const [outcome, errorKind] = outcomeOf(request, exit)
        const isFirst = settle(request, outcome, errorKind)
        // Taken first: once it has been called, it is not called again, even if it throws.
        const { answer } = request
        request.release()
        if (isFirst) answer(exit)
      } catch (defect) {
        guarding(request).fail(defect)
      }
    }

    const start = (
      options: TrackOptions,
      use: (record: RequestRecord) => Effect.Effect<unknown, unknown>,
      fork: Fork,
      done: (exit: Exit.Exit<unknown, unknown>, record: RequestRecord) => void
    ): RunningRequest => {
      const request = open(options)
      const answer = (exit: Exit.Exit<unknown, unknown>): void => done(exit, request)
      request.answer = answer
      const fiber = fork(Effect.suspend(() => use(request)))
      request.fiber = fiber
      observing.whenEnded(fiber, (exit) => finish(request, exit))
      // It was ended by its own first steps, when there was no fiber to interrupt yet.
      if (fiber.pollUnsafe() === undefined && !running.has(request.requestId)) interrupt(request)
      return request
    }

    const awaitEnd = (requests: Iterable<RunningRequest>) =>
      Effect.suspend(() => {
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const { fiber } of requests) if (fiber !== undefined) fibers.push(fiber)
        return Effect.asVoid(Fiber.awaitAll(fibers))
      })

    const cleanup = (belongs: (request: RunningRequest) => boolean, detail: string) =>
      Effect.suspend(() => {
        const own = [...running.values()].filter(belongs)
        for (const request of own) stopFor(request, "sessionClosed", detail)
        return Effect.as(awaitEnd([...own, ...[...finishing].filter(belongs)]), own.length)
      })

    const byHand = (requestId: string) =>
      Effect.suspend(() => {
        const request = running.get(requestId)
        return request?.byHand === true ? Effect.succeed(request) : unknown(requestId)
      })

    const pendingWhere = (belongs: (request: RunningRequest) => boolean) =>
      Effect.sync(() => [...running.values()].filter(belongs))

    yield* metrics.gauge("mcphub_requests_in_flight", "Requests running right now", () => running.size)
    yield* Effect.addFinalizer(() => cleanup(() => true, "the hub is shutting down"))

    return {
      track: (options, use) =>
        Effect.withFiber((caller) =>
          Effect.callback((resume) => {
            const fork = Effect.runForkWith(caller.context as never) as Fork
            const request = start(options, use as never, fork, resume as never)
            const { fiber } = request
            if (fiber === undefined) return
            return Effect.suspend(() => {
              settle(request, "cancelled", "cancelled")
              return Fiber.interrupt(fiber)
            })
          })
        ),
      start: start as RequestTracker["Service"]["start"],
      endWith: (requestId, reason, detail) =>
        Effect.suspend(() => {
          const request = running.get(requestId)
          if (request === undefined) return unknown(requestId)
          stopFor(request, reason, detail)
          return awaitEnd([request])
        }),
      trackRequest: (options) =>
        Effect.sync(() => {
          const request = open(options)
          const result = Deferred.makeUnsafe<unknown, RequestEnd | RequestFailed>()
          request.byHand = true
          const answer = (exit: Exit.Exit<unknown, unknown>): void =>
            void Deferred.doneUnsafe(result, exit as Exit.Exit<unknown, RequestEnd | RequestFailed>)
          request.answer = answer
          return { requestId: request.requestId, result: Deferred.await(result) }
        }),
      completeRequest: (requestId, result) =>
        Effect.map(byHand(requestId), (request) => finish(request, Exit.succeed(result))),
      failRequest: (requestId, cause) =>
        Effect.map(byHand(requestId), (request) => {
          const error = new RequestFailed({
            requestId: request.requestId,
            message: "The request was reported as failed",
            cause
          })
          request.errorKind ??= kindOf(cause)
          finish(request, Exit.fail(error))
        }),
      cleanupSession: (sessionId: SessionId, detail = "it was closed") =>
        cleanup((request) => request.sessionId === sessionId, detail),
      cleanupUser: (userId: UserId, detail = "all sessions of the user were closed") =>
        cleanup((request) => request.userId === userId, detail),
      pending: pendingWhere(() => true),
      pendingByUser: (userId) => pendingWhere((request) => request.userId === userId),
      pendingBySession: (sessionId) => pendingWhere((request) => request.sessionId === sessionId),
      inFlight: (userId) => statistics.users.get(userId)?.pending ?? 0,
      find: (requestId) => Effect.sync(() => Option.fromUndefinedOr(running.get(requestId))),
      userStats: (userId) =>
        Effect.sync(() => ({ userId, ...(statistics.users.get(userId) ?? new Account()).numbers() })),
      allUserStats: Effect.sync(() =>
        [...statistics.users].map(([userId, account]) => ({ userId, ...account.numbers() }))
      ),
      systemStats: Effect.sync(() => ({
        ...statistics.system.numbers(),
        users: statistics.users.size,
        sessions: new Set([...running.values()].map((request) => request.sessionId)).size,
        lateResponses
      })),
      lateResponse: (server) => {
        lateResponses++
        metrics.lateResponse(server)
      },
      onEnded: (listener, outcomes = requestOutcomes) => {
        for (const outcome of outcomes) listeners[outcome].add(listener)
        return () => {
          for (const outcome of outcomes) listeners[outcome].delete(listener)
        }
      }
    }
  }
)

export class RequestTracker extends Context.Service<
  RequestTracker,
  {
    /**
     * Runs an effect as one tracked request, in a fiber of its own that is interruptible even below an uninterruptible
     * caller: no deadline could hold otherwise. Interrupting the caller ends it as `cancelled` and waits for the
     * effect's finalizers. A deadline or `endWith` answers the caller at once with the typed error, while the
     * finalizers still run. A defect ends it as `failed` and propagates.
     */
    readonly track: <A, E, R>(
      options: TrackOptions,
      use: (record: RequestRecord) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | RequestTimeout | RequestCancelled | SessionClosed, R>
    /**
     * The same for callers outside of Effect (the data path): one fiber, started by `fork`, and `done` called once with
     * the exit, interruption from outside already turned into its typed error.
     */
    readonly start: <A, E>(
      options: TrackOptions,
      use: (record: RequestRecord) => Effect.Effect<A, E>,
      fork: (effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>,
      done: (exit: Exit.Exit<A, E | RequestTimeout | RequestCancelled | SessionClosed>, record: RequestRecord) => void
    ) => RequestRecord
    /** Ends a running request from outside with a typed reason: interrupts its effect, resolves when that is done. */
    readonly endWith: (requestId: RequestId, reason: EndReason, detail: string) => Effect.Effect<void, UnknownRequest>
    /** The release notes' verbs (R2): a request tracked by hand, with the same deadline and the same statistics. */
    readonly trackRequest: (options: TrackOptions) => Effect.Effect<{
      readonly requestId: RequestId
      readonly result: Effect.Effect<unknown, RequestEnd | RequestFailed>
    }>
    /** Both know only requests of `trackRequest`: what `track` runs ends by itself. */
    readonly completeRequest: (requestId: string, result: unknown) => Effect.Effect<void, UnknownRequest>
    readonly failRequest: (requestId: string, error: unknown) => Effect.Effect<void, UnknownRequest>
    /** Ends all requests of a session or user as `sessionClosed`; resolves with their number when all have ended. */
    readonly cleanupSession: (sessionId: SessionId, detail?: string) => Effect.Effect<number>
    readonly cleanupUser: (userId: UserId, detail?: string) => Effect.Effect<number>
    readonly pending: Effect.Effect<ReadonlyArray<RequestRecord>>
    readonly pendingByUser: (userId: UserId) => Effect.Effect<ReadonlyArray<RequestRecord>>
    readonly pendingBySession: (sessionId: SessionId) => Effect.Effect<ReadonlyArray<RequestRecord>>
    /** How many requests and notifications of a user run right now; constant time, for limits. */
    readonly inFlight: (userId: UserId) => number
    readonly find: (requestId: string) => Effect.Effect<Option.Option<RequestRecord>>
    readonly userStats: (userId: UserId) => Effect.Effect<UserStats>
    readonly allUserStats: Effect.Effect<ReadonlyArray<UserStats>>
    readonly systemStats: Effect.Effect<SystemStats>
    /** An answer arrived after its request had ended: dropped and counted. */
    readonly lateResponse: (server: string) => void
    /**
     * Calls back, synchronously and once, for every request that ends in one of these ways, or in any; returns how to
     * stop. Nobody is called for an ending that nobody has asked for, as there is none for most that complete.
     */
    readonly onEnded: (listener: (ended: EndedRequest) => void, outcomes?: ReadonlyArray<RequestOutcome>) => () => void
  }
>()("mcphub/actors/requests/RequestTracker") {
  static readonly layer: Layer.Layer<RequestTracker, never, RequestLog | HubMetrics> = Layer.effect(
    RequestTracker,
    make
  )

  /** With metrics of its own and no log lines. */
  static readonly layerMemory: Layer.Layer<RequestTracker> = RequestTracker.layer.pipe(
    Layer.provide([RequestLog.layerOff, HubMetrics.layer])
  )
}
