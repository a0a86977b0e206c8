/**
 * Connections that a session could not open: a server is not tried again before a growing pause has passed, or the one it
 * asked for (`UpstreamPauses`).
 */
import { Effect } from "effect"
import { missingWord } from "../../../domain/requests/MissingWords.ts"
import {
  askedPause,
  isHeldBack,
  isOfServer,
  type UpstreamError,
  UpstreamUnavailable
} from "../../../domain/requests/UpstreamErrors.ts"

export interface LinkFailures {
  /** Succeeds with the milliseconds for which this session does not try the server again. */
  readonly note: (server: string, error: UpstreamError) => number | undefined
  readonly unlessPaused: (server: string) => Effect.Effect<void, UpstreamUnavailable>
  readonly forget: (server: string) => void
  /** What went wrong last, until a connection stands. */
  readonly message: (server: string) => string | undefined
}

interface Failure {
  readonly error: UpstreamError
  readonly retryAt: number
  readonly pause: number
}

const firstPause = 1_000
const longestPause = 30_000

/** What the user or the operator mends at any moment needs no pause, nor does what is paused already. */
const deservesPause = (error: UpstreamError): boolean =>
  isOfServer(error) && !isHeldBack(error) && !(error._tag === "UpstreamFailed" && error.reason === "blocked")

/** `now`: monotonic milliseconds. */
export const make = (now: () => number): LinkFailures => {
  const failures = new Map<string, Failure>()
  return {
    note: (server, error) => {
      if (!deservesPause(error)) return undefined
      const pause = Math.min(longestPause, (failures.get(server)?.pause ?? firstPause / 2) * 2)
      const asked = askedPause(error)
      failures.set(server, { error, pause, retryAt: asked === undefined ? now() + pause : now() })
      return asked ?? pause
    },
    unlessPaused: (server) =>
      Effect.suspend(() => {
        const failure = failures.get(server)
        const moment = now()
        if (failure === undefined || moment >= failure.retryAt) return Effect.void
        return new UpstreamUnavailable({
          server,
          reason: "backoff",
          because: missingWord(failure.error),
          message: failure.error.message,
          retryAfterMs: Math.ceil(failure.retryAt - moment)
        })
      }),
    forget: (server) => void failures.delete(server),
    message: (server) => failures.get(server)?.error.message
  }
}
