/** A user's groups: the servers, and where given the tools, that the user may reach. */
import { useState } from "preact/hooks"
import { call, type Page as List } from "../data/Api.ts"
import { useQuery } from "../data/Query.ts"
import type { GroupRow } from "../data/Shapes.ts"
import type { Viewer } from "../data/Viewer.ts"
import { AskButton, DoButton, FormDialog } from "../parts/Action.tsx"
import { Waiting } from "../parts/Notice.tsx"
import { Section } from "../parts/Page.tsx"
import { State } from "../parts/State.tsx"
import { Table } from "../parts/Table.tsx"
import { words } from "../text/Language.ts"

const linesOf = (given: FormData, name: string): ReadonlyArray<string> =>
  String(given.get(name) ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")

const Form = (props: {
  /** Undefined: a new one. */
  readonly group: GroupRow | undefined
  readonly path: string
  readonly onClose: () => void
  readonly onDone: () => void
}) => {
  const { common, people } = words()
  const { group } = props
  // Its tag as of now: whoever changes the group meanwhile is not overwritten.
  const { etag } = useQuery<GroupRow>(group === undefined ? undefined : `${props.path}/${group.id}`)
  const save = async (given: FormData): Promise<void> => {
    const tools = linesOf(given, "tools")
    const body = { servers: linesOf(given, "servers"), ...(tools.length === 0 ? {} : { tools }) }
    if (group === undefined) await call("POST", props.path, { body: { name: given.get("name"), ...body } })
    else
      await call("PATCH", `${props.path}/${group.id}`, {
        body: tools.length === 0 ? { ...body, allTools: true } : body,
        etag
      })
    props.onDone()
  }
  return (
    <FormDialog
      title={group === undefined ? people.addGroup : `${common.edit}: ${group.name}`}
      submit={common.save}
      onSubmit={save}
      onClose={props.onClose}
    >
      {group === undefined ? (
        <label>
          {common.name}
          <input name="name" maxLength={100} required autofocus />
        </label>
      ) : null}
      <label>
        {people.groupServers}
        <textarea class="short" name="servers" required defaultValue={group?.servers.join("\n") ?? ""} />
      </label>
      <label>
        {people.groupTools}
        <textarea class="short" name="tools" defaultValue={group?.tools?.join("\n") ?? ""} />
      </label>
    </FormDialog>
  )
}

/** `path`: of the user. */
export const Groups = ({ path: userPath, viewer }: { readonly path: string; readonly viewer: Viewer }) => {
  const { common, people, servers } = words()
  const path = `${userPath}/groups`
  const groups = useQuery<List<GroupRow>>(`${path}?limit=500`)
  const [open, setOpen] = useState<{ readonly group: GroupRow | undefined }>()
  const change = async (method: "PATCH" | "DELETE", id: string, body?: object): Promise<void> => {
    const { etag } = await call("GET", `${path}/${id}`)
    await call(method, `${path}/${id}`, { etag, ...(body === undefined ? {} : { body }) })
    groups.reload()
  }
  const add = (
    <button type="button" onClick={() => setOpen({ group: undefined })}>
      {people.addGroup}
    </button>
  )
  return (
    <Section title={people.groups} note={people.groupsNote} tools={viewer.mayChange ? add : undefined}>
      <Waiting query={groups} />
      {groups.data === undefined ? null : (
        <Table
          caption={people.groups}
          rows={groups.data.items}
          keyOf={({ id }) => id}
          columns={[
            { head: common.name, isName: true, cell: ({ name }) => name },
            {
              head: common.state,
              cell: ({ isActive }) => (
                <State mood={isActive ? "good" : "idle"} text={isActive ? people.active : people.inactive} />
              )
            },
            { head: servers.title, cell: ({ servers: names }) => names.join(", ") },
            { head: servers.tools, cell: ({ tools }) => tools?.join(", ") ?? people.allTools },
            ...(viewer.mayChange
              ? [
                  {
                    head: common.actions,
                    cell: (group: GroupRow) => (
                      <div class="row">
                        <button type="button" class="quiet" onClick={() => setOpen({ group })}>
                          {common.edit}
                        </button>
                        <DoButton
                          label={group.isActive ? people.deactivate : people.activate}
                          onDo={() => change("PATCH", group.id, { isActive: !group.isActive })}
                        />
                        <AskButton
                          label={common.remove}
                          ask={people.askRemoveGroup(group.name)}
                          onYes={() => change("DELETE", group.id)}
                        />
                      </div>
                    )
                  }
                ]
              : [])
          ]}
        />
      )}
      {open === undefined ? null : (
        <Form group={open.group} path={path} onClose={() => setOpen(undefined)} onDone={groups.reload} />
      )}
    </Section>
  )
}
