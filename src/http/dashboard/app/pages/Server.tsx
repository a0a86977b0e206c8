/** One server: its state with reasons, its tools, its entry in the settings. */
import { useState } from "preact/hooks"
import { call } from "../data/Api.ts"
import type { ServerEntry } from "../data/Paste.ts"
import { useQuery } from "../data/Query.ts"
import { go, href } from "../data/Route.ts"
import type { ServerDetail, ServerRow, ServerTest } from "../data/Shapes.ts"
import type { Viewer } from "../data/Viewer.ts"
import { AskButton, DoButton, FormDialog } from "../parts/Action.tsx"
import { count, duration } from "../parts/Format.ts"
import { Waiting } from "../parts/Notice.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { StateOf } from "../parts/Rows.tsx"
import { State } from "../parts/State.tsx"
import { Table } from "../parts/Table.tsx"
import { Time } from "../parts/Time.tsx"
import { words } from "../text/Language.ts"
import { ConfigFields, jsonOf } from "./ServerConfig.tsx"
import { Tools } from "./Tools.tsx"

const pathOf = (name: string): string => `admin/servers/${encodeURIComponent(name)}`

const TestResult = ({ test }: { readonly test: ServerTest }) => {
  const { servers: says } = words()
  if (test.outcome === "ok") {
    return <State mood="good" text={says.tested(duration(test.durationMs), test.protocolVersion ?? "?")} />
  }
  if (test.outcome !== "failed") return <State mood="warn" text={says.testSkipped[test.outcome] ?? test.outcome} />
  return (
    <p class="notice" role="alert">
      {says.testFailed} {test.reason}
    </p>
  )
}

const Health = ({ row }: { readonly row: ServerRow }) => {
  const { common, servers: says, sessions, table } = words()
  return (
    <>
      <p>
        <StateOf state={row.state} /> {[row.stage, row.reason].filter(Boolean).join(", ")}
      </p>
      {row.since === null || row.since === undefined ? null : (
        <p class="note">
          {table.since}: <Time at={row.since} />
        </p>
      )}
      {row.troubles.length === 0 ? null : (
        <>
          <h3>{says.troubles}</h3>
          <Table
            caption={says.troubles}
            rows={row.troubles}
            keyOf={({ username }) => username ?? ""}
            columns={[
              { head: table.user, isName: true, cell: ({ username }) => username ?? says.everybody },
              { head: common.state, cell: ({ state }) => <StateOf state={state} /> },
              { head: table.reason, cell: ({ reason }) => reason ?? "" },
              { head: table.age, isNumber: true, cell: ({ forMs }) => duration(forMs) },
              {
                head: "",
                cell: ({ retryMs }) => (retryMs === null ? "" : sessions.nextTry(duration(retryMs)))
              }
            ]}
          />
        </>
      )}
      {row.errors.length === 0 ? null : (
        <>
          <h3>{says.errors}</h3>
          <ul>
            {row.errors.map(({ count: number, kind }) => (
              <li key={kind}>
                {kind}: {count(number)}
              </li>
            ))}
          </ul>
        </>
      )}
      {row.oddities.length === 0 ? null : (
        <>
          <h3>{says.oddities}</h3>
          <ul>
            {row.oddities.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </>
      )}
      {(row.lastLines ?? []).length === 0 ? null : (
        <>
          <h3>{says.stderr}</h3>
          <pre>{row.lastLines?.join("\n")}</pre>
        </>
      )}
    </>
  )
}

export const Server = ({ name, viewer }: { readonly name: string; readonly viewer: Viewer }) => {
  const { common, servers: says } = words()
  const servers = useQuery<ReadonlyArray<ServerRow>>("admin/upstream-status", 3000)
  const detail = useQuery<ServerDetail>(pathOf(name))
  const [test, setTest] = useState<ServerTest>()
  const [isEditing, setEditing] = useState(false)
  const row = servers.data?.find((one) => one.name === name)
  const reload = (): void => {
    servers.reload()
    detail.reload()
  }
  const post = async (verb: string): Promise<void> => {
    await call("POST", `${pathOf(name)}/${verb}`)
    reload()
  }
  const save = async (given: FormData): Promise<void> => {
    const config = jsonOf(() => JSON.parse(String(given.get("config"))) as ServerEntry)
    await call("PUT", pathOf(name), { body: { config }, etag: detail.etag })
    reload()
  }
  const isEnabled = row?.state !== "disabled"
  const change = viewer.mayChange ? (
    <>
      <DoButton
        label={says.test}
        onDo={async () => setTest((await call<ServerTest>("POST", `${pathOf(name)}/test`)).value)}
      />
      <AskButton label={says.restart} ask={says.askRestart(name)} onYes={() => post("restart")} />
      <DoButton label={isEnabled ? says.disable : says.enable} onDo={() => post(`toggle?enabled=${!isEnabled}`)} />
      <button type="button" class="quiet" disabled={detail.data === undefined} onClick={() => setEditing(true)}>
        {common.edit}
      </button>
      <AskButton
        label={common.remove}
        ask={says.askRemove(name)}
        onYes={async () => {
          await call("DELETE", pathOf(name), { etag: detail.etag })
          go(href("servers"))
        }}
      />
    </>
  ) : null
  return (
    <Page title={name} tools={change === null ? undefined : <div class="row">{change}</div>}>
      <Section title={common.state}>
        {test === undefined ? null : <TestResult test={test} />}
        <Waiting query={servers} />
        {row === undefined ? null : <Health row={row} />}
      </Section>
      <Tools name={name} detail={detail} test={test} viewer={viewer} />
      <Section title={says.config}>
        <Waiting query={detail} />
        {detail.data === undefined ? null : <pre>{JSON.stringify(detail.data.config, null, 2)}</pre>}
      </Section>
      {isEditing && detail.data !== undefined ? (
        <FormDialog
          title={`${common.edit}: ${name}`}
          submit={common.save}
          onSubmit={save}
          onClose={() => setEditing(false)}
        >
          <ConfigFields config={JSON.stringify(detail.data.config, null, 2)} />
        </FormDialog>
      ) : null}
    </Page>
  )
}
