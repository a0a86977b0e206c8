/** A user's MCPHub keys. A new key stands in its window alone, and is gone with it. */
import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"
import { call, type Page as List } from "../data/Api.ts"
import { type Query, useQuery } from "../data/Query.ts"
import { href } from "../data/Route.ts"
import type { KeyRow, NewKey } from "../data/Shapes.ts"
import { AskButton, FormDialog } from "../parts/Action.tsx"
import { Copy } from "../parts/Copy.tsx"
import { Dialog } from "../parts/Dialog.tsx"
import { count } from "../parts/Format.ts"
import { Waiting } from "../parts/Notice.tsx"
import { Section } from "../parts/Page.tsx"
import { type Mood, State } from "../parts/State.tsx"
import { Table } from "../parts/Table.tsx"
import { Time } from "../parts/Time.tsx"
import { words } from "../text/Language.ts"

const Days = () => (
  <label>
    {words().me.days}
    <input name="days" type="number" min="1" max="90" value="90" required />
  </label>
)

const KeyState = ({ row }: { readonly row: KeyRow }) => {
  const { keyStates } = words().me
  const hasEnded = new Date(row.expiresAt).getTime() <= Date.now()
  const state = !row.isActive ? "revoked" : hasEnded ? "ended" : row.ending === "ending" ? "ending" : "active"
  const moods: Readonly<Record<typeof state, Mood>> = { active: "good", ending: "warn", ended: "bad", revoked: "idle" }
  return <State mood={moods[state]} text={keyStates[state]} />
}

/** One user's keys, with what can be done to each where there is something. */
export const KeyTable = (props: {
  readonly caption: string
  readonly keys: Query<List<KeyRow>>
  readonly actions?: ((row: KeyRow) => ComponentChildren) | undefined
}) => {
  const { common, me } = words()
  const { actions, caption, keys } = props
  return (
    <>
      <Waiting query={keys} />
      {keys.data === undefined ? null : (
        <Table
          caption={caption}
          rows={keys.data.items}
          keyOf={({ id }) => id}
          columns={[
            { head: common.name, isName: true, cell: ({ name }) => name },
            { head: common.state, cell: (row) => <KeyState row={row} /> },
            { head: me.expires, cell: ({ expiresAt }) => <Time at={expiresAt} /> },
            { head: me.lastUsed, cell: ({ lastUsedAt }) => <Time at={lastUsedAt} /> },
            { head: me.uses, isNumber: true, cell: ({ usageCount }) => count(usageCount) },
            ...(actions === undefined ? [] : [{ head: common.actions, cell: actions }])
          ]}
        />
      )}
    </>
  )
}

/** Makes a key and shows it this once. */
export const NewKeyButton = ({ onMade }: { readonly onMade: () => void }) => {
  const { common, me } = words()
  const [isOpen, setOpen] = useState(false)
  const [made, setMade] = useState<NewKey>()
  const make = async (given: FormData): Promise<void> => {
    const body = { name: given.get("name"), days: Number(given.get("days")) }
    const { value } = await call<NewKey>("POST", "me/keys", { body })
    setMade(value)
    onMade()
  }
  return (
    <>
      <button type="button" class="primary" onClick={() => setOpen(true)}>
        {me.newKey}
      </button>
      {isOpen ? (
        <FormDialog title={me.newKey} submit={me.make} onSubmit={make} onClose={() => setOpen(false)}>
          <label>
            {me.keyName}
            <input name="name" maxLength={100} required autofocus />
          </label>
          <Days />
        </FormDialog>
      ) : null}
      {made === undefined ? null : (
        <Dialog title={me.keyIs(made.name)} onClose={() => setMade(undefined)}>
          <div class="stack">
            <p>{me.shownOnce}</p>
            <Copy label={me.theKey} text={made.key} />
            <div class="row">
              <button type="button" class="primary" onClick={() => setMade(undefined)}>
                {common.close}
              </button>
              <a href={href("connect")} onClick={() => setMade(undefined)}>
                {me.wantConnect}
              </a>
            </div>
          </div>
        </Dialog>
      )}
    </>
  )
}

type Change = { readonly row: KeyRow; readonly what: "extend" | "rename" }

const ChangeKey = ({
  change,
  onClose,
  onDone
}: {
  readonly change: Change
  readonly onClose: () => void
  readonly onDone: () => void
}) => {
  const { common, me } = words()
  const { row, what } = change
  const submit = async (given: FormData): Promise<void> => {
    const body = what === "extend" ? { days: Number(given.get("days")) } : { name: given.get("name") }
    await call("PATCH", `me/keys/${row.id}`, { body })
    onDone()
  }
  return (
    <FormDialog title={`${me[what]}: ${row.name}`} submit={common.save} onSubmit={submit} onClose={onClose}>
      {what === "extend" ? (
        <Days />
      ) : (
        <label>
          {common.name}
          <input name="name" maxLength={100} defaultValue={row.name} required />
        </label>
      )}
    </FormDialog>
  )
}

export const Keys = () => {
  const { me } = words()
  const keys = useQuery<List<KeyRow>>("me/keys?limit=200")
  const [change, setChange] = useState<Change>()
  const revoke = async (id: string): Promise<void> => {
    await call("DELETE", `me/keys/${id}`)
    keys.reload()
  }
  return (
    <Section title={me.keys} note={me.keysNote} tools={<NewKeyButton onMade={keys.reload} />}>
      <KeyTable
        caption={me.keys}
        keys={keys}
        actions={(row) =>
          row.isActive ? (
            <div class="row">
              <button type="button" class="quiet" onClick={() => setChange({ row, what: "extend" })}>
                {me.extend}
              </button>
              <button type="button" class="quiet" onClick={() => setChange({ row, what: "rename" })}>
                {me.rename}
              </button>
              <AskButton label={me.revoke} ask={me.askRevoke(row.name)} onYes={() => revoke(row.id)} />
            </div>
          ) : null
        }
      />
      {change === undefined ? null : (
        <ChangeKey change={change} onClose={() => setChange(undefined)} onDone={keys.reload} />
      )}
    </Section>
  )
}
