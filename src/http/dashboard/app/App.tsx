/** The page that the address names, for the person who is looking. */
import type { ComponentType } from "preact"
import { route } from "./data/Route.ts"
import { looking, lookAgain, seesEverybody, type Viewer } from "./data/Viewer.ts"
import { Audit } from "./pages/Audit.tsx"
import { Connect } from "./pages/Connect.tsx"
import { Me } from "./pages/Me.tsx"
import { Now } from "./pages/Now.tsx"
import { People } from "./pages/People.tsx"
import { Requests } from "./pages/Requests.tsx"
import { Servers } from "./pages/Servers.tsx"
import { Sessions } from "./pages/Sessions.tsx"
import { SignIn } from "./pages/SignIn.tsx"
import { Notice } from "./parts/Notice.tsx"
import { type Destination, Preferences, Shell } from "./parts/Shell.tsx"
import { words } from "./text/Language.ts"

interface Place extends Destination {
  readonly shows: ComponentType<{ readonly viewer: Viewer }>
}

const places = (viewer: Viewer): ReadonlyArray<Place> => {
  const { nav } = words()
  const own = [
    { page: "me", title: nav.me, shows: Me },
    { page: "connect", title: nav.connect, shows: Connect }
  ]
  /** Of everybody, or of one's own, by who is looking. */
  const traffic = [
    { page: "sessions", title: nav.sessions, shows: Sessions },
    { page: "requests", title: nav.requests, shows: Requests },
    { page: "audit", title: nav.audit, shows: Audit }
  ]
  if (!seesEverybody(viewer)) return [...own, ...traffic]
  return [
    { page: "now", title: nav.now, shows: Now },
    ...traffic,
    { page: "servers", title: nav.servers, shows: Servers },
    { page: "people", title: nav.people, shows: People },
    ...own
  ]
}

const Failed = () => {
  const { brand, problem: says } = words()
  const state = looking.value
  if (state.is !== "failed") return null
  return (
    <main class="card">
      <h1>{brand}</h1>
      <Notice problem={state.problem} />
      <button type="button" onClick={() => void lookAgain()}>
        {says.reload}
      </button>
      <Preferences />
    </main>
  )
}

export const App = () => {
  const state = looking.value
  if (state.is === "failed") return state.problem.isMissing ? <SignIn /> : <Failed />
  if (state.is === "out") return <SignIn />
  if (state.is === "loading") {
    return (
      <main class="card">
        <p role="status">{words().common.loading}</p>
      </main>
    )
  }
  const { viewer } = state
  const all = places(viewer)
  const place = all.find(({ page }) => page === route.value.page) ?? all[0]
  return (
    <Shell viewer={viewer} destinations={all} current={place?.page ?? ""}>
      {place === undefined ? null : <place.shows key={place.page} viewer={viewer} />}
    </Shell>
  )
}
