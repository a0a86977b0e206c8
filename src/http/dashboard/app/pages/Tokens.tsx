/** A user's service tokens, which are written and never read. */
import { useState } from "preact/hooks"
import { call, type Page as List } from "../data/Api.ts"
import { useQuery } from "../data/Query.ts"
import type { TokenRow } from "../data/Shapes.ts"
import { AskButton, FormDialog } from "../parts/Action.tsx"
import { Waiting } from "../parts/Notice.tsx"
import { Section } from "../parts/Page.tsx"
import { State } from "../parts/State.tsx"
import { Table } from "../parts/Table.tsx"
import { words } from "../text/Language.ts"

export const Tokens = () => {
  const { common, me } = words()
  const tokens = useQuery<List<TokenRow>>("me/tokens?limit=200")
  /** The name of the token to be replaced, or "" for a new one. */
  const [setting, setSetting] = useState<string>()
  const put = async (given: FormData): Promise<void> => {
    const name = setting === "" ? String(given.get("name")) : setting!
    await call("PUT", `me/tokens/${encodeURIComponent(name)}`, { body: { value: given.get("value") } })
    tokens.reload()
  }
  const remove = async (name: string): Promise<void> => {
    await call("DELETE", `me/tokens/${encodeURIComponent(name)}`)
    tokens.reload()
  }
  const set = (
    <button type="button" class="primary" onClick={() => setSetting("")}>
      {me.setToken}
    </button>
  )
  return (
    <Section title={me.tokens} note={me.tokensNote} tools={set}>
      <Waiting query={tokens} />
      {tokens.data === undefined ? null : (
        <Table
          caption={me.tokens}
          rows={tokens.data.items}
          keyOf={({ name }) => name}
          columns={[
            { head: common.name, isName: true, cell: ({ name }) => <code>{name}</code> },
            { head: common.state, cell: () => <State mood="good" text={me.tokenSet} /> },
            {
              head: common.actions,
              cell: ({ name }) => (
                <div class="row">
                  <button type="button" class="quiet" onClick={() => setSetting(name)}>
                    {me.replaceToken}
                  </button>
                  <AskButton label={common.remove} ask={me.askToken(name)} onYes={() => remove(name)} />
                </div>
              )
            }
          ]}
        />
      )}
      {setting === undefined ? null : (
        <FormDialog
          title={setting === "" ? me.setToken : `${me.replaceToken}: ${setting}`}
          submit={common.save}
          onSubmit={put}
          onClose={() => setSetting(undefined)}
        >
          {setting === "" ? (
            <label>
              {me.tokenName}
              <input name="name" pattern="[A-Za-z][A-Za-z0-9_]*" maxLength={100} required autofocus />
            </label>
          ) : null}
          <label>
            {me.tokenValue}
            <input name="value" type="password" autocomplete="new-password" required autofocus={setting !== ""} />
          </label>
        </FormDialog>
      )}
    </Section>
  )
}
