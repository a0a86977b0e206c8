/** The frame of every page: the way to the others, who is signed in, colours and language. */
import type { ComponentChildren } from "preact"
import { href, route } from "../data/Route.ts"
import { signOut, type Viewer } from "../data/Viewer.ts"
import { choose, language, languages, words } from "../text/Language.ts"
import { Boundary } from "./Boundary.tsx"
import icon from "./icon.svg"
import { type Theme, theme, themes } from "./Theme.ts"

export const Preferences = () => {
  const { common } = words()
  return (
    <div class="preferences">
      <label>
        <span class="unseen">{common.languageLabel}</span>
        <select value={language.value} onChange={(event) => choose(event.currentTarget.value)}>
          {languages.map(({ code, language: name }) => (
            <option key={code} value={code} lang={code}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="unseen">{common.theme}</span>
        <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
          {themes.map((one) => (
            <option key={one} value={one}>
              {common.themes[one]}
            </option>
          ))}
        </select>
      </label>
    </div>
  )
}

export interface Destination {
  readonly page: string
  readonly title: string
}

export const Shell = (props: {
  readonly viewer: Viewer
  readonly destinations: ReadonlyArray<Destination>
  readonly current: string
  readonly children: ComponentChildren
}) => {
  const { brand, common, nav } = words()
  return (
    <div class="shell">
      <button class="skip" type="button" onClick={() => document.querySelector<HTMLElement>("main h1")?.focus()}>
        {common.skip}
      </button>
      <header class="top">
        <span class="brand">
          <img src={icon} alt="" width="24" height="24" /> {brand}
        </span>
        <nav aria-label={nav.label}>
          <ul>
            {props.destinations.map(({ page, title }) => (
              <li key={page}>
                <a href={href(page)} aria-current={page === props.current ? "page" : undefined}>
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <Preferences />
        <div class="account">
          <span title={props.viewer.role}>
            <span class="unseen">{common.signedInAs(props.viewer.username)}</span>
            <bdi aria-hidden="true">{props.viewer.username}</bdi>
          </span>
          <button type="button" onClick={() => void signOut()}>
            {common.signOut}
          </button>
        </div>
      </header>
      <main key={`${route.value.page}/${route.value.item ?? ""}`}>
        <Boundary>{props.children}</Boundary>
      </main>
    </div>
  )
}
