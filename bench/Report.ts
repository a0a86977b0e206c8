/** The report of a run in Markdown. */
import type { Measured } from "./Bench.ts"
import { type Row, table } from "./Markdown.ts"
import { headersTable, onceTable } from "./OnceTables.ts"
import { named, pair, speed, wrongs } from "./RoundTables.ts"
import { everyRound } from "./Workloads.ts"

const pairs = [
  ["hub", "hub-before"],
  ["hub", "hub-postgres"],
  ["isolation-on", "isolation-off"]
] as const

export interface Circumstances {
  readonly runtime: string
  readonly command: string
  readonly load: string
  readonly seconds: number
}

export const report = (results: ReadonlyArray<Measured>, about: Circumstances): string => {
  const workloads = everyRound.filter((name) =>
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
