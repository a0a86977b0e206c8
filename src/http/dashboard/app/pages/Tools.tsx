/** A server's tools: whether clients see each, and the description that models read. */
import { useState } from "preact/hooks"
import { call } from "../data/Api.ts"
import type { Query } from "../data/Query.ts"
import type { ServerDetail, ServerTest } from "../data/Shapes.ts"
import type { Viewer } from "../data/Viewer.ts"
import { FormDialog } from "../parts/Action.tsx"
import { Section } from "../parts/Page.tsx"
import { State } from "../parts/State.tsx"
import { Table } from "../parts/Table.tsx"
import { words } from "../text/Language.ts"

interface ToolRow {
  readonly name: string
  readonly description: string
  readonly isEnabled: boolean
}

type Settings = Readonly<Record<string, { readonly enabled?: boolean; readonly description?: string } | undefined>>

/** Those of the settings, and those that the server has just named. */
const rowsOf = (settings: Settings, test: ServerTest | undefined): ReadonlyArray<ToolRow> => {
  const named = new Map((test?.tools ?? []).map(({ description, name }) => [name, description ?? ""]))
  return [...new Set([...Object.keys(settings), ...named.keys()])].sort().map((name) => ({
    name,
    description: settings[name]?.description ?? named.get(name) ?? "",
    isEnabled: settings[name]?.enabled !== false
  }))
}

export const Tools = (props: {
  readonly name: string
  readonly detail: Query<ServerDetail>
  readonly test: ServerTest | undefined
  readonly viewer: Viewer
}) => {
  const { common, servers: says } = words()
  const { detail, name, test, viewer } = props
  const [editing, setEditing] = useState<ToolRow>()
  const settings = (detail.data?.config["tools"] ?? {}) as Settings
  const save = async (given: FormData): Promise<void> => {
    const path = `admin/servers/${encodeURIComponent(name)}/tools/${encodeURIComponent(editing!.name)}`
    const text = String(given.get("description")).trim()
    const body = { enabled: given.get("enabled") !== null, description: text === "" ? null : text }
    await call("PATCH", path, { body, etag: detail.etag })
    detail.reload()
  }
  return (
    <Section title={says.tools}>
      <Table
        caption={says.tools}
        rows={rowsOf(settings, test)}
        keyOf={(row) => row.name}
        columns={[
          { head: common.name, isName: true, cell: (row) => row.name },
          {
            head: common.state,
            cell: ({ isEnabled }) => (
              <State mood={isEnabled ? "good" : "idle"} text={isEnabled ? common.on : common.off} />
            )
          },
          { head: says.description, cell: ({ description }) => description },
          ...(viewer.mayChange
            ? [
                {
                  head: common.actions,
                  cell: (row: ToolRow) => (
                    <button type="button" class="quiet" onClick={() => setEditing(row)}>
                      {common.edit}
                    </button>
                  )
                }
              ]
            : [])
        ]}
      />
      {editing === undefined ? null : (
        <FormDialog title={editing.name} submit={common.save} onSubmit={save} onClose={() => setEditing(undefined)}>
          <label class="check">
            <input name="enabled" type="checkbox" defaultChecked={editing.isEnabled} /> {says.enabledTool}
          </label>
          <label>
            {says.description}
            <textarea name="description" defaultValue={settings[editing.name]?.description ?? ""} />
          </label>
        </FormDialog>
      )}
    </Section>
  )
}
