/**
 * The client's requests, from their arrival to their answer: a place in flight, one tracked fiber, one answer by the
 * exchange the request came by, whatever happens. Each request is a fiber of its own and a defect fails that one
 * request; only many defects within a minute end the session.
 */
import { Cause, Clock, Effect, Exit, Option, type Scope } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { RequestId, SessionId } from "../../domain/Ids.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { carriedIn } from "../../domain/protocol/json/CarriedJson.ts"
import { isSameId, type JsonObject, type JsonRpcRequest } from "../../domain/protocol/JsonRpc.ts"
import { Telemetry, type TracedRequest } from "../../domain/Telemetry.ts"
import { AuditTrail } from "../observing/AuditTrail.ts"
import type { Said } from "../calls/Call.ts"
import type { ClientExchange } from "../calls/ClientExchange.ts"
import type { ClientQuestions } from "../calls/ClientQuestions.ts"
import { errorRow } from "../../domain/requests/RequestErrorCodes.ts"
import { AuditUnavailable, type RequestError, UserOverloaded } from "../../domain/requests/RequestErrors.ts"
import { type RequestRecord, RequestTracker } from "../requests/RequestTracker.ts"
import type { AuditPlaces } from "./SessionAccess.ts"
import type { SessionActivity } from "./SessionActivity.ts"
import type { SessionBackground } from "./SessionBackground.ts"
import type { SessionRequests } from "./SessionRequests.ts"
import { UserLimits } from "../limits/UserLimits.ts"
import { metaOf } from "../../domain/protocol/JsonObjects.ts"

export interface SessionIntake {
  /** Starts the request; the result cancels it. */
  readonly request: (message: JsonRpcRequest, principal: Principal, exchange: ClientExchange, said?: Said) => () => void
  /** Ends those running requests that this is true of. */
  readonly endWhere: (
    matches: (record: RequestRecord, message: JsonRpcRequest) => boolean,
    reason: string
  ) => Effect.Effect<void>
  /** `notifications/cancelled` of the client. */
  readonly cancel: (params: JsonObject | undefined, principal: Principal) => void
}

export interface IntakeOptions {
  readonly sessionId: SessionId
  readonly protocolVersion: string
  readonly activity: SessionActivity
  readonly background: SessionBackground
  readonly questions: ClientQuestions
  readonly requests: SessionRequests
  readonly places: AuditPlaces
  /** Ends the session from inside: too many defects. */
  readonly end: (reason: string) => void
}

/** This many defects in a minute end the session: something in it is broken for good. */
const crashLimit = 10
const crashWindowMs = 60_000

