/** One user as an admin or auditor sees them. */
import { call, type Page as List } from "../data/Api.ts"
import { type Query, useQuery } from "../data/Query.ts"
import { go, href } from "../data/Route.ts"
import type { KeyRow, TokenRow, UserRow } from "../data/Shapes.ts"
import type { Viewer } from "../data/Viewer.ts"
import { AskButton, DoButton } from "../parts/Action.tsx"
import { Waiting } from "../parts/Notice.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { State } from "../parts/State.tsx"
import { Table } from "../parts/Table.tsx"
import { words } from "../text/Language.ts"
import { Groups } from "./Groups.tsx"
import { KeyTable } from "./Keys.tsx"

const Keys = ({ path, viewer }: { readonly path: string; readonly viewer: Viewer }) => {
  const { me, people } = words()
  const keys = useQuery<List<KeyRow>>(`${path}/keys?limit=500`)
  const revoke = async (id: string): Promise<void> => {
    await call("DELETE", `${path}/keys/${id}`)
    keys.reload()
  }
  return (
    <Section title={people.keys}>
      <KeyTable
        caption={people.keys}
        keys={keys}
        actions={
          viewer.mayChange
            ? ({ id, isActive, name }) =>
                isActive ? <AskButton label={me.revoke} ask={me.askRevoke(name)} onYes={() => revoke(id)} /> : null
            : undefined
        }
      />
    </Section>
  )
}

const Tokens = ({ path, viewer }: { readonly path: string; readonly viewer: Viewer }) => {
  const { common, me, people } = words()
  const tokens = useQuery<List<TokenRow>>(`${path}/tokens?limit=500`)
  const remove = async (name: string): Promise<void> => {
    await call("DELETE", `${path}/tokens/${encodeURIComponent(name)}`)
    tokens.reload()
  }
  return (
    <Section title={people.tokens}>
      <Waiting query={tokens} />
      {tokens.data === undefined ? null : (
        <Table
          caption={people.tokens}
          rows={tokens.data.items}
          keyOf={({ name }) => name}
          columns={[
            { head: common.name, isName: true, cell: ({ name }) => <code>{name}</code> },
            ...(viewer.mayChange
              ? [
                  {
                    head: common.actions,
                    cell: ({ name }: TokenRow) => (
                      <AskButton label={common.remove} ask={me.askToken(name)} onYes={() => remove(name)} />
                    )
                  }
                ]
              : [])
          ]}
        />
      )}
    </Section>
  )
}

const Tools = ({ query, viewer }: { readonly query: Query<UserRow>; readonly viewer: Viewer }) => {
  const { common, people } = words()
  const user = query.data
  // An admin cannot lock themselves out by a slip.
  if (user === undefined || !viewer.mayChange || user.id === viewer.userId) return null
  const path = `users/${user.id}`
  const patch = async (body: object): Promise<void> => {
    await call("PATCH", path, { body, etag: query.etag })
    query.reload()
  }
  const role = user.role ?? (user.isAdmin ? "admin" : "user")
  return (
    <div class="row">
      {(["user", "auditor", "admin"] as const)
        .filter((one) => one !== role)
        .map((one) => (
          <DoButton
            key={one}
            label={`${people.role}: ${people.roles[one]}`}
            onDo={() => patch(one === "admin" ? { isAdmin: true } : { isAdmin: false, role: one })}
          />
        ))}
      {user.isActive ? (
        <AskButton
          label={people.deactivate}
          ask={people.askDeactivate(user.username)}
          onYes={() => patch({ isActive: false })}
        />
      ) : (
        <DoButton label={people.activate} onDo={() => patch({ isActive: true })} />
      )}
      <AskButton
        label={common.remove}
        ask={people.askRemove(user.username)}
        onYes={async () => {
          await call("DELETE", path, { etag: query.etag })
          go(href("people"))
        }}
      />
    </div>
  )
}

export const Person = ({ id, viewer }: { readonly id: string; readonly viewer: Viewer }) => {
  const { people } = words()
  const path = `users/${encodeURIComponent(id)}`
  const query = useQuery<UserRow>(path)
  const user = query.data
  return (
    <Page title={user?.username ?? people.title} tools={<Tools query={query} viewer={viewer} />}>
      <p>
        <a href={href("people")}>{people.back}</a>
      </p>
      <Waiting query={query} />
      {user === undefined ? null : (
        <>
          <section>
            <p>
              <State mood={user.isActive ? "good" : "idle"} text={user.isActive ? people.active : people.inactive} />{" "}
              {people.roles[user.role ?? (user.isAdmin ? "admin" : "user")]}
            </p>
            <p class="note">{people.roleNotes}</p>
          </section>
          <Keys path={path} viewer={viewer} />
          <Tokens path={path} viewer={viewer} />
          <Groups path={path} viewer={viewer} />
        </>
      )}
    </Page>
  )
}
