/** The audit trail: who did what where, and how it ended. The filters are part of the address. */
import { useEffect, useState } from "preact/hooks"
import { call, download, type Page as List, withQuery } from "../data/Api.ts"
import { useQuery } from "../data/Query.ts"
import { href, replace, route } from "../data/Route.ts"
import type { AuditRow, UserRow } from "../data/Shapes.ts"
import { seesEverybody, type Viewer } from "../data/Viewer.ts"
import { DoButton } from "../parts/Action.tsx"
import { Waiting } from "../parts/Notice.tsx"
import { Page } from "../parts/Page.tsx"
import { Audit as Rows } from "../parts/Rows.tsx"
import { words } from "../text/Language.ts"

const names = ["user", "session", "server", "tool", "outcome", "since", "until"] as const
type Filter = Partial<Record<(typeof names)[number], string>>

const filterOf = (query: URLSearchParams): Filter =>
  Object.fromEntries(names.flatMap((name) => (query.get(name) ? [[name, query.get(name)]] : [])))

/** Times are entered as the clock on the wall shows them, and asked for in UTC. */
const asked = ({ since, until, ...rest }: Filter): Filter => ({
  ...rest,
  ...(since === undefined ? {} : { since: new Date(since).toISOString() }),
  ...(until === undefined ? {} : { until: new Date(until).toISOString() })
})

const isId = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)

/** The API knows users by their ids alone, people by their names. */
const useUserId = (user: string | undefined, seesAll: boolean) => {
  const isName = user !== undefined && !isId(user)
  const users = useQuery<List<UserRow>>(seesAll && isName ? "users?limit=500" : undefined)
  if (!isName) return { isKnown: true, user }
  const found = users.data?.items.find(({ username }) => username === user)
  return { isKnown: users.data !== undefined, user: found?.id ?? user }
}

const exports = [
  ["JSONL", "application/x-ndjson", "audit.jsonl"],
  ["CSV", "text/csv", "audit.csv"]
] as const

const Filters = ({ filter, withUser }: { readonly filter: Filter; readonly withUser: boolean }) => {
  const { audit: says, common, outcomes, table } = words()
  const text = (name: keyof Filter, label: string) => (
    <label>
      {label}
      <input name={name} defaultValue={filter[name] ?? ""} />
    </label>
  )
  const time = (name: keyof Filter, label: string) => (
    <label>
      {label}
      <input name={name} type="datetime-local" defaultValue={filter[name] ?? ""} />
    </label>
  )
  return (
    <form
      class="row filters"
      onSubmit={(event) => {
        event.preventDefault()
        const given = new FormData(event.currentTarget)
        const next = Object.fromEntries(names.map((name) => [name, String(given.get(name) ?? "").trim()]))
        replace(href("audit", undefined, next))
      }}
    >
      {withUser ? text("user", says.user) : null}
      {text("session", says.session)}
      {text("server", table.server)}
      {text("tool", says.tool)}
      <label>
        {table.outcome}
        <select name="outcome" defaultValue={filter.outcome ?? ""}>
          <option value="">{common.all}</option>
          {Object.entries(outcomes).map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      </label>
      {time("since", says.from)}
      {time("until", says.to)}
      <button class="primary">{says.apply}</button>
    </form>
  )
}

export const Audit = ({ viewer }: { readonly viewer: Viewer }) => {
  const { audit: says, common } = words()
  const scope = seesEverybody(viewer) ? "admin" : "me"
  const filter = filterOf(route.value.query)
  const { isKnown, user } = useUserId(filter.user, scope === "admin")
  const query = { ...asked(filter), ...(user === undefined ? {} : { user }) }
  const path = withQuery(`${scope}/audit`, { ...query, limit: 100 })
  const first = useQuery<List<AuditRow>>(isKnown ? path : undefined)
  const [older, setOlder] = useState<List<AuditRow>>()
  useEffect(() => setOlder(undefined), [path])
  const rows = [...(first.data?.items ?? []), ...(older?.items ?? [])]
  const next = older === undefined ? first.data?.next : older.next
  const more = async (): Promise<void> => {
    const { value } = await call<List<AuditRow>>("GET", `${path}&cursor=${encodeURIComponent(next ?? "")}`)
    setOlder((before) => ({ items: [...(before?.items ?? []), ...value.items], next: value.next }))
  }
  const exported = withQuery(`${scope}/audit`, query)
  return (
    <Page
      title={says.title}
      tools={
        <div class="row">
          {exports.map(([title, type, file]) => (
            <DoButton key={title} label={`${says.export} ${title}`} onDo={() => download(exported, type, file)} />
          ))}
        </div>
      }
    >
      <section>
        <p class="note">{says.noPayloads}</p>
        <Filters key={path} filter={filter} withUser={scope === "admin"} />
        <Waiting query={first} />
        {first.data === undefined ? null : <Rows caption={says.title} rows={rows} withUser={scope === "admin"} />}
        {next === null || next === undefined ? null : <DoButton label={common.more} onDo={more} />}
      </section>
    </Page>
  )
}
