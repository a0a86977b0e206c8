/**
 * One JSON line per ended request, with fixed keys, so that the lines of two users can be told apart and joined with
 * what the upstream logged. It never holds arguments, results, keys or tokens: the record does not have them.
 *
 * `LOG_REQUESTS=all|errors|off` decides which requests get a line.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { InFlightRequest } from "../../domain/records/InFlightRequests.ts"
import { hubCodes } from "../../domain/protocol/ErrorCodes.ts"
import { excerpt, logLine } from "../../domain/Redaction.ts"
import { LogOutput } from "./LogOutput.ts"
import type { EndedRequest, RequestOutcome } from "../../domain/requests/RequestRecord.ts"

const maxText = 256
/** Method and target come from the client, which may send megabytes. The whole line is scrubbed; a cut key is not one. */
const bounded = (text: string | undefined): string | null => {
  if (text === undefined) return null
  return text.length <= maxText ? text : excerpt(text, maxText)
}

const level = (outcome: RequestOutcome | "unknown"): string =>
  outcome === "completed" ? "info" : outcome === "failed" || outcome === "timedOut" ? "error" : "warn"

/** ISO 8601, made once for all the requests that end in one millisecond. */
const makeClockText = (): ((millis: number) => string) => {
  let last = Number.NaN
  let text = ""
  return (millis) => {
    if (millis !== last) text = new Date((last = millis)).toISOString()
    return text
  }
}

interface Ending {
  /** ISO 8601. */
  readonly time: string
  readonly outcome: RequestOutcome | "unknown"
  readonly errorCode: number | undefined
  readonly errorKind: string | undefined
  readonly durationMs: number | null
}

type Named = Pick<InFlightRequest, "requestId" | "userId" | "username" | "sessionId" | "method"> & {
  readonly server?: string | null | undefined
  readonly target?: string | null | undefined
}

/** One request's line. Absent values are null, so that every line has every key. */
const format = (request: Named, { durationMs, errorCode, errorKind, outcome, time }: Ending): string =>
  logLine(
    JSON.stringify({
      time,
      level: level(outcome),
      msg: "request",
      requestId: request.requestId,
      userId: request.userId,
      user: request.username,
      sessionId: request.sessionId,
      server: request.server ?? null,
      method: bounded(request.method),
      target: bounded(request.target ?? undefined),
      outcome,
      errorCode: errorCode ?? null,
      errorKind: errorKind ?? null,
      durationMs: durationMs === null ? null : Math.round(durationMs * 1000) / 1000
    })
  )

/** Of a request that a killed hub has left nobody knows when it ended, and how. */
const lost = { outcome: "unknown", errorCode: hubCodes.outcomeUnknown, errorKind: "outcome_unknown" } as const

export class RequestLog extends Context.Service<
  RequestLog,
  {
    readonly ended: (request: EndedRequest) => void
    /** A hub was killed while it ran. */
    readonly lost: (request: InFlightRequest) => void
  }
>()("mcphub/actors/observing/RequestLog") {
  static readonly layer: Layer.Layer<RequestLog, never, LogOutput> = Layer.effect(
    RequestLog,
    Effect.gen(function* () {
      const { logRequests } = yield* HubConfig
      const output = yield* LogOutput
      const clock = yield* Clock.Clock
      const timeText = makeClockText()
      return {
        ended: (request) => {
          if (logRequests === "off" || (logRequests === "errors" && request.outcome === "completed")) return
          const { durationMs, endedAt, errorKind, outcome, record } = request
          const { errorCode } = record
          output.line(
            format(record, { time: timeText(endedAt), outcome, errorCode, errorKind, durationMs }),
            record.userId
          )
        },
        lost: (request) => {
          if (logRequests === "off") return
          const time = timeText(clock.currentTimeMillisUnsafe())
          output.line(format(request, { ...lost, time, durationMs: null }), request.userId)
        }
      }
    })
  )

  static readonly layerOff = Layer.succeed(RequestLog)({ ended: () => {}, lost: () => {} })
}
