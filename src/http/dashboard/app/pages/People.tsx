/** Users, and for one of them keys, tokens and groups. */
import { useState } from "preact/hooks"
import { call, type Page as List } from "../data/Api.ts"
import { useQuery } from "../data/Query.ts"
import { href, route } from "../data/Route.ts"
import type { UserRow } from "../data/Shapes.ts"
import type { Viewer } from "../data/Viewer.ts"
import { FormDialog } from "../parts/Action.tsx"
import { Waiting } from "../parts/Notice.tsx"
import { Page } from "../parts/Page.tsx"
import { State } from "../parts/State.tsx"
import { Table } from "../parts/Table.tsx"
import { Time } from "../parts/Time.tsx"
import { words } from "../text/Language.ts"
import { Person } from "./Person.tsx"

export const roleOf = ({ isAdmin, role }: UserRow): string => role ?? (isAdmin ? "admin" : "user")

const Add = ({ onClose, onDone }: { readonly onClose: () => void; readonly onDone: () => void }) => {
  const { common, people, signIn } = words()
  const add = async (given: FormData): Promise<void> => {
    await call("POST", "users", { body: { username: given.get("username"), isAdmin: given.get("admin") !== null } })
    onDone()
  }
  return (
    <FormDialog title={people.add} submit={common.add} onSubmit={add} onClose={onClose}>
      <label>
        {signIn.username}
        <input name="username" maxLength={100} required autofocus />
      </label>
      <label class="check">
        <input name="admin" type="checkbox" /> {people.roles["admin"]}
      </label>
    </FormDialog>
  )
}

const All = ({ viewer }: { readonly viewer: Viewer }) => {
  const { common, people, table } = words()
  const users = useQuery<List<UserRow>>("users?limit=500")
  const [isAdding, setAdding] = useState(false)
  const [text, setText] = useState("")
  const found = (users.data?.items ?? []).filter(({ username }) => username.toLowerCase().includes(text.toLowerCase()))
  return (
    <Page
      title={people.title}
      tools={
        <div class="row">
          <label>
            <span class="unseen">{common.search}</span>
            <input type="search" placeholder={common.search} onInput={(event) => setText(event.currentTarget.value)} />
          </label>
          {viewer.mayChange ? (
            <button type="button" class="primary" onClick={() => setAdding(true)}>
              {people.add}
            </button>
          ) : null}
        </div>
      }
    >
      <section>
        <Waiting query={users} />
        {users.data === undefined ? null : (
          <Table
            caption={people.users}
            rows={found.slice(0, 200)}
            keyOf={({ id }) => id}
            columns={[
              {
                head: table.user,
                isName: true,
                cell: ({ id, username }) => (
                  <a href={href("people", id)}>
                    <bdi>{username}</bdi>
                  </a>
                )
              },
              { head: people.role, cell: (user) => people.roles[roleOf(user)] ?? roleOf(user) },
              {
                head: common.state,
                cell: ({ isActive }) => (
                  <State mood={isActive ? "good" : "idle"} text={isActive ? people.active : people.inactive} />
                )
              },
              { head: common.created, cell: ({ createdAt }) => <Time at={createdAt} /> }
            ]}
          />
        )}
      </section>
      {isAdding ? <Add onClose={() => setAdding(false)} onDone={users.reload} /> : null}
    </Page>
  )
}

export const People = ({ viewer }: { readonly viewer: Viewer }) => {
  const { item } = route.value
  return item === undefined ? <All viewer={viewer} /> : <Person viewer={viewer} id={item} />
}
