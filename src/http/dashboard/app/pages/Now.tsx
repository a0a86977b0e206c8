/** The hub at this moment: how much, how fast, what waits longest and which servers are unwell. */
import { useEffect, useState } from "preact/hooks"
import { type Live, requestRows, useLive } from "../data/Live.ts"
import { useQuery } from "../data/Query.ts"
import { href } from "../data/Route.ts"
import type { HubStats } from "../data/Shapes.ts"
import { Chart } from "../parts/Chart.tsx"
import { count, duration, percent } from "../parts/Format.ts"
import { Waiting } from "../parts/Notice.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { Requests, StateOf } from "../parts/Rows.tsx"
import { Table } from "../parts/Table.tsx"
import { Tiles } from "../parts/Tile.tsx"
import { WhyOf } from "../parts/Why.tsx"
import { words } from "../text/Language.ts"

interface Point {
  readonly time: number
  readonly perSecond: number
  readonly inFlight: number
}

/** Three minutes. */
const most = 180
/** Of the figures since the hub started, which change slowly. */
const figuresEveryMs = 5000

const usePoints = (live: Live | undefined): ReadonlyArray<Point> => {
  const [points, setPoints] = useState<ReadonlyArray<Point>>([])
  useEffect(() => {
    if (live === undefined) return
    const { inFlight, perSecond } = live.counters
    setPoints((before) => [...before.slice(1 - most), { time: Date.parse(live.at), perSecond, inFlight }])
  }, [live])
  return points
}

const Strip = ({ live }: { readonly live: Live }) => {
  const { now } = words()
  return (
    <Section title={now.servers}>
      <ul class="strip">
        {[...live.servers.values()].map(({ name, reason, state }) => (
          <li key={name}>
            <a href={href("servers", name)}>{name}</a> <StateOf state={state} title={reason} />
          </li>
        ))}
      </ul>
    </Section>
  )
}

const Oldest = ({ live }: { readonly live: Live }) => {
  const { now, table } = words()
  const oldest = [...requestRows(live)].sort((one, other) => other.ageMs - one.ageMs).slice(0, 10)
  return (
    <Section title={now.oldest}>
      <Requests
        caption={now.oldest}
        rows={oldest}
        withUser
        more={[{ head: table.why, cell: ({ why }) => <WhyOf why={why} /> }]}
      />
    </Section>
  )
}

/** A time that there may be none of yet. */
const orNone = (ms: number | null): string => (ms === null ? "–" : duration(ms))

const Top = ({ stats }: { readonly stats: HubStats }) => {
  const { now, table } = words()
  const users = [...(stats.byUser ?? [])].sort((one, other) => other.count - one.count).slice(0, 10)
  return (
    <Section title={now.top} note={now.since}>
      <Table
        caption={now.top}
        rows={users}
        keyOf={({ userId }) => userId}
        columns={[
          {
            head: table.user,
            isName: true,
            cell: ({ userId, username }) => (
              <a href={href("people", userId)}>
                <bdi>{username ?? userId}</bdi>
              </a>
            )
          },
          { head: now.requests, isNumber: true, cell: (one) => count(one.count) },
          { head: now.inFlight, isNumber: true, cell: ({ pending }) => count(pending) },
          { head: now.errors, isNumber: true, cell: ({ errorRate }) => percent(errorRate) },
          { head: now.p50, isNumber: true, cell: ({ p50Ms }) => duration(p50Ms) },
          { head: now.p95, isNumber: true, cell: ({ p95Ms }) => duration(p95Ms) },
          { head: now.p99, isNumber: true, cell: ({ p99Ms }) => duration(p99Ms) }
        ]}
      />
    </Section>
  )
}

export const Now = () => {
  const { now } = words()
  const query = useLive("admin")
  const stats = useQuery<HubStats>("admin/session-stats", figuresEveryMs)
  const points = usePoints(query.data)
  const live = query.data
  return (
    <Page title={now.title}>
      <Waiting query={query} />
      {live === undefined ? null : (
        <>
          <Tiles
            tiles={[
              [now.sessions, count(live.counters.sessions)],
              [now.inFlight, count(live.counters.inFlight)],
              [now.perSecond, count(Math.round(live.counters.perSecond * 10) / 10)],
              [now.errors, percent(live.counters.count === 0 ? 0 : live.counters.errors / live.counters.count)],
              [now.p50, orNone(live.counters.p50Ms)],
              [now.p95, orNone(live.counters.p95Ms)],
              [now.p99, orNone(live.counters.p99Ms)]
            ]}
          />
          <section>
            <Chart
              title={now.chart}
              times={points.map(({ time }) => time)}
              series={[
                { name: now.perSecond, colour: "--accent", values: points.map(({ perSecond }) => perSecond) },
                { name: now.inFlight, colour: "--warn", values: points.map(({ inFlight }) => inFlight) }
              ]}
            />
          </section>
          <Strip live={live} />
          <Oldest live={live} />
        </>
      )}
      {stats.data === undefined ? null : <Top stats={stats.data} />}
    </Page>
  )
}
