/** The report of a run in Markdown: medians over the rounds, ratios as medians of the ratios within each round. */
import type { Measured } from "./Bench.ts"
import { figure, least, median, withRange } from "./Figures.ts"
import type { Slice } from "./load/Steady.ts"
import { bigBytes, everyRound } from "./Workloads.ts"

type Row = ReadonlyArray<string>

const table = (head: Row, rows: ReadonlyArray<Row>): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

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

const mebibytes = (bytes: number): number => bytes / 1024 / 1024
const kibibytes = (bytes: number): number => bytes / 1024

const named = (results: ReadonlyArray<Measured>, name: string): Measured | undefined =>
  results.find(({ plan, rounds }) => plan.name === name && rounds.length > 0)

const wrongs = ({ rounds }: Measured): string => {
  const all = rounds.flatMap((round) => Object.values(round))
  const sum = (read: (slice: Slice) => number): number => all.reduce((total, slice) => total + read(slice), 0)
  return `${sum(({ failed }) => failed)} / ${sum(({ crossed }) => crossed)} / ${sum(({ wrong }) => wrong)}`
}

const speed = (results: ReadonlyArray<Measured>, workloads: ReadonlyArray<string>): string => {
  const direct = named(results, "direct")
  const base = named(results, "nginx") ?? named(results, "node")
  const to = base?.plan.name ?? "–"
  const rows = workloads.flatMap((workload) =>
    results
      .filter((one) => one.rounds.some((round) => round[workload] !== undefined))
      .map((one): Row => {
        const of = (read: (slice: Slice) => number) => median(values(one, workload, read))
        const ratio = (read: (slice: Slice) => number) => withRange(combined(one, base, workload, read, divided), 2)
        const perSecond = of((slice) => slice.perSecond)
        const extra =
          workload === "big"
            ? `${figure((perSecond * bigBytes) / 1e6, 0)} MB/s`
            : workload === "progress"
              ? `${figure(
                  of(({ notifications, ok }) => notifications / ok),
                  1
                )} notifications per call`
              : workload === "c1"
                ? `p50 ${figure(median(combined(one, direct, workload, ({ p50 }) => p50, less)), 2)} ms over direct`
                : ""
        return [
          workload,
          one.plan.name,
          figure(perSecond, 0),
          ratio((slice) => slice.perSecond),
          figure(
            of(({ p50 }) => p50),
            2
          ),
          figure(
            of(({ p95 }) => p95),
            2
          ),
          figure(
            of(({ p99 }) => p99),
            2
          ),
          figure(
            of(({ cpu }) => cpu),
            1
          ),
          ratio(({ cpu }) => cpu),
          figure(
            of(({ busy }) => busy),
            2
          ),
          extra
        ]
      })
  )
  const head = ["workload", "target", "per second", `÷ ${to}`, "p50 ms", "p95", "p99", "CPU µs each", `÷ ${to}`]
  return table([...head, "processor busy", ""], rows)
}

/** Two targets that differ in one thing, round by round. */
const pair = (one: Measured, other: Measured, workloads: ReadonlyArray<string>): string => {
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

const onceTable = (results: ReadonlyArray<Measured>): string => {
  const rows = results
    .filter(({ once }) => Object.keys(once).some((name) => name !== "headers"))
    .map(({ once, plan, readyMs }): Row => {
      const { churn, idle, isolation, recovery } = once
      const who = isolation && [isolation.nameless, isolation.misnamed, isolation.leaks, isolation.met].join(" / ")
      return [
        plan.name,
        figure(readyMs / 1_000, 1),
        isolation ? `${isolation.calls}: ${isolation.crossed} / ${who}` : "–",
        idle ? `${figure(kibibytes(idle.perSession), 1)} (${idle.alive} of ${idle.sessions} answer)` : "–",
        idle ? `${figure(mebibytes(idle.residentBefore), 0)} → ${figure(mebibytes(idle.residentIdle), 0)}` : "–",
        churn ? churn.resident.map((bytes) => figure(mebibytes(bytes), 0)).join(" ") : "–",
        churn ? figure(kibibytes(churn.kept), 1) : "–",
        recovery
          ? `hang-ups seen ${recovery.aborted}; down: ${recovery.down}; fresh ${figure(recovery.fresh, 0)} ms; old: ${recovery.old}`
          : "–"
      ]
    })
  const head = ["target", "ready s", "isolation: calls: crossed / nameless / misnamed / leaks / met"]
  const memory = ["KiB per idle session", "resident MiB before → idle", "MiB after each fifth of churn"]
  return table([...head, ...memory, "KiB kept per ended session", "recovery"], rows)
}

const headersTable = (results: ReadonlyArray<Measured>): string => {
  const found = results.flatMap(({ once }) => once.headers ?? [])
  const rows = found.map(({ added, context, headBytes }): Row => {
    const sizes = Object.entries(added)
    const total = sizes.reduce((sum, [, bytes]) => sum + bytes, 0)
    return [context, String(headBytes), String(total), sizes.map(([name, bytes]) => `${name} ${bytes}`).join(", ")]
  })
  return table(["context", "bytes of the head", "of them added", "by header"], rows)
}

const pairs = [
  ["hub", "hub-before"],
  ["isolation-on", "isolation-off"]
] as const

export interface Circumstances {
  readonly runtime: string
  readonly command: string
  readonly load: string
  readonly seconds: number
}

export const report = (results: ReadonlyArray<Measured>, about: Circumstances): string => {
  const workloads = Object.keys(everyRound).filter((name) =>
    results.some(({ rounds }) => rounds.some((round) => round[name] !== undefined))
  )
  const parts = [
    `# Bench\n\n${about.runtime}; \`${about.command}\`; ${about.seconds.toFixed(0)} s; load of the machine ${about.load}.`
  ]
  if (workloads.length > 0) {
    parts.push(`## In rounds\n\n${speed(results, workloads)}`)
    const rows = results.filter(({ rounds }) => rounds.length > 0).map((one): Row => [one.plan.name, wrongs(one)])
    parts.push(table(["target", "failed / crossed / wrong answers"], rows))
  }
  for (const [one, other] of pairs) {
    const [a, b] = [named(results, one), named(results, other)]
    if (a !== undefined && b !== undefined) parts.push(pair(a, b, workloads))
  }
  if (results.some(({ once }) => Object.keys(once).some((name) => name !== "headers"))) {
    parts.push(`## Once, on a fresh process\n\n${onceTable(results)}`)
  }
  if (results.some(({ once }) => once.headers !== undefined)) parts.push(`## Headers\n\n${headersTable(results)}`)
  const problems = results.flatMap(({ plan, problems }) => problems.map((text) => `- ${plan.name}: ${text}`))
  if (problems.length > 0) parts.push(`## Not measured\n\n${problems.join("\n")}`)
  return `${parts.join("\n\n")}\n`
}
