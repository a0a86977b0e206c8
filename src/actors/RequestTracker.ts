/**
 * Every MCP request and notification of every user, from its start to exactly one outcome.
 *
 * `track` brackets an effect: it mints the request id, registers the record, runs the effect under the deadline and
 * ends the record as completed, failed, timedOut, cancelled or sessionClosed. The release notes' verbs stand beside it
 * for embedders. Statistics are exact per user. Deadlines use the monotonic clock and are re-checked after a stall.
 */
import { Context, type Effect, type Exit, type Fiber, Layer, type Option } from "effect"
import type { RequestId, SessionId, UserId } from "../domain/Ids.ts"
import { HubMetrics } from "./HubMetrics.ts"
import { RequestLog } from "./RequestLog.ts"
import type {
  EndedRequest,
  EndReason,
  RequestCancelled,
  RequestEnd,
  RequestFailed,
  RequestRecord,
  RequestTimeout,
  SessionClosed,
  TrackOptions,
  UnknownRequest
} from "./RequestRecord.ts"
import type { Numbers } from "./RequestStatistics.ts"
import { make } from "./RequestTracking.ts"

export * from "./RequestRecord.ts"

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
    /** Calls back, synchronously and once, for every request that ends; returns how to stop. For audit and live views. */
    readonly onEnded: (listener: (ended: EndedRequest) => void) => () => void
  }
>()("mcphub/actors/RequestTracker") {
  static readonly layer: Layer.Layer<RequestTracker, never, RequestLog | HubMetrics> = Layer.effect(
    RequestTracker,
    make
  )

  /** With metrics of its own and no log lines. */
  static readonly layerMemory: Layer.Layer<RequestTracker> = RequestTracker.layer.pipe(
    Layer.provide([RequestLog.layerOff, HubMetrics.layer])
  )
}
