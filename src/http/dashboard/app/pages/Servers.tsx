/** The servers behind the hub: how each fares, and for admins the way to change them. */
import { useState } from "preact/hooks"
import { call, Problem } from "../data/Api.ts"
import { type ServerEntry, serversIn } from "../data/Paste.ts"
import { useQuery } from "../data/Query.ts"
import { href, route } from "../data/Route.ts"
import type { ServerRow } from "../data/Shapes.ts"
import type { Viewer } from "../data/Viewer.ts"
import { FormDialog } from "../parts/Action.tsx"
import { Waiting } from "../parts/Notice.tsx"
import { Page } from "../parts/Page.tsx"
import { StateOf } from "../parts/Rows.tsx"
import { Table } from "../parts/Table.tsx"
import { words } from "../text/Language.ts"
import { ConfigFields, jsonOf } from "./ServerConfig.tsx"
import { Server } from "./Server.tsx"

const example = JSON.stringify({ command: "npx", args: ["-y", "…"], isolation: "session" }, null, 2)

const Add = ({ onClose, onDone }: { readonly onClose: () => void; readonly onDone: () => void }) => {
  const { common, servers: says } = words()
  const add = async (given: FormData): Promise<void> => {
    const config = jsonOf(() => JSON.parse(String(given.get("config"))) as ServerEntry)
    await call("POST", "admin/servers", { body: { name: given.get("name"), config } })
    onDone()
  }
  return (
    <FormDialog title={says.add} submit={common.add} onSubmit={add} onClose={onClose}>
      <label>
        {common.name}
        <input name="name" maxLength={100} required autofocus />
      </label>
      <ConfigFields config={example} />
    </FormDialog>
  )
}

interface Pasted {
  readonly added: ReadonlyArray<string>
  readonly skipped: ReadonlyArray<string>
}

const Paste = (props: {
  readonly existing: ReadonlySet<string>
  readonly onClose: () => void
  readonly onDone: (pasted: Pasted) => void
}) => {
  const { common, servers: says } = words()
  const paste = async (given: FormData): Promise<void> => {
    const found = Object.entries(jsonOf(() => serversIn(String(given.get("text")))))
    if (found.length === 0) throw new Problem(422, says.noServers)
    const fresh = found.filter(([name]) => !props.existing.has(name))
    for (const [name, config] of fresh) await call("POST", "admin/servers", { body: { name, config } })
    props.onDone({
      added: fresh.map(([name]) => name),
      skipped: found.map(([name]) => name).filter((name) => props.existing.has(name))
    })
  }
  return (
    <FormDialog title={says.paste} submit={common.add} onSubmit={paste} onClose={props.onClose}>
      <p class="note">{says.pasteNote}</p>
      <label>
        <span class="unseen">{says.paste}</span>
        <textarea name="text" spellcheck={false} required autofocus />
      </label>
    </FormDialog>
  )
}

const All = ({ viewer }: { readonly viewer: Viewer }) => {
  const { common, servers: says, table } = words()
  const servers = useQuery<ReadonlyArray<ServerRow>>("admin/upstream-status", 4000)
  const [open, setOpen] = useState<"add" | "paste">()
  const [pasted, setPasted] = useState<Pasted>()
  const close = () => setOpen(undefined)
  const tools = viewer.mayChange ? (
    <div class="row">
      <button type="button" onClick={() => setOpen("paste")}>
        {says.paste}
      </button>
      <button type="button" class="primary" onClick={() => setOpen("add")}>
        {says.add}
      </button>
    </div>
  ) : undefined
  return (
    <Page title={says.title} tools={tools}>
      {pasted === undefined ? null : (
        <p class="note" role="status">
          {says.added(pasted.added.join(", ") || "–")}
          {pasted.skipped.length === 0 ? "" : ` ${says.skipped(pasted.skipped.join(", "))}`}
        </p>
      )}
      <section>
        <Waiting query={servers} />
        {servers.data === undefined ? null : (
          <Table
            caption={says.title}
            rows={servers.data}
            keyOf={({ name }) => name}
            columns={[
              { head: common.name, isName: true, cell: ({ name }) => <a href={href("servers", name)}>{name}</a> },
              { head: says.type, cell: ({ type }) => type },
              { head: common.state, cell: ({ state }) => <StateOf state={state} /> },
              { head: table.reason, cell: ({ reason }) => reason ?? "" },
              { head: says.tools, isNumber: true, cell: ({ tools: number }) => number ?? "" },
              { head: says.connections, isNumber: true, cell: ({ connections }) => connections }
            ]}
          />
        )}
      </section>
      {open === "add" ? <Add onClose={close} onDone={servers.reload} /> : null}
      {open === "paste" ? (
        <Paste
          existing={new Set((servers.data ?? []).map(({ name }) => name))}
          onClose={close}
          onDone={(result) => {
            setPasted(result)
            servers.reload()
          }}
        />
      ) : null}
    </Page>
  )
}

export const Servers = ({ viewer }: { readonly viewer: Viewer }) => {
  const { item } = route.value
  return item === undefined ? <All viewer={viewer} /> : <Server viewer={viewer} name={item} />
}
