/** The hourly statistics in memory: those of the latest hours, gone with the process; behaves as StatisticsSql. */
import { Effect, Layer } from "effect"
import { keptFrom, millisPerDay, startOfDay } from "../../records/AuditLog.ts"
import {
  hourOf,
  millisPerHour,
  Statistics,
  type StatisticsFilter,
  type StatisticsQuery,
  type StatisticsRow,
  type StatisticsSum
} from "../../records/Statistics.ts"
import { keyOf, plus, plusKinds, plusRow } from "../../records/StatisticsSums.ts"

/** Rows kept; those of the oldest hours go first. */
const capacity = 20_000

const matches =
  ({ server, since, tool, until, userId }: StatisticsFilter) =>
  (row: StatisticsRow): boolean =>
    (userId === undefined || row.userId === userId) &&
    (server === undefined || row.server === server) &&
    (tool === undefined || row.tool === tool) &&
    (since === undefined || row.hour >= hourOf(since)) &&
    (until === undefined || row.hour < hourOf(until))

const grouped = (row: StatisticsRow, by: StatisticsQuery["by"]): StatisticsSum => {
  const { errorsByKind: _errorsByKind, ...sums } = row
  const hour = by.includes("hour") ? row.hour : by.includes("day") ? Math.floor(row.hour / 24) * 24 : null
  return {
    ...sums,
    hour,
    userId: by.includes("user") ? row.userId : null,
    server: by.includes("server") ? row.server : null,
    tool: by.includes("tool") ? row.tool : null
  }
}

const compareText = (a: string | null, b: string | null): number => ((a ?? "") < (b ?? "") ? -1 : a === b ? 0 : 1)

const inOrder = (a: StatisticsSum, b: StatisticsSum): number =>
  (a.hour ?? 0) - (b.hour ?? 0) ||
  b.requests - a.requests ||
  compareText(a.userId, b.userId) ||
  compareText(a.server, b.server) ||
  compareText(a.tool, b.tool)

const make = Effect.sync(() => {
  let rows = new Map<string, StatisticsRow>()
  const batches = new Map<string, number>()

  const keepFrom = (hour: number): void => {
    rows = new Map([...rows].filter(([, row]) => row.hour >= hour))
  }

  /** The oldest hours go whole, but the last one stays. */
  const keepCapacity = (): void => {
    while (rows.size > capacity) {
      const hours = new Set([...rows.values()].map(({ hour }) => hour))
      if (hours.size === 1) return
      keepFrom(Math.min(...hours) + 1)
    }
  }

  return Statistics.of({
    add: ({ number, writer }, given) =>
      Effect.sync(() => {
        if (given.length === 0 || (batches.get(writer) ?? -1) >= number) return
        batches.set(writer, number)
        for (const row of given) {
          const key = keyOf(row)
          rows.set(key, plusRow(rows.get(key), row))
        }
        keepCapacity()
      }),
    sums: ({ by, limit, ...filter }) =>
      Effect.sync(() => {
        const sums = new Map<string, StatisticsSum>()
        for (const row of [...rows.values()].filter(matches(filter))) {
          const group = grouped(row, by)
          const key = keyOf(group)
          const known = sums.get(key)
          sums.set(key, known === undefined ? group : { ...group, ...plus(known, group) })
        }
        return [...sums.values()].sort(inOrder).slice(0, limit)
      }),
    kinds: (filter) =>
      Effect.sync(() =>
        [...rows.values()]
          .filter(matches(filter))
          .reduce<Readonly<Record<string, number>>>((sum, row) => plusKinds(sum, row.errorsByKind), {})
      ),
    retain: (now, days) =>
      Effect.sync(() => {
        const before = (end: number) =>
          [...rows.values()].reduce<number | undefined>((newest, row) => {
            const time = row.hour * millisPerHour
            return time < end && (newest === undefined || time > newest) ? time : newest
          }, undefined)
        const newest = before(startOfDay(now) + millisPerDay)
        const from = keptFrom(now, days, newest === undefined ? undefined : before(startOfDay(newest)))
        if (from !== undefined) keepFrom(hourOf(from))
      })
  })
})

export const layer: Layer.Layer<Statistics> = Layer.effect(Statistics, make)
