/** Everything that the admin API of a running hub shows: to users with their keys, and to an admin who has signed in. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { documentOf } from "../../src/http/admin/rest/Document.ts"
import type { RawHttp } from "../../src/testkit/RawHttp.ts"
import type { CanaryUser } from "./CanaryUsers.ts"

const reads = Object.entries(documentOf("").paths).flatMap(([path, methods]) => ("get" in methods ? [path] : []))
/** Those that need no id, and those below one user. */
const plain = reads.filter((path) => !path.includes("{"))
const ofUser = reads.filter((path) => path.startsWith("/api/users/{id}") && !path.includes("{group}"))

/** By place: which user, or the admin, and which route. */
export const said = Effect.fnUntraced(function* (http: RawHttp, users: ReadonlyArray<CanaryUser>, password: string) {
  const places: Record<string, string> = {}
  const ask = (who: string, path: string, headers: Readonly<Record<string, string>>) =>
    Effect.map(http.send({ method: "GET", path, headers }), (answer) => {
      assert.strictEqual(answer.status, 200, `${who}: ${path} ${answer.text}`)
      places[`${who}: GET ${path}`] = answer.text + JSON.stringify(answer.headers)
      return answer
    })

  for (const { id, key, owner } of users) {
    const headers = { authorization: `Bearer ${key}` }
    const others = users.filter((one) => one.id !== id)
    for (const path of plain.filter((one) => one.startsWith("/api/me"))) {
      const { text } = yield* ask(owner, `${path}${path.endsWith("audit") ? "?limit=500" : ""}`, headers)
      for (const other of others) assert.notInclude(text, other.id, `${owner} sees ${other.owner} at ${path}`)
    }
    const refused = yield* http.send({ method: "GET", path: "/api/admin/sessions", headers })
    assert.strictEqual(refused.status, 403)
    places[`${owner}: refused`] = refused.text
  }

  const signIn = yield* http.send({
    path: "/api/signin/password",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "admin", password })
  })
  assert.strictEqual(signIn.status, 200, signIn.text)
  places["sign-in"] = signIn.text
  const headers = { cookie: signIn.headers["set-cookie"]!.split(";")[0]! }
  for (const path of plain) yield* ask("admin", path, headers)
  for (const { id } of users) {
    for (const path of ofUser) yield* ask("admin", path.replace("{id}", id), headers)
  }
  const sessions = JSON.parse((yield* ask("admin", "/api/admin/sessions?limit=500", headers)).text) as {
    readonly items: ReadonlyArray<{ readonly sessionId: string }>
  }
  for (const { sessionId } of sessions.items.slice(0, 5)) {
    yield* ask("admin", `/api/admin/sessions/${sessionId}`, headers)
  }
  return places
})
