/** One session: its facts, its connections, what is in flight, and what it has done. */
import { call, type Page as List, withQuery } from "../data/Api.ts"
import { useQuery } from "../data/Query.ts"
import { go, href } from "../data/Route.ts"
import type { AuditRow, RequestRow, SessionDetail, UpstreamRow } from "../data/Shapes.ts"
import { seesEverybody, type Viewer } from "../data/Viewer.ts"
import { AskButton } from "../parts/Action.tsx"
import { bytes, count, dateTime, duration } from "../parts/Format.ts"
import { Waiting } from "../parts/Notice.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { Audit, Requests, StateOf } from "../parts/Rows.tsx"
import { Table } from "../parts/Table.tsx"
import { Facts } from "../parts/Tile.tsx"
import { WhyOf } from "../parts/Why.tsx"
import { words } from "../text/Language.ts"

export const CancelButton = ({
  onDone,
  request,
  scope
}: {
  readonly scope: string
  readonly request: RequestRow
  readonly onDone: () => void
}) => {
  const { sessions: says } = words()
  const cancel = async (): Promise<void> => {
    await call("DELETE", `${scope}/requests/${encodeURIComponent(request.requestId)}`)
    onDone()
  }
  return <AskButton label={says.cancel} ask={says.askCancel} onYes={cancel} />
}

const Upstreams = ({ rows }: { readonly rows: ReadonlyArray<UpstreamRow> }) => {
  const { common, sessions: says, table } = words()
  const reasonOf = ({ reason, retryAfterMs }: UpstreamRow): string =>
    [reason, retryAfterMs === null || retryAfterMs === undefined ? null : says.nextTry(duration(retryAfterMs))]
      .filter((text) => text !== null)
      .join("; ")
  return (
    <Table
      caption={says.upstreams}
      rows={rows}
      keyOf={({ server }) => server}
      columns={[
        { head: table.server, isName: true, cell: ({ server }) => server },
        { head: common.state, cell: ({ state }) => <StateOf state={state} /> },
        { head: says.protocol, cell: ({ protocolVersion }) => protocolVersion ?? "" },
        { head: table.reason, cell: reasonOf }
      ]}
    />
  )
}

export const Session = ({ id, viewer }: { readonly id: string; readonly viewer: Viewer }) => {
  const { sessions: says, table } = words()
  const scope = seesEverybody(viewer) ? "admin" : "me"
  const detail = useQuery<SessionDetail>(`${scope}/sessions/${encodeURIComponent(id)}`, 1000)
  const audit = useQuery<List<AuditRow>>(withQuery(`${scope}/audit`, { session: id, limit: 50 }), 2000)
  const isGone = detail.problem?.status === 404
  const session = detail.data?.session
  const mayEnd = session !== undefined && (viewer.mayChange || session.userId === viewer.userId)
  const path = session?.userId === viewer.userId ? "me" : "admin"
  const end = async (): Promise<void> => {
    await call("DELETE", `${path}/sessions/${encodeURIComponent(id)}`)
    go(href("sessions"))
  }
  return (
    <Page
      title={session === undefined ? says.session : `${session.username}: ${session.client.name}`}
      tools={mayEnd && !isGone ? <AskButton label={says.end} ask={says.askEnd} onYes={end} /> : undefined}
    >
      {isGone ? <p class="notice">{says.gone}</p> : <Waiting query={detail} />}
      {detail.data === undefined || session === undefined || isGone ? null : (
        <>
          <Section title={says.session}>
            <Facts
              facts={[
                [says.session, session.sessionId],
                [table.user, session.username],
                [says.key, session.keyName],
                [table.client, `${session.client.name} ${session.client.version}`],
                [says.protocol, session.protocolVersion],
                [table.target, session.target],
                [table.since, dateTime(session.createdAt)],
                [table.lastActive, dateTime(session.lastActiveAt)],
                [says.streams, count(session.streams)],
                ...Object.entries(detail.data.memory)
                  .filter(([, size]) => size > 0)
                  .map(([kind, size]) => [`${says.memory}: ${kind}`, bytes(size)] as const)
              ]}
            />
          </Section>
          <Section title={says.inFlight}>
            <Requests
              caption={says.inFlight}
              rows={detail.data.requests}
              withUser={false}
              more={[
                { head: table.why, cell: ({ why }) => <WhyOf why={why} /> },
                ...(mayEnd
                  ? [
                      {
                        head: words().common.actions,
                        cell: (request: RequestRow) => (
                          <CancelButton scope={path} request={request} onDone={detail.reload} />
                        )
                      }
                    ]
                  : [])
              ]}
            />
          </Section>
          <Section title={says.upstreams}>
            <Upstreams rows={session.upstreams} />
          </Section>
        </>
      )}
      <Section title={says.timeline}>
        <Waiting query={audit} />
        {audit.data === undefined ? null : <Audit caption={says.timeline} rows={audit.data.items} withUser={false} />}
      </Section>
    </Page>
  )
}
