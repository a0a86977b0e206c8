/**
 * The severities of `notifications/message` in their order. In revision 2026-07-28 a request names the lowest level it
 * wants in its `_meta`, and gets no log messages without one; before, one level held for the whole session.
 *
 * Source: MCP `server/utilities/logging`; RFC 5424 §6.2.1.
 */

/** Least severe first. */
export const logLevels = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"] as const
export type LogLevel = (typeof logLevels)[number]

export const isLogLevel = (value: unknown): value is LogLevel => (logLevels as ReadonlyArray<unknown>).includes(value)

/**
 * Whether a message of this level goes to a client that wants `minimum` and above; without a level a client gets none.
 */
export const passes = (level: unknown, minimum: LogLevel | undefined): boolean =>
  minimum !== undefined && isLogLevel(level) && logLevels.indexOf(level) >= logLevels.indexOf(minimum)

/** The level to set at a server that has one level for everybody; none when nobody wants messages. */
export const lowest = (wanted: Iterable<LogLevel | undefined>): LogLevel | undefined => {
  let found: LogLevel | undefined
  for (const level of wanted) {
    if (level !== undefined && (found === undefined || logLevels.indexOf(level) < logLevels.indexOf(found)))
      found = level
  }
  return found
}
