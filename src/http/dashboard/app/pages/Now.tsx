/** The hub at this moment: how much, how fast, what waits longest and which servers are unwell. */
import { useEffect, useState } from "preact/hooks"
import type { Page as List } from "../data/Api.ts"
import { useQuery } from "../data/Query.ts"
import { href } from "../data/Route.ts"
import type { HubStats, RequestRow, ServerRow } from "../data/Shapes.ts"
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
  readonly requests: number
  readonly perSecond: number
  readonly pending: number
}

/** Three minutes. */
const most = 90
const everyMs = 2000

const nextPoint = (before: Point | undefined, { pending, requests }: HubStats, time: number): Point => {
  const seconds = before === undefined ? 0 : (time - before.time) / 1000
  // Fewer than before: the hub has started anew.
  const perSecond = before === undefined || seconds <= 0 ? 0 : Math.max(0, requests - before.requests) / seconds
  return { time, requests, pending, perSecond }
}

const usePoints = (stats: HubStats | undefined): ReadonlyArray<Point> => {
  const [points, setPoints] = useState<ReadonlyArray<Point>>([])
  useEffect(() => {
    if (stats === undefined) return
    setPoints((before) => [...before.slice(1 - most), nextPoint(before.at(-1), stats, Date.now())])
  }, [stats])
  return points
}

const Strip = () => {
  const { now } = words()
  const servers = useQuery<ReadonlyArray<ServerRow>>("admin/upstream-status", everyMs * 2)
  return (
    <Section title={now.servers}>
      <Waiting query={servers} />
      <ul class="strip">
        {(servers.data ?? []).map(({ name, reason, state }) => (
          <li key={name}>
            <a href={href("servers", name)}>{name}</a> <StateOf state={state} title={reason} />
          </li>
        ))}
      </ul>
    </Section>
  )
}

const Oldest = () => {
  const { now, table } = words()
  const requests = useQuery<List<RequestRow>>("admin/requests?limit=500", everyMs)
  const oldest = [...(requests.data?.items ?? [])].sort((one, other) => other.ageMs - one.ageMs).slice(0, 10)
  return (
    <Section title={now.oldest}>
      <Waiting query={requests} />
      {requests.data === undefined ? null : (
        <Requests
          caption={now.oldest}
          rows={oldest}
          withUser
          more={[{ head: table.why, cell: ({ why }) => <WhyOf why={why} /> }]}
        />
      )}
    </Section>
  )
}

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
            cell: ({ userId, username }) => <a href={href("people", userId)}>{username ?? userId}</a>
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
  const stats = useQuery<HubStats>("admin/session-stats", everyMs)
  const points = usePoints(stats.data)
  const hub = stats.data
  return (
    <Page title={now.title}>
      <Waiting query={stats} />
      {hub === undefined ? null : (
        <>
          <Tiles
            tiles={[
              [now.sessions, count(hub.sessions)],
              [now.inFlight, count(hub.pending)],
              [now.perSecond, count(Math.round((points.at(-1)?.perSecond ?? 0) * 10) / 10)],
              [now.errors, percent(hub.errorRate)],
              [now.p95, duration(hub.p95Ms)]
            ]}
          />
          <section>
            <Chart
              title={now.chart}
              times={points.map(({ time }) => time)}
              series={[
                { name: now.perSecond, colour: "--accent", values: points.map(({ perSecond }) => perSecond) },
                { name: now.inFlight, colour: "--warn", values: points.map(({ pending }) => pending) }
              ]}
            />
          </section>
        </>
      )}
      <Strip />
      <Oldest />
      {hub === undefined ? null : <Top stats={hub} />}
    </Page>
  )
}
