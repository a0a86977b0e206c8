/** The arguments of `npm run bench`. */
import { resolve } from "node:path"
import { workloadNames } from "./Workloads.ts"

export interface Options {
  readonly rounds: number
  /** Length of a slice in milliseconds; some workloads take half of it. */
  readonly ms: number
  /** Milliseconds of load on each target before the first round. */
  readonly warmMs: number
  /** Sessions of the workloads `idle` and `churn`. */
  readonly sessions: number
  /** Names of targets; absent: all. */
  readonly only: ReadonlyArray<string> | undefined
  readonly workloads: ReadonlyArray<string>
  /** Another checkout whose hub is measured beside this one's. */
  readonly against: string | undefined
  /** The two composed hubs instead of the usual targets. */
  readonly isolation: boolean
  /** Processors, or none where there are not two of them or no `taskset`. */
  readonly processors: { readonly hub: string; readonly load: string } | undefined
  readonly selftest: boolean
}

export const usageText = `npm run bench -- [options]
  --quick            shorter slices, fewer sessions: under six minutes
  --only A,B         targets by name
  --workloads A,B    ${workloadNames.join(", ")}
  --rounds N         default 5, with --quick 3
  --ms N             length of a slice, default 2000, with --quick 1000
  --sessions N       of idle and churn, default 1000, with --quick 200
  --against DIR      also the hub of another checkout, compared with this one's round by round
  --isolation        the hub with and without isolation and tracking, compared round by round
  --no-pin           leave the choice of processors to the system
  --selftest         check the bench itself`

const names = (known: ReadonlyArray<string>, text: string, flag: string): ReadonlyArray<string> => {
  const asked = text.split(",")
  for (const name of asked) if (!known.includes(name)) throw new Error(`${flag} knows ${known.join(", ")}, not ${name}`)
  return asked
}

const flags = ["--quick", "--isolation", "--no-pin", "--selftest"]
const valued = ["--only", "--workloads", "--rounds", "--ms", "--sessions", "--against"]
const ofIsolation = ["c1", "c32", "list", "setup", "idle", "headers"]

export const fromArguments = (args: ReadonlyArray<string>, canPin: boolean): Options => {
  const given = new Map<string, string>()
  for (let at = 0; at < args.length; at++) {
    const flag = args[at]!
    const value = valued.includes(flag) ? args[++at] : flags.includes(flag) ? "" : undefined
    if (value === undefined) throw new Error(`${flag} is not understood\n\n${usageText}`)
    given.set(flag, value)
  }
  const number = (flag: string, otherwise: number): number => {
    const value = Number(given.get(flag) ?? otherwise)
    if (!(value > 0)) throw new Error(`${flag} needs a number above 0`)
    return value
  }
  const quick = given.has("--quick")
  const isolation = given.has("--isolation")
  const against = given.get("--against")
  return {
    rounds: number("--rounds", quick ? 3 : 5),
    ms: number("--ms", quick ? 1_000 : 2_000),
    warmMs: quick ? 2_000 : 6_000,
    sessions: number("--sessions", quick ? 200 : 1_000),
    only: given.get("--only")?.split(","),
    workloads: given.has("--workloads")
      ? names(workloadNames, given.get("--workloads")!, "--workloads")
      : isolation
        ? ofIsolation
        : workloadNames,
    against: against === undefined ? undefined : resolve(against),
    isolation,
    processors: canPin && !given.has("--no-pin") ? { hub: "0", load: "1" } : undefined,
    selftest: given.has("--selftest")
  }
}