export const make = Effect.fnUntraced(function* (options: IntakeOptions) {
  const { activity, background, places, protocolVersion, questions, requests, sessionId } = options
  const tracker = yield* RequestTracker
  const audit = yield* AuditTrail
  const limits = yield* UserLimits
  const hub = yield* HubConfig
  const monotonic = monotonicMillis(yield* Clock.Clock)
  const telemetry = yield* Telemetry
  const services = yield* Effect.context<Scope.Scope>()
  const runFork = Effect.runForkWith(services)
  const running = new Map<RequestRecord, JsonRpcRequest>()
  let crashes: Array<number> = []

  const crashed = (): void => {
    const now = monotonic()
    crashes = [...crashes.filter((at) => now - at < crashWindowMs), now]
    if (crashes.length >= crashLimit) options.end("too many internal errors")
  }

  /** An answer that cannot be written is a defect of its request's. */
  const settle = (
    exit: Exit.Exit<unknown, RequestError>,
    exchange: ClientExchange,
    requestId: RequestId | undefined
  ): void => {
    try {
      answer(exit, exchange, requestId)
    } catch (defect) {
      crashed()
      exchange.die(Cause.die(defect), requestId)
    }
  }

  /** The answer leaves exactly once, whatever the exit. */
  const answer = (
    exit: Exit.Exit<unknown, RequestError>,
    exchange: ClientExchange,
    requestId: RequestId | undefined
  ): void => {
    if (Exit.isSuccess(exit)) return exchange.succeed(exit.value, requestId)
    const error = Cause.findErrorOption(exit.cause)
    if (Option.isSome(error)) return exchange.fail(error.value, requestId)
    if (Cause.hasInterruptsOnly(exit.cause)) return exchange.fail(activity.closedError(requestId), requestId)
    crashed()
    exchange.die(exit.cause, requestId)
  }

  const request: SessionIntake["request"] = (message, principal, exchange, said) => {
    activity.seen(principal)
    if (activity.ending() || principal.standing.key.isRevoked) {
      exchange.fail(activity.closedError(), undefined)
      return doNothing
    }
    if (!limits.take(principal.userId, "inFlight", hub.maxInflightPerUser)) {
      const message = `This user has ${hub.maxInflightPerUser} requests in flight, as many as allowed; wait for one to end`
      exchange.fail(new UserOverloaded({ message, retryAfterSeconds: 1 }), undefined)
      return doNothing
    }
    const place = places.take(principal)
    if (place === "none") {
      limits.give(principal.userId, "inFlight")
      exchange.fail(noAuditPlace, undefined)
      return doNothing
    }
    activity.requestStarted()
    const use = (record: RequestRecord): Effect.Effect<unknown, RequestError> => {
      running.set(record, message)
      const context = { ...background.ids, principal, requestId: record.requestId, waits: record }
      const call = { message, record, exchange, said, context }
      const answer = Effect.catchCause(requests.dispatch(call), (cause) => failed(record, cause))
      return telemetry.enabled ? telemetry.wrap(tracedRequest(message, protocolVersion), answer) : answer
    }
    const carried = carriedIn(message.params)
    if (carried !== undefined) carried.isTaken = true
    const hasAuditPlace = place === "reserved"
    let holdsPlace = true
    const done = (exit: Exit.Exit<unknown, RequestError>, record: RequestRecord): void => {
      holdsPlace = false
      activity.requestEnded()
      limits.give(principal.userId, "inFlight")
      try {
        running.delete(record)
        carried?.release()
        if (record.isPaused) questions.settle(record)
      } finally {
        settle(exit, exchange, record.requestId)
        activity.tellSettled()
      }
    }
    try {
      const options = { principal, sessionId, method: message.method, kind: "request", hasAuditPlace } as const
      const { requestId } = tracker.start<unknown, RequestError>(options, use, runFork, done)
      return () => background.run(tracker.endWith(requestId, "cancelled", "The client closed the response stream"))
    } catch (defect) {
      if (holdsPlace) {
        activity.requestEnded()
        limits.give(principal.userId, "inFlight")
        if (hasAuditPlace) places.release(principal)
        carried?.release()
        activity.tellSettled()
      }
      throw defect
    }
  }

  const cancel: SessionIntake["cancel"] = (params, principal) => {
    const exact = [...running].filter(([, { id }]) => id === params?.["requestId"])
    const named = exact.length > 0 ? exact : [...running].filter(([, { id }]) => isSameId(id, params?.["requestId"]))
    // An id in flight twice names nothing in particular; nothing is cancelled then.
    if (named.length !== 1) return audit.refused("cancel_ignored", principal, sessionId, "notifications/cancelled")
    for (const [record] of named)
      background.run(tracker.endWith(record.requestId, "cancelled", "The client cancelled the request"))
  }

  const endWhere: SessionIntake["endWhere"] = (matches, reason) =>
    Effect.forEach(
      [...running].filter(([record, message]) => matches(record, message)),
      ([{ requestId }]) => Effect.ignore(tracker.endWith(requestId, "cancelled", reason)),
      { concurrency: "unbounded", discard: true }
    )

  return { request, cancel, endWhere } satisfies SessionIntake
})

const doNothing = (): void => {}

const noAuditPlace = new AuditUnavailable({
  message: "The audit trail has no room at the moment and a group of this user requires it; try again"
})

/** The record says why; whatever is no error of a request is the tracker's. */
const failed = (record: RequestRecord, cause: Cause.Cause<RequestError>): Effect.Effect<never, RequestError> => {
  const error = Cause.findErrorOption(cause)
  if (Option.isSome(error)) {
    const { code, kind } = errorRow(error.value)
    record.errorCode = code
    record.errorKind = kind
    // A request whose name could not be looked up, because its server is away, has not come as far as the server.
    if ("server" in error.value) record.server ??= error.value.server
  }
  return Effect.failCause(cause)
}

const tracedRequest = ({ id, method, params }: JsonRpcRequest, protocolVersion: string): TracedRequest => {
  const name = params?.["name"]
  return {
    method,
    protocolVersion,
    rpcId: id,
    target: typeof name === "string" ? name : undefined,
    meta: metaOf(params)
  }
}
