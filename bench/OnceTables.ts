/** What was measured once, on a fresh process. */
import type { Measured } from "./Bench.ts"
import { figure } from "./Figures.ts"
import { type Row, table } from "./Markdown.ts"

const mebibytes = (bytes: number): number => bytes / 1024 / 1024
const kibibytes = (bytes: number): number => bytes / 1024

export const onceTable = (results: ReadonlyArray<Measured>): string => {
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

export const headersTable = (results: ReadonlyArray<Measured>): string => {
  const found = results.flatMap(({ once }) => once.headers ?? [])
  const rows = found.map(({ added, context, headBytes }): Row => {
    const sizes = Object.entries(added)
    const total = sizes.reduce((sum, [, bytes]) => sum + bytes, 0)
    return [context, String(headBytes), String(total), sizes.map(([name, bytes]) => `${name} ${bytes}`).join(", ")]
  })
  return table(["context", "bytes of the head", "of them added", "by header"], rows)
}
