/** The way in: a password, or a provider that the operator has set up. */
import { useEffect, useState } from "preact/hooks"
import { address, call, Problem } from "../data/Api.ts"
import { useQuery } from "../data/Query.ts"
import { lookAgain } from "../data/Viewer.ts"
import { Notice } from "../parts/Notice.tsx"
import { Preferences } from "../parts/Shell.tsx"
import { words } from "../text/Language.ts"
import icon from "../parts/icon.svg"

/** The ways in that the operator has set up. */
interface Options {
  readonly password: boolean
  readonly github?: boolean
  readonly oidc?: ReadonlyArray<{ readonly name: string; readonly title?: string }>
}

const linksOf = ({ github, oidc = [] }: Options) => [
  ...(github === true ? [{ path: "signin/github", title: "GitHub" }] : []),
  ...oidc.map(({ name, title }) => ({ path: `signin/oidc/${encodeURIComponent(name)}`, title: title ?? name }))
]

const PasswordForm = () => {
  const { signIn } = words()
  const [problem, setProblem] = useState<Problem>()
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: SubmitEvent & { readonly currentTarget: HTMLFormElement }): Promise<void> => {
    event.preventDefault()
    const form = event.currentTarget
    const given = new FormData(form)
    setBusy(true)
    try {
      const body = { username: given.get("username"), password: given.get("password") }
      await call("POST", "signin/password", { body })
      form.reset()
      await lookAgain()
    } catch (error) {
      const failed = error instanceof Problem ? error : new Problem(0, "")
      setProblem(failed.status === 401 ? new Problem(401, signIn.wrong) : failed)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form class="stack" onSubmit={(event) => void submit(event)}>
      <label>
        {signIn.username}
        <input name="username" autocomplete="username" required autofocus />
      </label>
      <label>
        {signIn.password}
        <input name="password" type="password" autocomplete="current-password" required />
      </label>
      <Notice problem={problem} />
      <button class="primary" disabled={isBusy}>
        {signIn.submit}
      </button>
    </form>
  )
}

export const SignIn = () => {
  const { brand, signIn } = words()
  const options = useQuery<Options>("signin/options")
  useEffect(() => {
    document.title = `${signIn.title} · ${brand}`
  }, [signIn.title])
  const links = options.data === undefined ? [] : linksOf(options.data)
  return (
    <main class="card">
      <h1>
        <img src={icon} alt="" width="32" height="32" /> {signIn.title}
      </h1>
      {options.problem?.isMissing === true ? <p>{signIn.noWays}</p> : <Notice problem={options.problem} />}
      {options.data?.password === true ? <PasswordForm /> : null}
      {links.map(({ path, title }) => (
        <a key={path} class="button" href={address(path)}>
          {signIn.with(title)}
        </a>
      ))}
      {options.data === undefined ? null : <p class="note">{signIn.link}</p>}
      <Preferences />
    </main>
  )
}
