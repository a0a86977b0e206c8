/**
 * One JSON line per ended request, with fixed keys, so that the lines of two users can be told apart and joined with
 * what the upstream logged. It never holds arguments, results, keys or tokens: the record does not have them.
 *
 * `LOG_REQUESTS=all|errors|off` decides which requests get a line.
 */
import { Context, Effect, Layer } from "effect"
import { HubConfig } from "../domain/HubConfig.ts"
import { excerpt, logLine } from "../domain/Redaction.ts"
import { LogOutput } from "./LogOutput.ts"
import type { EndedRequest, RequestOutcome } from "./RequestRecord.ts"

const maxText = 256
/** Method and target come from the client, which may send megabytes. */
const bounded = (text: string | undefined): string | null => (text === undefined ? null : excerpt(text, maxText))

const level = (outcome: RequestOutcome): string =>
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

/** The line of one ended request. Absent values are null, so that every line has every key. */
const format = ({ durationMs, errorKind, outcome, record }: EndedRequest, time: string): string =>
  logLine(
    JSON.stringify({
      time,
      level: level(outcome),
      msg: "request",
      requestId: record.requestId,
      userId: record.userId,
      user: record.username,
      sessionId: record.sessionId,
      server: record.server ?? null,
      method: bounded(record.method),
      target: bounded(record.target),
      outcome,
      errorCode: record.errorCode ?? null,
      errorKind: errorKind ?? null,
      durationMs: Math.round(durationMs * 1000) / 1000
    })
  )

export class RequestLog extends Context.Service<RequestLog, { readonly ended: (request: EndedRequest) => void }>()(
  "mcphub/actors/RequestLog"
) {
  static readonly layer: Layer.Layer<RequestLog, never, LogOutput> = Layer.effect(
    RequestLog,
    Effect.gen(function* () {
      const { logRequests } = yield* HubConfig
      const output = yield* LogOutput
      const timeText = makeClockText()
      return {
        ended: (request) => {
          if (logRequests === "off" || (logRequests === "errors" && request.outcome === "completed")) return
          output.line(format(request, timeText(request.endedAt)))
        }
      }
    })
  )

  static readonly layerOff = Layer.succeed(RequestLog)({ ended: () => {} })
}
