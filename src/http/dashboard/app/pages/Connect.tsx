/** The way of a client to the hub, in three steps; no snippet and no link holds a key. */
import { useState } from "preact/hooks"
import { type ClientName, clients, snippet } from "../../../../domain/ClientSnippets.ts"
import type { Page as List } from "../data/Api.ts"
import { useQuery } from "../data/Query.ts"
import type { SessionRow } from "../data/Shapes.ts"
import { Copy } from "../parts/Copy.tsx"
import { ago } from "../parts/Format.ts"
import { Notice } from "../parts/Notice.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { words } from "../text/Language.ts"
import { NewKeyButton } from "./Keys.tsx"

/** As this browser has found the hub, a base path and a proxy before it included. */
const endpoint = new URL("../mcp", document.baseURI).href

const names = Object.entries(clients) as ReadonlyArray<readonly [ClientName, string]>
/** Install links of others would be scripts of whoever makes them. */
const isInstall = (link: string | undefined): link is string => /^(cursor|vscode):/.test(link ?? "")

const latestOf = (sessions: List<SessionRow>): SessionRow | undefined =>
  [...sessions.items].sort((one, other) => other.lastActiveAt.localeCompare(one.lastActiveAt))[0]

/** Goes by the hub's clock alone: a client has come once its latest activity is not what it was. */
const FirstRequest = () => {
  const { connect } = words()
  const sessions = useQuery<List<SessionRow>>("me/sessions?limit=200", 1000)
  const [before, setBefore] = useState<string>()
  const latest = sessions.data === undefined ? undefined : latestOf(sessions.data)
  if (sessions.data !== undefined && before === undefined) setBefore(latest?.lastActiveAt ?? "")
  const hasCome = latest !== undefined && before !== undefined && latest.lastActiveAt !== before
  if (sessions.problem !== undefined && sessions.data === undefined) return <Notice problem={sessions.problem} />
  return (
    <p role="status" class={hasCome ? "state good" : "note"} data-received={hasCome}>
      {hasCome
        ? connect.received(`${latest.client.name} ${latest.client.version}`, ago(latest.lastActiveAt))
        : connect.waiting}
    </p>
  )
}

export const Connect = () => {
  const { connect } = words()
  const [client, setClient] = useState<ClientName>("claude")
  const { link, text } = snippet(client, endpoint)
  return (
    <Page title={connect.title}>
      <Section title={connect.key} note={connect.keyNote} tools={<NewKeyButton onMade={() => {}} />}>
        {null}
      </Section>
      <Section title={connect.client}>
        <div class="stack">
          <label>
            {connect.clientLabel}
            <select value={client} onChange={(event) => setClient(event.currentTarget.value as ClientName)}>
              {names.map(([name, title]) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <p>{connect.where[client]}</p>
          <Copy key={client} label={clients[client]} text={text} />
          {isInstall(link) ? (
            <a class="button" href={link}>
              {connect.install(clients[client])}
            </a>
          ) : null}
          <p class="note">{connect.address}</p>
          <Copy label="URL" text={endpoint} />
        </div>
      </Section>
      <Section title={connect.check}>
        <FirstRequest />
      </Section>
    </Page>
  )
}
