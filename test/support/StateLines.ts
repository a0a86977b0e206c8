/** The lines that the log has of servers' states, for tests within one process. */
import { Logger, References } from "effect"

export interface StateLine {
  readonly server: string
  readonly user: string | null
  readonly state: string
  readonly was: string | null
  readonly reason: string | null
  readonly retryAfterMs: number | null | undefined
}

/** A logger in place of all others that keeps these lines. */
export const make = () => {
  const lines: Array<StateLine> = []
  const keep = Logger.make(({ fiber, message }) => {
    const text: unknown = Array.isArray(message) ? message[0] : message
    if (text === "server") lines.push(fiber.getRef(References.CurrentLogAnnotations) as never)
  })
  return { lines, logger: Logger.layer([keep]) }
}
