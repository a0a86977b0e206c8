/** Tables that several pages show: sessions, requests in flight, rows of the audit trail. */
import type { AuditRow, RequestRow, SessionRow } from "../data/Shapes.ts"
import { href } from "../data/Route.ts"
import { words } from "../text/Language.ts"
import { duration } from "./Format.ts"
import { type Mood, State } from "./State.tsx"
import { type Column, Table } from "./Table.tsx"
import { Time } from "./Time.tsx"

const moods: Readonly<Record<string, Mood>> = {
  completed: "good",
  connected: "good",
  ready: "good",
  active: "good",
  ok: "good",
  timedOut: "bad",
  failed: "bad",
  refused: "bad",
  up: "good",
  down: "bad",
  hung: "bad",
  unauthorized: "warn",
  trying: "warn",
  restarting: "warn",
  connecting: "warn",
  paused: "warn",
  "needs-credential": "warn",
  cancelled: "warn",
  sessionClosed: "warn"
}

export const StateOf = ({ state, title }: { readonly state: string; readonly title?: string | null | undefined }) => (
  <State
    mood={moods[state] ?? "idle"}
    text={words().states[state] ?? state}
    {...(title === null || title === undefined ? {} : { title })}
  />
)

export const OutcomeOf = ({ outcome }: { readonly outcome: string }) => (
  <State mood={moods[outcome] ?? "idle"} text={words().outcomes[outcome] ?? outcome} />
)

export interface RowsProps<A> {
  readonly rows: ReadonlyArray<A>
  readonly caption: string
  /** With the user's name: for those who see everybody. */
  readonly withUser: boolean
  readonly more?: ReadonlyArray<Column<A>>
}

export const Sessions = ({ caption, more = [], rows, withUser }: RowsProps<SessionRow>) => {
  const { table } = words()
  return (
    <Table
      caption={caption}
      rows={rows}
      keyOf={({ sessionId }) => sessionId}
      columns={[
        {
          head: table.client,
          isName: true,
          cell: ({ client, sessionId }) => (
            <a href={href("sessions", sessionId)}>{`${client.name} ${client.version}`.trim() || sessionId}</a>
          )
        },
        ...(withUser ? [{ head: table.user, cell: ({ username }: SessionRow) => <bdi>{username}</bdi> }] : []),
        { head: table.target, cell: ({ target }) => target },
        { head: words().common.state, cell: ({ state }) => <StateOf state={state} /> },
        { head: table.since, cell: ({ createdAt }) => <Time at={createdAt} /> },
        { head: table.lastActive, cell: ({ lastActiveAt }) => <Time at={lastActiveAt} /> },
        { head: table.inFlight, isNumber: true, cell: ({ inFlight }) => inFlight },
        ...more
      ]}
    />
  )
}

export const Requests = ({ caption, more = [], rows, withUser }: RowsProps<RequestRow>) => {
  const { table } = words()
  return (
    <Table
      caption={caption}
      rows={rows}
      keyOf={({ requestId }) => requestId}
      columns={[
        { head: table.method, isName: true, cell: ({ method }) => method },
        ...(withUser ? [{ head: table.user, cell: ({ username }: RequestRow) => <bdi>{username}</bdi> }] : []),
        { head: table.server, cell: ({ server }) => server ?? "" },
        { head: table.target, cell: ({ target }) => target ?? "" },
        { head: table.age, isNumber: true, cell: ({ ageMs }) => duration(ageMs) },
        ...more
      ]}
    />
  )
}

export const Audit = ({ caption, rows, withUser }: RowsProps<AuditRow>) => {
  const { table } = words()
  return (
    <Table
      caption={caption}
      rows={rows}
      keyOf={({ seq }) => String(seq)}
      columns={[
        { head: table.time, cell: ({ time }) => <Time at={time} /> },
        ...(withUser
          ? [{ head: table.user, cell: ({ userId, username }: AuditRow) => <bdi>{username ?? userId}</bdi> }]
          : []),
        { head: table.method, isName: true, cell: ({ method }) => method },
        { head: table.server, cell: ({ server }) => server ?? "" },
        { head: table.target, cell: ({ target }) => target ?? "" },
        { head: table.outcome, cell: ({ outcome }) => <OutcomeOf outcome={outcome} /> },
        { head: table.reason, cell: ({ errorKind }) => errorKind ?? "" },
        {
          head: table.duration,
          isNumber: true,
          cell: ({ durationMs }) => (durationMs === null || durationMs === undefined ? "" : duration(durationMs))
        }
      ]}
    />
  )
}
