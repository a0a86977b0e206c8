/** Live sessions as a tree: user, session, and what of it is in flight or connected. */
import { useState } from "preact/hooks"
import { requestRows, useLive } from "../data/Live.ts"
import { href, route } from "../data/Route.ts"
import type { RequestRow, SessionRow } from "../data/Shapes.ts"
import { seesEverybody, type Viewer } from "../data/Viewer.ts"
import { count, duration } from "../parts/Format.ts"
import { Waiting } from "../parts/Notice.tsx"
import { Page } from "../parts/Page.tsx"
import { StateOf } from "../parts/Rows.tsx"
import { Time } from "../parts/Time.tsx"
import { whyText } from "../parts/Why.tsx"
import { words } from "../text/Language.ts"
import { Session } from "./Session.tsx"

const step = 100

const matches = ({ client, sessionId, target, username }: SessionRow, text: string): boolean =>
  `${username} ${client.name} ${target} ${sessionId}`.toLowerCase().includes(text.toLowerCase())

const groupedBy = <A,>(rows: ReadonlyArray<A>, keyOf: (row: A) => string): ReadonlyMap<string, ReadonlyArray<A>> =>
  Map.groupBy(rows, keyOf)

const Branch = ({
  requests,
  session
}: {
  readonly session: SessionRow
  readonly requests: ReadonlyArray<RequestRow>
}) => {
  const { table } = words()
  const { client, createdAt, inFlight, lastActiveAt, protocolVersion, sessionId, state, target, upstreams } = session
  return (
    <li>
      <div class="branch">
        <a href={href("sessions", sessionId)}>{`${client.name} ${client.version}`.trim() || sessionId}</a>
        <StateOf state={state} />
        <span>{target}</span>
        <span>{protocolVersion}</span>
        <span>
          {table.inFlight}: {count(inFlight)}
        </span>
        <span>
          {table.since}: <Time at={createdAt} />
        </span>
        <span>
          {table.lastActive}: <Time at={lastActiveAt} />
        </span>
      </div>
      <ul>
        {requests.map(({ ageMs, method, requestId, target: what, why }) => (
          <li key={requestId} class="branch">
            <span>
              {method} {what ?? ""}
            </span>
            <span>{duration(ageMs)}</span>
            {why === undefined ? null : <span>{whyText(why)}</span>}
          </li>
        ))}
        {upstreams.map(({ reason, server, state: link }) => (
          <li key={server} class="branch">
            <span>{server}</span>
            <StateOf state={link} title={reason} />
            {reason === null ? null : <span class="note-text">{reason}</span>}
          </li>
        ))}
      </ul>
    </li>
  )
}

const Tree = ({ viewer }: { readonly viewer: Viewer }) => {
  const { common, sessions: says } = words()
  const scope = seesEverybody(viewer) ? "admin" : "me"
  const [text, setText] = useState("")
  const [most, setMost] = useState(step)
  const live = useLive(scope)
  const sessions: ReadonlyArray<SessionRow> = [...(live.data?.sessions.values() ?? [])]
  const found = sessions.filter((one) => matches(one, text))
  const shown = found.slice(0, most)
  const inFlight = groupedBy(live.data === undefined ? [] : requestRows(live.data), ({ sessionId }) => sessionId)
  return (
    <Page
      title={says.title}
      tools={
        <label>
          <span class="unseen">{common.search}</span>
          <input type="search" placeholder={says.filter} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
      }
    >
      <Waiting query={live} />
      {live.data === undefined ? null : <p class="note">{says.count(shown.length, found.length)}</p>}
      {live.data !== undefined && found.length === 0 ? <p class="note">{common.none}</p> : null}
      {[...groupedBy(shown, ({ username }) => username)].map(([username, ofUser]) => (
        <section key={username} class="tree">
          <h2>
            <bdi>{username}</bdi> <span class="note-text">{count(ofUser.length)}</span>
          </h2>
          <ul>
            {ofUser.map((session) => (
              <Branch key={session.sessionId} session={session} requests={inFlight.get(session.sessionId) ?? []} />
            ))}
          </ul>
        </section>
      ))}
      {found.length > shown.length ? (
        <button type="button" onClick={() => setMost(most + step)}>
          {common.more}
        </button>
      ) : null}
    </Page>
  )
}

export const Sessions = ({ viewer }: { readonly viewer: Viewer }) => {
  const { item } = route.value
  return item === undefined ? <Tree viewer={viewer} /> : <Session viewer={viewer} id={item} />
}
