/**
 * How `RequestTracker` works: one map of running entries, one fiber per request, one fiber for all deadlines.
 *
 * An entry ends at the first call of `settle`, whoever makes it (the answer, the deadline, a cancel, the session's end,
 * the caller's interruption); all later ones find it ended and do nothing. This is what makes the outcome exactly one.
 */
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Option, type Scope } from "effect"
import { HubConfig } from "../domain/HubConfig.ts"
import type { SessionId, UserId } from "../domain/Ids.ts"
import { makeMint } from "../domain/RequestId.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { HubMetrics } from "./HubMetrics.ts"
import * as RequestDeadlines from "./RequestDeadlines.ts"
import { errorRow } from "./RequestErrorCodes.ts"
import { RunningRequest } from "./RunningRequest.ts"
import { RequestLog } from "./RequestLog.ts"
import {
  type EndedRequest,
  type EndReason,
  RequestCancelled,
  type RequestEnd,
  RequestFailed,
  type RequestOutcome,
  type RequestRecord,
  RequestTimeout,
  SessionClosed,
  type TrackOptions,
  UnknownRequest
} from "./RequestRecord.ts"
import { Account, RequestStatistics } from "./RequestStatistics.ts"
import type { RequestTracker } from "./RequestTracker.ts"

type Fork = (effect: Effect.Effect<unknown, unknown>) => Fiber.Fiber<unknown, unknown>

/** `UpstreamFailed` → `upstream_failed`; what is no tagged error is `internal`. */
const kindOf = (error: unknown): string => {
  const tag = typeof error === "object" && error !== null && "_tag" in error ? error._tag : undefined
  if (typeof tag !== "string") return "internal"
  if (tag === "RequestTimeout") return "timeout"
  if (tag === "RequestCancelled") return "cancelled"
  return tag.replace(/(?<=[a-z0-9])[A-Z]/g, "_$&").toLowerCase()
}

const outcomeOf = (
  record: RequestRecord,
  exit: Exit.Exit<unknown, unknown>
): readonly [RequestOutcome, errorKind: string | undefined] => {
  if (Exit.isFailure(exit)) {
    if (Cause.hasInterruptsOnly(exit.cause)) return ["cancelled", "cancelled"]
    return ["failed", record.errorKind ?? kindOf(Cause.squash(exit.cause))]
  }
  if (record.errorKind === undefined && record.errorCode === undefined) return ["completed", undefined]
  return ["failed", record.errorKind ?? "error_response"]
}

const unknown = (requestId: string) =>
  new UnknownRequest({ requestId, message: `No request ${requestId} is running; it has ended or was never tracked` })

export const make: Effect.Effect<RequestTracker["Service"], never, RequestLog | HubMetrics | Scope.Scope> = Effect.gen(
  function* () {
    const config = yield* HubConfig
    const clock = yield* Clock.Clock
    const log = yield* RequestLog
    const audit = yield* AuditTrail
    const metrics = yield* HubMetrics
    const mint = makeMint()
    const statistics = new RequestStatistics()
    const running = new Map<string, RunningRequest>()
    /** Ended, but their finalizers still run: a session is not clean before they are done. */
    const finishing = new Set<RunningRequest>()
    const listeners = new Set<(ended: EndedRequest) => void>()
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
      deadlines.arm(request.deadline)
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
      metrics.requestEnded(request.method, outcome, errorKind, durationMs)
      log.ended(ended)
      audit.ended(ended)
      for (const listener of listeners) listener(ended)
      return true
    }

    const interrupt = (request: RunningRequest): void => {
      const fiber = request.fiber
      if (fiber === undefined || fiber.pollUnsafe() !== undefined) return
      finishing.add(request)
      fiber.addObserver(() => finishing.delete(request))
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
      const message = `No answer within ${timeoutMs} ms, so the request was cancelled; raise the server's options.timeout or REQUEST_TIMEOUT if it needs longer`
      const error = new RequestTimeout({ requestId: request.requestId, timeoutMs, message })
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
      const [outcome, errorKind] = outcomeOf(request, exit)
      if (settle(request, outcome, errorKind)) request.answer(exit)
      request.release()
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
      fiber.addObserver((exit) => finish(request, exit))
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
      onEnded: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      }
    }
  }
)
