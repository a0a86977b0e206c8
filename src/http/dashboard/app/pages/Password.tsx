/** One's own password: a first one, or another. */
import { useState } from "preact/hooks"
import { call } from "../data/Api.ts"
import { FormDialog } from "../parts/Action.tsx"
import { words } from "../text/Language.ts"

export const Password = () => {
  const { common, me } = words()
  const [isOpen, setOpen] = useState(false)
  const put = async (given: FormData): Promise<void> => {
    const old = String(given.get("old"))
    const body = { password: given.get("new"), ...(old === "" ? {} : { current: old }) }
    await call("PUT", "signin/password", { body })
  }
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        {me.setPassword}
      </button>
      {isOpen ? (
        <FormDialog title={me.setPassword} submit={common.save} onSubmit={put} onClose={() => setOpen(false)}>
          <label>
            {me.oldPassword}
            <input name="old" type="password" autocomplete="current-password" />
          </label>
          <label>
            {me.newPassword}
            <input name="new" type="password" minLength={12} autocomplete="new-password" required />
          </label>
        </FormDialog>
      ) : null}
    </>
  )
}
