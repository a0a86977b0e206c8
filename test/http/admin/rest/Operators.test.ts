import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Redacted } from "effect"
import { AuditTrail } from "../../../../src/actors/observing/AuditTrail.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { type Asking, asking, byKey, operators } from "../../support/ApiViewers.ts"

const unknown = "00000000-0000-4000-8000-000000000000"

const everybody = Effect.fnUntraced(function* (hub: Effect.Success<ReturnType<typeof TestHub.make>>) {
  const made = yield* operators(hub)
  const { key } = yield* Effect.orDie(Context.get(hub.services, HubKeys).create({ userId: made.adminUser.id }))
  return { ...made, ada: byKey(hub, hub.ada.key), bo: byKey(hub, hub.bo.key), adminKey: byKey(hub, key), key }
})

/** Statuses by who asks. */
const statuses = (call: string, askers: ReadonlyArray<Asking>, body?: unknown) =>
  Effect.map(
    Effect.forEach(askers, (ask) => ask(call, { body })),
    (answers) => answers.map(({ status }) => status)
  )

describe("operators of the hub over the admin API", () => {
  it.live("R38: see everybody's sessions and requests, end and cancel them; an auditor and a key only look", () =>
    Effect.gen(function* () {
      const held: Array<ScriptedCall> = []
      const upstream = yield* ScriptedHttpUpstream.make({ tools: { hang: (call) => void held.push(call) } })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const { ada, admin, adminKey, auditor, bo } = yield* everybody(hub)
      const [client, other] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const call = yield* Effect.forkChild(Effect.flip(client.callTool("files-hang", { secret: "canary-argument" })))
      yield* upstream.await(({ body }) => body?.method === "tools/call")

      const looking = [admin, auditor, adminKey, ada]
      for (const path of ["sessions", "requests", "audit", "session-stats", "upstream-status", "groups"]) {
        assert.deepStrictEqual(yield* statuses(`GET /api/admin/${path}`, looking), [200, 200, 200, 403], path)
      }
      const sessions = yield* auditor("GET /api/admin/sessions")
      assert.deepStrictEqual(sessions.json.items.map(({ username }: any) => username).sort(), ["ada", "bo"])
      const ofAda = yield* auditor(`GET /api/admin/sessions?user=${hub.ada.user.id}`)
      assert.strictEqual(ofAda.json.items.length, 1)
      const { sessionId } = ofAda.json.items[0]
      const { requestId } = (yield* auditor("GET /api/admin/requests")).json.items[0]
      const request = `/api/admin/requests/${encodeURIComponent(requestId)}`
      assert.strictEqual((yield* auditor(`GET ${request}`)).json.target, "files-hang")
      const detail = yield* auditor(`GET /api/admin/sessions/${sessionId}`)
      assert.strictEqual(detail.json.requests.length, 1)
      for (const mark of [client.sessionId, other.sessionId, "canary-argument"]) {
        assert.notInclude(sessions.text + detail.text, mark)
      }

      const lookers = [auditor, adminKey, ada, bo]
      assert.deepStrictEqual(yield* statuses(`DELETE ${request}`, lookers), [403, 403, 403, 403])
      assert.deepStrictEqual(yield* statuses(`DELETE /api/admin/sessions/${sessionId}`, lookers), [403, 403, 403, 403])
      assert.isUndefined(call.pollUnsafe())
      assert.strictEqual((yield* admin(`DELETE ${request}`)).status, 200)
      yield* Fiber.join(call)
      assert.strictEqual((yield* admin(`DELETE ${request}`)).status, 404)
      assert.strictEqual((yield* admin(`DELETE /api/admin/sessions/${sessionId}`)).status, 200)
      assert.deepStrictEqual(
        (yield* admin("GET /api/admin/sessions")).json.items.map(({ username }: any) => username),
        ["bo"]
      )
      yield* other.toolNames
      const stats = yield* auditor("GET /api/admin/session-stats")
      assert.deepStrictEqual([stats.json.sessions, stats.json.users], [1, 4])
      assert.deepStrictEqual(
        [stats.json.live.sessions, stats.json.live.byUser.map(({ username }: any) => username)],
        [1, ["bo"]]
      )
      assert.strictEqual((yield* auditor("GET /api/admin/upstream-status")).json[0].name, "files")
      const trail = yield* auditor("GET /api/admin/audit")
      const made = trail.json.items.filter(({ kind }: any) => kind === "operation")
      assert.deepStrictEqual(
        made.map(({ method, username }: any) => [method, username]),
        [
          ["DELETE /api/admin/sessions/:id", "grace"],
          ["DELETE /api/admin/requests/:id", "grace"]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.live("export the trail as lines and as a table, without formulas; a user their own rows", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: {} })
      const { ada, auditor } = yield* everybody(hub)
      const [client, other] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const one of [client, other]) yield* Effect.ignore(one.request("=cmd|' /C calc'!A0"))
      const lines = yield* auditor("GET /api/admin/audit", { headers: { accept: "application/x-ndjson" } })
      assert.strictEqual(lines.headers["content-type"], "application/x-ndjson")
      const rows = lines.text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual([...new Set(rows.map(({ username }) => username))].sort(), ["ada", "bo"])
      assert.deepStrictEqual(
        rows.map(({ seq }) => seq),
        rows.map(({ seq }) => seq).sort((one, two) => two - one)
      )
      const table = yield* auditor("GET /api/admin/audit", { headers: { accept: "text/csv" } })
      assert.match(table.text, /^seq,id,time,/)
      assert.strictEqual(table.text.trim().split("\r\n").length, rows.length + 1)
      assert.include(table.text, ",'=cmd|")
      assert.notMatch(table.text, /(?:^|,)"?=cmd/m)
      const typeFor = (accept: string) =>
        Effect.map(
          auditor("GET /api/admin/audit?limit=1", { headers: { accept } }),
          ({ headers }) => headers["content-type"]
        )
      assert.match((yield* typeFor("TEXT/CSV"))!, /^text\/csv/)
      assert.match((yield* typeFor("application/json, text/csv;q=0"))!, /^application\/json/)
      const own = yield* ada("GET /api/me/audit?limit=1", { headers: { accept: "application/x-ndjson" } })
      assert.strictEqual(own.text.trim().split("\n").length, 1)
      const mine = yield* ada("GET /api/me/audit", { headers: { accept: "text/csv" } })
      assert.notInclude(mine.text, hub.bo.user.id)
      assert.include(mine.text, hub.ada.user.id)
      yield* Context.get(hub.services, AuditTrail).flush
    }).pipe(Effect.scoped)
  )

  it.live("A37: an admin has no other role, neither beside nor hidden for when they are one no more", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const { ada, admin } = yield* everybody(hub)
      const add = (body: object) => admin("POST /api/users", { body })
      const both = yield* add({ username: "dee", isAdmin: true, role: "auditor" })
      assert.deepStrictEqual([both.status, both.json.kind], [409, "RoleOfAdmin"])
      const cy = (yield* add({ username: "cy", isAdmin: true })).json
      const path = `/api/users/${cy.id}`
      const patch = Effect.fnUntraced(function* (body: object) {
        const { headers } = yield* admin(`GET ${path}`)
        const { json, status } = yield* admin(`PATCH ${path}`, { body, headers: { "if-match": headers["etag"]! } })
        return [status, json.kind ?? json.role]
      })
      for (const body of [{ role: "auditor" }, { role: "user" }, { isAdmin: true, role: "auditor" }]) {
        assert.deepStrictEqual(yield* patch(body), [409, "RoleOfAdmin"])
      }
      const { headers } = yield* admin(`GET ${path}`)
      const refused = yield* admin(`PATCH ${path}`, {
        body: { role: "auditor" },
        headers: { "if-match": headers["etag"]! }
      })
      assert.include(refused.json.detail, `together with "admin": false`)
      assert.deepStrictEqual(yield* patch({ isAdmin: false }), [200, "user"])
      assert.deepStrictEqual(yield* patch({ isAdmin: true, role: "auditor" }), [409, "RoleOfAdmin"])
      assert.deepStrictEqual(yield* patch({ role: "auditor" }), [200, "auditor"])
      assert.deepStrictEqual(yield* patch({ isAdmin: true }), [200, "admin"])
      assert.deepStrictEqual(yield* patch({ isAdmin: false }), [200, "user"])
      assert.deepStrictEqual(yield* patch({ isAdmin: true }), [200, "admin"])
      assert.deepStrictEqual(yield* patch({ isAdmin: false, role: "auditor" }), [200, "auditor"])
      // Neither the refused one nor anybody's role has changed meanwhile.
      const all = (yield* admin("GET /api/users")).json.items as ReadonlyArray<{ username: string; role: string }>
      assert.isFalse(all.some(({ username }) => username === "dee"))
      assert.strictEqual(all.find(({ username }) => username === "bo")?.role, "user")
      assert.strictEqual((yield* ada("GET /api/users")).status, 403)
    }).pipe(Effect.scoped)
  )

  it.live("manage users and what is theirs; nobody else does, and a change made too late changes nothing", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { files: { url: "http://127.0.0.1:9/mcp" } } })
      const { ada, admin, adminKey, adminUser, auditor, bo } = yield* everybody(hub)
      const nobody = asking(hub)
      const made = yield* admin("POST /api/users", { body: { username: "cy", role: "auditor" } })
      assert.strictEqual(made.status, 201, made.text)
      assert.strictEqual(made.json.role, "auditor")
      const cy = `/api/users/${made.json.id}`
      assert.strictEqual((yield* admin("POST /api/users", { body: { username: "cy" } })).json.kind, "UsernameTaken")
      assert.strictEqual((yield* admin("POST /api/users", { body: { username: "a/b" } })).status, 422)
      assert.strictEqual((yield* admin("POST /api/users", { body: { username: "cy\u200b" } })).status, 422)
      const look = yield* admin("POST /api/users", { body: { username: "ＣY" } })
      assert.deepStrictEqual([look.status, look.json.kind], [409, "UsernameTaken"])

      const changes: ReadonlyArray<readonly [string, unknown]> = [
        ["POST /api/users", { username: "eve", isAdmin: true }],
        [`PATCH ${cy}`, { isAdmin: true }],
        [`DELETE ${cy}`, undefined],
        [`POST ${cy}/keys`, {}],
        [`PATCH ${cy}/keys/${unknown}`, { days: 1 }],
        [`DELETE ${cy}/keys/${unknown}`, undefined],
        [`PUT ${cy}/tokens/X_TOKEN`, { value: "x" }],
        [`DELETE ${cy}/tokens/X_TOKEN`, undefined],
        [`POST ${cy}/groups`, { name: "g", servers: [] }],
        [`PATCH ${cy}/groups/${unknown}`, { name: "g" }],
        [`DELETE ${cy}/groups/${unknown}`, undefined]
      ]
      for (const [call, body] of changes) {
        assert.deepStrictEqual(
          yield* statuses(call, [nobody, ada, bo, auditor, adminKey], body),
          [401, 403, 403, 403, 403],
          call
        )
      }
      assert.strictEqual((yield* auditor("GET /api/users")).json.items.length, 5)
      assert.deepStrictEqual(yield* statuses(`GET ${cy}`, [nobody, ada, auditor, adminKey]), [401, 403, 200, 200])

      const { headers } = yield* admin(`GET ${cy}`)
      const late = { "if-match": headers["etag"]! }
      assert.strictEqual((yield* admin(`PATCH ${cy}`, { body: { isAdmin: true } })).status, 428)
      const blank = { body: { isAdmin: true }, headers: { "if-match": " " } }
      assert.strictEqual((yield* admin(`PATCH ${cy}`, blank)).status, 428)
      const promoted = yield* admin(`PATCH ${cy}`, { body: { isAdmin: true }, headers: late })
      assert.deepStrictEqual([promoted.status, promoted.json.role], [200, "admin"])
      const stale = yield* admin(`PATCH ${cy}`, { body: { isActive: false }, headers: late })
      assert.deepStrictEqual([stale.status, stale.json.kind], [412, "Stale"])
      assert.isTrue((yield* admin(`GET ${cy}`)).json.isActive)
      assert.strictEqual((yield* admin(`DELETE ${cy}`, { headers: late })).status, 412)
      const now = { "if-match": promoted.headers["etag"]! }
      const back = yield* admin(`PATCH ${cy}`, {
        body: { isAdmin: false, isActive: false, role: "user" },
        headers: now
      })
      assert.deepStrictEqual([back.json.role, back.json.isActive], ["user", false])
      const own = yield* admin(`GET /api/users/${adminUser.id}`)
      const last = yield* admin(`PATCH /api/users/${adminUser.id}`, {
        body: { isAdmin: false },
        headers: { "if-match": own.headers["etag"]! }
      })
      assert.deepStrictEqual([last.status, last.json.kind], [409, "LastAdmin"])

      // What belongs to one user is not found below another.
      const adas = `/api/users/${hub.ada.user.id}`
      assert.strictEqual((yield* admin(`DELETE ${cy}/keys/${hub.ada.row.id}`)).status, 404)
      assert.strictEqual((yield* ada("GET /api/me")).status, 200)
      const group = yield* admin(`POST ${adas}/groups`, { body: { name: "work", servers: ["files"] } })
      assert.strictEqual(group.status, 201, group.text)
      assert.strictEqual((yield* admin(`POST ${adas}/groups`, { body: { name: "x", servers: ["nope"] } })).status, 404)
      assert.strictEqual((yield* admin(`GET ${cy}/groups/${group.json.id}`)).status, 404)
      const place = `${adas}/groups/${group.json.id}`
      const first = { "if-match": group.headers["etag"]! }
      const renamed = yield* admin(`PATCH ${place}`, {
        body: { name: "play", tools: ["files-a"], isActive: false },
        headers: first
      })
      assert.deepStrictEqual(
        [renamed.json.name, renamed.json.tools, renamed.json.isActive],
        ["play", ["files-a"], false]
      )
      assert.strictEqual((yield* admin(`DELETE ${place}`, { headers: first })).status, 412)
      assert.deepStrictEqual((yield* ada("GET /api/me/groups")).json.items.length, 1)
      assert.strictEqual(
        (yield* admin(`DELETE ${place}`, { headers: { "if-match": renamed.headers["etag"]! } })).status,
        200
      )

      const key = yield* admin(`POST ${adas}/keys`, { body: { name: "given", days: 1 } })
      assert.strictEqual((yield* byKey(hub, Redacted.make(key.json.key))("GET /api/me")).json.username, "ada")
      assert.strictEqual((yield* admin(`PUT ${adas}/tokens/NEW_TOKEN`, { body: { value: "canary-new" } })).status, 200)
      assert.notInclude((yield* auditor(`GET ${adas}/tokens`)).text, "canary")
      const removed = yield* admin(`DELETE ${cy}`, { headers: { "if-match": back.headers["etag"]! } })
      assert.strictEqual(removed.status, 200, removed.text)
      assert.strictEqual((yield* admin(`GET ${cy}`)).status, 404)
    }).pipe(Effect.scoped)
  )
})
