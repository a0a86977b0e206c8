/** Figures over time: what the hub and its child processes take, beside what has been done so far. */
import { Effect } from "effect"
import type { HubProcess } from "../support/HubProcess.ts"
import { descendantsOf, residentMiB } from "../support/ProcessTable.ts"
import type { Record } from "./Record.ts"

const columns = [
  "Time, s",
  "Sessions",
  "Children",
  "Hub, MiB",
  "Children, MiB",
  "Lists",
  "Calls",
  "Gave way",
  "Told of it",
  "Refused",
  "Empty",
  "Incomplete",
  "Crossed",
  "Wrong"
]

const row = (cells: ReadonlyArray<string | number>): string => `| ${cells.join(" | ")} |`

export const head = [row(columns), row(columns.map(() => "---"))]

export interface Figure {
  readonly children: number
  readonly hubMiB: number
  readonly childrenMiB: number
  readonly gaveWay: number
}

/** What is the case now, and a row of the table that says it. */
export const look = Effect.fnUntraced(function* (hub: HubProcess, record: Record, seconds: number) {
  const values = yield* hub.gauges
  const of = (name: string): number => values.get(`mcphub_${name}`) ?? 0
  const { calls, crossed, empty, incomplete, lists, refused, restarts, wrong } = record.counts
  const figure: Figure = {
    children: of("children"),
    hubMiB: residentMiB(hub.pid),
    childrenMiB: descendantsOf(hub.pid).reduce((sum, pid) => sum + residentMiB(pid), 0),
    gaveWay: of("children_gave_way_total")
  }
  const { children, childrenMiB, gaveWay, hubMiB } = figure
  const cells = [Math.round(seconds), of("sessions"), children, hubMiB, childrenMiB, lists, calls, gaveWay]
  return { figure, row: row([...cells, restarts, refused, empty, incomplete, crossed, wrong]) }
})
