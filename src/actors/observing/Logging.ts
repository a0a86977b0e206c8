/**
 * The hub's own log: one JSON object per line with `time`, `level`, `msg` and the annotations, through the same output
 * as the request lines. Nothing spans two lines, `Redacted` values print as such, text shaped like a key is removed.
 *
 * A cause is printed with its stacks from `error` on, and for every level when debugging; below, only its message.
 */
import { Cause, Effect, Formatter, Layer, Logger, type LogLevel, References } from "effect"
import { UserId } from "../../domain/Ids.ts"
import { logLine } from "../../domain/Redaction.ts"
import { LogOutput } from "./LogOutput.ts"

export const levels = ["trace", "debug", "info", "warn", "error", "fatal", "none"] as const

/** `LOG_LEVEL` as users write it, in any case; undefined when it is none of `levels`. */
export const parseLevel = (text: string): LogLevel.LogLevel | undefined => {
  const level = text.trim().toLowerCase()
  if (!(levels as ReadonlyArray<string>).includes(level)) return undefined
  return (level.charAt(0).toUpperCase() + level.slice(1)) as LogLevel.LogLevel
}

const text = (value: unknown): string =>
  typeof value === "string" ? value : (Formatter.formatJson(value) ?? String(value))

const isSerious = (level: LogLevel.LogLevel) => level === "Error" || level === "Fatal"
const isDebugging = (level: LogLevel.LogLevel) => level === "Debug" || level === "Trace" || level === "All"

/** The line of one log entry. */
export const jsonLines: Logger.Logger<unknown, string> = Logger.make(({ cause, date, fiber, logLevel, message }) => {
  const messages = Array.isArray(message) ? message : [message]
  const minimum = fiber.getRef(References.MinimumLogLevel)
  const annotations = fiber.getRef(References.CurrentLogAnnotations)
  const entry: Record<string, unknown> = {
    ...annotations,
    time: date.toISOString(),
    level: logLevel.toLowerCase(),
    msg: messages.map(text).join(" ")
  }
  if (cause.reasons.length > 0) {
    const detailed = isSerious(logLevel) || isDebugging(minimum)
    entry["cause"] = detailed
      ? Cause.pretty(cause)
      : Cause.prettyErrors(cause)
          .map((error) => error.message)
          .join("; ")
  }
  return logLine(Formatter.formatJson(entry))
})

/** A line about a user takes that user's room, as the lines of requests do. */
const toOutput = (output: LogOutput["Service"]): Logger.Logger<unknown, void> =>
  Logger.make((entry) => {
    const { userId } = entry.fiber.getRef(References.CurrentLogAnnotations)
    output.line(jsonLines.log(entry), typeof userId === "string" ? UserId.make(userId) : undefined)
  })

/** Replaces all loggers of what it is provided to; `level` is the lowest that is written. */
export const layer = (options: { readonly level: LogLevel.LogLevel }): Layer.Layer<never, never, LogOutput> =>
  Layer.merge(Logger.layer([Effect.map(LogOutput, toOutput)]), Layer.succeed(References.MinimumLogLevel, options.level))
