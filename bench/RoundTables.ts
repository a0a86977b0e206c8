/** What the rounds have shown: medians, ratios as medians of the ratios within each round, and pairs of targets. */
import type { Measured } from "./Bench.ts"
import { figure, least, median, withRange } from "./Figures.ts"
import type { Slice } from "./load/Steady.ts"
import { type Row, table } from "./Markdown.ts"
import { bigBytes } from "./Workloads.ts"

const slices = ({ rounds }: Measured, workload: string): ReadonlyArray<Slice | undefined> =>
  rounds.map((round) => round[workload])

/** One value a round; NaN where the workload did not run. */
const values = (of: Measured, workload: string, read: (slice: Slice) => number): ReadonlyArray<number> =>
  slices(of, workload).map((slice) => (slice === undefined ? Number.NaN : read(slice)))

const combined = (
  one: Measured,
  other: Measured | undefined,
  workload: string,
  read: (slice: Slice) => number,
  combine: (a: number, b: number) => number
): ReadonlyArray<number> => {
  const beside = other === undefined ? [] : values(other, workload, read)
  return values(one, workload, read).map((value, round) => combine(value, beside[round] ?? Number.NaN))
}

const divided = (a: number, b: number): number => a / b
const less = (a: number, b: number): number => a - b

export const named = (results: ReadonlyArray<Measured>, name: string): Measured | undefined =>
  results.find(({ plan, rounds }) => plan.name === name && rounds.length > 0)

export const wrongs = ({ rounds }: Measured): string => {
  const all = rounds.flatMap((round) => Object.values(round))
  const sum = (read: (slice: Slice) => number): number => all.reduce((total, slice) => total + read(slice), 0)
  return `${sum(({ failed }) => failed)} / ${sum(({ crossed }) => crossed)} / ${sum(({ wrong }) => wrong)}`
}

/** What a workload shows beside the figures that all have. */
const ofItsOwn = (one: Measured, direct: Measured | undefined, workload: string): string => {
  const of = (read: (slice: Slice) => number) => median(values(one, workload, read))
  if (workload === "big") return `${figure((of(({ perSecond }) => perSecond) * bigBytes) / 1e6, 0)} MB/s`
  if (workload === "progress") {
    return `${figure(
      of(({ notifications, ok }) => notifications / ok),
      1
    )} notifications per call`
  }
  if (workload !== "c1" || direct === undefined) return ""
  return `p50 ${figure(median(combined(one, direct, workload, ({ p50 }) => p50, less)), 2)} ms over direct`
}

export const speed = (results: ReadonlyArray<Measured>, workloads: ReadonlyArray<string>): string => {
  const direct = named(results, "direct")
  const base = named(results, "nginx") ?? named(results, "node")
  const rows = workloads.flatMap((workload) =>
    results
      .filter((one) => one.rounds.some((round) => round[workload] !== undefined))
      .map((one): Row => {
        const of = (digits: number, read: (slice: Slice) => number) =>
          figure(median(values(one, workload, read)), digits)
        const ratio = (read: (slice: Slice) => number) => withRange(combined(one, base, workload, read, divided), 2)
        return [
          workload,
          one.plan.name,
          of(0, (slice) => slice.perSecond),
          ratio((slice) => slice.perSecond),
          of(2, (slice) => slice.p50),
          of(2, (slice) => slice.p95),
          of(2, (slice) => slice.p99),
          of(1, (slice) => slice.cpu),
          ratio((slice) => slice.cpu),
          of(2, (slice) => slice.busy),
          ofItsOwn(one, direct, workload)
        ]
      })
  )
  const to = base?.plan.name ?? "–"
  const head = ["workload", "target", "per second", `÷ ${to}`, "p50 ms", "p95", "p99", "CPU µs each", `÷ ${to}`]
  return table([...head, "processor busy", ""], rows)
}

/** Two targets that differ in one thing, round by round. */
export const pair = (one: Measured, other: Measured, workloads: ReadonlyArray<string>): string => {
  const rows = workloads
    .filter((workload) => one.rounds.some((round) => round[workload] !== undefined))
    .map((workload): Row => {
      const ratio = (read: (slice: Slice) => number) => withRange(combined(one, other, workload, read, divided), 3)
      const quietest = (read: (slice: Slice) => number) =>
        figure(least(values(one, workload, read)) / least(values(other, workload, read)), 3)
      return [
        workload,
        ratio(({ p50 }) => p50),
        ratio(({ p95 }) => p95),
        ratio(({ p99 }) => p99),
        ratio(({ perSecond }) => perSecond),
        ratio(({ cpu }) => cpu),
        ratio(({ resident }) => resident),
        quietest(({ p50 }) => p50),
        quietest(({ p95 }) => p95),
        quietest(({ cpu }) => cpu)
      ]
    })
  const head = ["workload", "p50", "p95", "p99", "per second", "CPU each", "resident memory"]
  const leasts = ["least p50", "least p95", "least CPU each"]
  const title = `## ${one.plan.name} ÷ ${other.plan.name}\n\nMedian of the rounds' ratios, their range behind it; then the ratios of the least that each showed in any round.`
  return `${title}\n\n${table([...head, ...leasts], rows)}`
}
