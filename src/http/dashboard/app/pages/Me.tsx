/** One's own page: keys, tokens, servers, sessions, activity, sign-ins. */
import { call, type Page as List } from "../data/Api.ts"
import { useQuery } from "../data/Query.ts"
import type { AuditRow, MyServerRow, SessionRow, SignInRow } from "../data/Shapes.ts"
import { AskButton } from "../parts/Action.tsx"
import { Waiting } from "../parts/Notice.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { Audit, Sessions, StateOf } from "../parts/Rows.tsx"
import { Table } from "../parts/Table.tsx"
import { Time } from "../parts/Time.tsx"
import { words } from "../text/Language.ts"
import { Keys } from "./Keys.tsx"
import { Password } from "./Password.tsx"
import { Tokens } from "./Tokens.tsx"

const everyMs = 5000

const MyServers = () => {
  const { common, me, table } = words()
  const servers = useQuery<List<MyServerRow>>("me/servers?limit=200", everyMs)
  return (
    <Section title={me.servers}>
      <Waiting query={servers} />
      {servers.data === undefined ? null : (
        <Table
          caption={me.servers}
          rows={servers.data.items}
          keyOf={({ name }) => name}
          columns={[
            { head: table.server, isName: true, cell: ({ name }) => name },
            { head: common.state, cell: ({ state }) => <StateOf state={state} /> },
            {
              head: table.reason,
              cell: ({ missing = [], reason }) => (missing.length > 0 ? me.missing(missing.join(", ")) : (reason ?? ""))
            }
          ]}
        />
      )}
    </Section>
  )
}

const MySessions = () => {
  const { me } = words()
  const sessions = useQuery<List<SessionRow>>("me/sessions?limit=100", everyMs)
  return (
    <Section title={me.sessions}>
      <Waiting query={sessions} />
      {sessions.data === undefined ? null : (
        <Sessions caption={me.sessions} rows={sessions.data.items} withUser={false} />
      )}
    </Section>
  )
}

const MyActivity = () => {
  const { me } = words()
  const audit = useQuery<List<AuditRow>>("me/audit?limit=20", everyMs)
  return (
    <Section title={me.activity}>
      <Waiting query={audit} />
      {audit.data === undefined ? null : <Audit caption={me.activity} rows={audit.data.items} withUser={false} />}
    </Section>
  )
}

const SignIns = () => {
  const { common, me } = words()
  const signIns = useQuery<List<SignInRow>>("me/sign-ins")
  const end = async (id: string): Promise<void> => {
    await call("DELETE", `me/sign-ins/${id}`)
    signIns.reload()
  }
  return (
    <Section title={me.signIns} tools={<Password />}>
      <Waiting query={signIns} />
      {signIns.data === undefined ? null : (
        <Table
          caption={me.signIns}
          rows={signIns.data.items}
          keyOf={({ id }) => id}
          columns={[
            {
              head: me.browser,
              isName: true,
              cell: ({ isThis, userAgent }) => `${userAgent ?? "?"}${isThis ? ` (${me.here})` : ""}`
            },
            { head: me.way, cell: ({ way }) => way },
            { head: me.lastSeen, cell: ({ lastSeenAt }) => <Time at={lastSeenAt} /> },
            { head: me.expires, cell: ({ expiresAt }) => <Time at={expiresAt} /> },
            {
              head: common.actions,
              cell: ({ id }) => <AskButton label={me.end} ask={me.askSignIn} onYes={() => end(id)} />
            }
          ]}
        />
      )}
    </Section>
  )
}

export const Me = () => (
  <Page title={words().me.title}>
    <Keys />
    <Tokens />
    <MyServers />
    <MySessions />
    <MyActivity />
    <SignIns />
  </Page>
)
