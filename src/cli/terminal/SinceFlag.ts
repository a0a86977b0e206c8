/** The flag `--since`: a time, or how long ago it was. */
import { Clock, Effect } from "effect"
import { CliError, Flag } from "effect/cli"

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

const expected = "90s, 15m, 2h, 7d or a time such as 2026-11-23T09:00:00Z"

/** `15m`, or a time such as `2026-11-23T09:00:00Z`; undefined for anything else. */
const sinceTime = (text: string, now: number): number | undefined => {
  const ago = /^(\d{1,6})([smhd])$/.exec(text)
  if (ago !== null) return now - Number(ago[1]) * seconds[ago[2]!]! * 1_000
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

/** Milliseconds since the epoch. */
export const since = (what: string) =>
  Flag.String("since").pipe(
    Flag.withMetavar("TIME"),
    Flag.withDescription(`Only ${what} since 90s, 15m, 2h or 7d ago, or since a time such as 2026-11-23T09:00:00Z`),
    Flag.mapEffect((text) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const time = sinceTime(text, now)
        return time === undefined
          ? Effect.fail(new CliError.InvalidValue({ option: "since", value: text, expected, kind: "flag" }))
          : Effect.succeed(time)
      })
    )
  )
