import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Redacted } from "effect"
import { Groups } from "../../../../src/domain/identity/Groups.ts"
import { Users } from "../../../../src/domain/identity/Users.ts"
import { addUser, type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { type Answer, byCookie, byKey } from "../../support/ApiViewers.ts"

const pathOf = (id: string) => encodeURIComponent(id)

const assertNone = (answers: ReadonlyArray<Answer>, marks: ReadonlyArray<string>) => {
  for (const { text } of answers) for (const mark of marks) assert.notInclude(text, mark)
}

const unknown = "00000000-0000-4000-8000-000000000000"

describe("a user of the admin API", () => {
  it.live("makes, renames, extends and revokes their own keys; another's is as unknown as one that is not there", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const [ada, bo] = [byKey(hub, hub.ada.key), byKey(hub, hub.bo.key)]
      const made = yield* ada("POST /api/me/keys", { body: { name: "laptop", days: 7 } })
      assert.strictEqual(made.status, 201, made.text)
      assert.match(made.json.key, /^mcphub_[0-9a-f]{64}$/)
      assert.strictEqual((yield* byKey(hub, Redacted.make(made.json.key))("GET /api/me")).json.username, "ada")

      const listed = yield* ada("GET /api/me/keys")
      assert.deepStrictEqual(listed.json.items.map(({ name }: any) => name).sort(), ["first", "laptop"])
      assert.isNull(listed.json.next)
      assert.notInclude(listed.text, made.json.key)
      const own = `/api/me/keys/${made.json.id}`
      assert.strictEqual((yield* ada(`GET ${own}`)).json.name, "laptop")
      const changed = yield* ada(`PATCH ${own}`, { body: { name: "desk", days: 30 } })
      assert.strictEqual(changed.json.name, "desk")
      assert.isAbove(Date.parse(changed.json.expiresAt), Date.parse(made.json.expiresAt))
      for (const body of [{ name: "x", days: 91 }, { days: 0 }, { name: "x".repeat(101) }]) {
        assert.strictEqual((yield* ada(`PATCH ${own}`, { body })).status, 422)
      }
      assert.strictEqual((yield* ada(`GET ${own}`)).json.name, "desk")

      for (const [call, body] of [
        ["GET", undefined],
        ["PATCH", { name: "mine" }],
        ["PATCH", { days: 1 }],
        ["DELETE", undefined]
      ] as const) {
        const others = yield* bo(`${call} ${own}`, { body })
        const absent = yield* bo(`${call} /api/me/keys/${unknown}`, { body })
        assert.strictEqual(others.status, 404)
        assert.strictEqual(others.text, absent.text)
        assert.strictEqual((yield* bo(`${call} /api/me/keys/x`, { body })).status, 404)
      }
      assert.strictEqual((yield* ada(`GET ${own}`)).json.name, "desk")
      assert.strictEqual((yield* bo("GET /api/me/keys")).json.items.length, 1)

      assert.isFalse((yield* ada(`DELETE ${own}`)).json.isActive)
      assert.strictEqual((yield* byKey(hub, Redacted.make(made.json.key))("GET /api/me")).status, 401)
    }).pipe(Effect.scoped)
  )

  it.live("is never taken for a user whose name is their id", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const shadow = yield* addUser(hub.ada.user.id).pipe(Effect.provideContext(hub.services))
      const mine = yield* byKey(hub, hub.ada.key)("GET /api/me/keys")
      assert.deepStrictEqual(
        mine.json.items.map(({ id }: any) => id),
        [hub.ada.row.id]
      )
      yield* byKey(hub, hub.ada.key)("PUT /api/me/tokens/NEW_TOKEN", { body: { value: "of-ada" } })
      const theirs = yield* byKey(hub, shadow.key)("GET /api/me/tokens")
      assert.notInclude(theirs.text, "NEW_TOKEN")
    }).pipe(Effect.scoped)
  )

  it.live("A10: sets and removes service tokens, of all their keys or of one, and never reads a value again", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const [ada, bo] = [byKey(hub, hub.ada.key), byKey(hub, hub.bo.key)]
      const secret = "canary-of-ada-value"
      const set = yield* ada("PUT /api/me/tokens/JIRA_TOKEN", { body: { value: secret } })
      assert.strictEqual(set.status, 200, set.text)
      assert.isTrue(set.json.ofUser)
      const bad = yield* ada("PUT /api/me/tokens/JIRA_TOKEN", { body: { value: `${secret}\r\nX: y` } })
      assert.strictEqual(bad.status, 422)
      const wrong = yield* ada("PUT /api/me/tokens/JIRA_TOKEN", { body: { value: [secret] } })
      assert.strictEqual(wrong.status, 400)
      const listed = yield* ada("GET /api/me/tokens")
      assert.deepStrictEqual(
        listed.json.items.map(({ name }: any) => name),
        ["GITHUB_TOKEN", "JIRA_TOKEN"]
      )
      const seen = [set, bad, wrong, listed, yield* ada("GET /api/me/keys"), yield* ada("GET /api/me/audit")]
      assertNone(seen, [secret])

      // Another's key is no place for a token.
      const stolen = `PUT /api/me/tokens/EVIL_TOKEN?key=${hub.ada.row.id}`
      assert.strictEqual((yield* bo(stolen, { body: { value: "x" } })).status, 404)
      assert.strictEqual((yield* bo("DELETE /api/me/tokens/JIRA_TOKEN")).status, 404)
      assertNone([yield* bo("GET /api/me/tokens")], ["JIRA_TOKEN"])
      assert.strictEqual((yield* ada("DELETE /api/me/tokens/JIRA_TOKEN")).status, 200)
      assert.strictEqual((yield* ada("DELETE /api/me/tokens/JIRA_TOKEN")).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("sees, cancels and ends what is theirs; another's session and request are as unknown as none", () =>
    Effect.gen(function* () {
      const held: Array<ScriptedCall> = []
      const upstream = yield* ScriptedHttpUpstream.make({ tools: { hang: (call) => void held.push(call) } })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = [yield* byCookie(hub, hub.ada.user.id), byKey(hub, hub.bo.key)]
      const [client] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const call = yield* Effect.forkChild(Effect.flip(client.callTool("files-hang", { secret: "canary-argument" })))
      yield* upstream.await(({ body }) => body?.method === "tools/call")

      const sessions = yield* ada("GET /api/me/sessions")
      assert.strictEqual(sessions.json.items.length, 1)
      const { sessionId } = sessions.json.items[0]
      const requests = yield* ada("GET /api/me/requests")
      assert.deepStrictEqual(
        requests.json.items.map(({ server, target }: any) => [server, target]),
        [["files", "files-hang"]]
      )
      const { requestId } = requests.json.items[0]
      const detail = yield* ada(`GET /api/me/sessions/${sessionId}`)
      assert.strictEqual(detail.json.requests[0].requestId, requestId)
      // The wire's id opens the session, and an argument may be a secret.
      assertNone([sessions, requests, detail], [client.sessionId, "canary-argument", hub.bo.user.id])

      const others = [
        yield* bo("GET /api/me/requests"),
        yield* bo("GET /api/me/sessions"),
        yield* bo(`GET /api/me/sessions/${sessionId}`),
        yield* bo(`DELETE /api/me/sessions/${sessionId}`),
        yield* bo(`DELETE /api/me/requests/${pathOf(requestId)}`)
      ]
      assert.deepStrictEqual(
        others.map(({ status }) => status),
        [200, 200, 404, 404, 404]
      )
      assertNone(others, [sessionId, requestId, hub.ada.user.id])
      assert.strictEqual((yield* bo(`DELETE /api/me/sessions/${unknown}`)).text, others[3]!.text)
      assert.isUndefined(call.pollUnsafe(), "ada's request still runs")

      const cancelled = yield* ada(`DELETE /api/me/requests/${pathOf(requestId)}`)
      assert.strictEqual(cancelled.status, 200, cancelled.text)
      assert.isAbove((yield* Fiber.join(call)).code, 0)
      assert.strictEqual((yield* ada(`DELETE /api/me/sessions/${sessionId}`)).status, 200)
      assert.strictEqual((yield* Effect.flip(client.toolNames)).status, 404)
      assert.strictEqual((yield* bo("GET /api/me/sessions")).json.items.length, 1)

      const trail = yield* ada("GET /api/me/audit?tool=files-hang")
      assert.deepStrictEqual(
        trail.json.items.map(({ outcome, server }: any) => [outcome, server]),
        [["cancelled", "files"]]
      )
      const changes = (yield* ada("GET /api/me/audit")).json.items.filter(({ kind }: any) => kind === "operation")
      assert.deepStrictEqual(
        changes.map(({ method, target, username }: any) => [method, target, username]),
        [
          ["DELETE /api/me/sessions/:id", sessionId, "ada"],
          ["DELETE /api/me/requests/:id", requestId, "ada"]
        ]
      )
      assertNone([yield* bo("GET /api/me/audit"), yield* bo(`GET /api/me/audit?session=${sessionId}`)], [sessionId])
      const stats = yield* ada("GET /api/me/stats")
      assert.deepStrictEqual([stats.json.username, stats.json.errors], ["ada", 1])
      const kept = yield* ada("GET /api/me/statistics?server=files")
      assert.deepStrictEqual(
        kept.json.rows.map(({ errors, requests, server, tool }: any) => [server, tool, requests, errors]),
        [["files", "hang", 1, 1]]
      )
      assert.deepStrictEqual(kept.json.errorsByKind, { cancelled: 1 })
      const bos = yield* bo("GET /api/me/statistics?server=files")
      assert.deepStrictEqual([bos.json.rows, bos.json.errorsByKind], [[], {}])
      // Whose numbers they are is not for the query to say.
      const foreign = yield* bo(`GET /api/me/statistics?server=files&user=${hub.ada.user.id}&by=hour`)
      assert.deepStrictEqual([foreign.status, foreign.json.errors[0].path], [400, ["query", "user"]])
      assert.deepStrictEqual((yield* bo("GET /api/me/statistics?server=files")).json.rows, [])
    }).pipe(Effect.scoped)
  )

  it.live("reads the trail page by page, newest first, and sees the servers that their groups let them reach", () =>
    Effect.gen(function* () {
      const url = "http://127.0.0.1:9/mcp"
      const hub = yield* TestHub.make({
        servers: {
          open: { url },
          jira: { url, headers: { Authorization: "Bearer ${USER_JIRA_TOKEN}" } },
          hidden: { url, headers: { Authorization: "Bearer canary-of-the-server" } },
          off: { url, enabled: false }
        }
      })
      const [ada, bo] = [byKey(hub, hub.ada.key), byKey(hub, hub.bo.key)]
      yield* Context.get(hub.services, Groups)
        .create({ userId: hub.ada.user.id, name: "work", servers: ["open", "jira"], tools: ["open-read"] })
        .pipe(Effect.orDie)
      const servers = yield* ada("GET /api/me/servers")
      assert.deepStrictEqual(
        servers.json.items.map(({ missing, name, tools }: any) => [name, missing, tools]),
        [
          ["jira", ["JIRA_TOKEN"], ["open-read"]],
          ["open", [], ["open-read"]]
        ]
      )
      assert.strictEqual((yield* bo("GET /api/me/servers")).json.items.length, 3)
      assertNone([yield* bo("GET /api/me/servers"), servers], ["canary-of-the-server"])
      assert.deepStrictEqual(
        (yield* ada("GET /api/me/groups")).json.items.map(({ name }: any) => name),
        ["work"]
      )
      assert.deepStrictEqual((yield* bo("GET /api/me/groups")).json.items, [])

      const client = yield* hub.connect(hub.ada)
      for (let n = 0; n < 4; n++) yield* client.request("ping")
      const seen: Array<number> = []
      let cursor = ""
      for (let page = 0; page < 10; page++) {
        const { json } = yield* ada(`GET /api/me/audit?limit=2${cursor}`)
        seen.push(...json.items.map(({ seq }: any) => seq))
        if (json.next === null) break
        cursor = `&cursor=${json.next}`
      }
      assert.isAtLeast(seen.length, 5)
      assert.deepStrictEqual(
        seen,
        [...new Set(seen)].sort((one, other) => other - one)
      )
      const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
      assert.deepStrictEqual((yield* ada(`GET /api/me/audit?since=${tomorrow}`)).json.items, [])
      for (const query of [
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=!",
        "cursor=eA",
        "since=now",
        "outcome=x",
        "session=x",
        "server=%00"
      ]) {
        assert.strictEqual((yield* ada(`GET /api/me/audit?${query}`)).status, 400, query)
      }
    }).pipe(Effect.scoped)
  )

  it.live("sends a body of the form and size that the API takes, and is told what is wrong", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const ada = byKey(hub, hub.ada.key)
      const keys = "POST /api/me/keys"
      for (const body of ["{", "[]", '{"name":1}', '{"days":"canary"}', '{"days":1.5}', "null"]) {
        const answer = yield* ada(keys, { body })
        assert.strictEqual(answer.status, 400, body)
        assert.strictEqual(answer.json.kind, "Malformed")
        assert.notInclude(answer.text, "canary")
      }
      const large = yield* ada(keys, { body: `{"name":"${"x".repeat(70_000)}"}` })
      assert.strictEqual(large.status, 413)
      const plain = yield* ada(keys, { body: "a=b", headers: { "content-type": "text/plain" } })
      assert.deepStrictEqual([plain.status, plain.json.kind], [415, "NotJson"])
      const thirteenth = yield* ada("GET /api/me/audit?since=2026-13-01")
      assert.strictEqual(thirteenth.status, 400)
      assert.deepStrictEqual(thirteenth.json.errors[0].path, ["query", "since"])
      assert.include(thirteenth.json.detail, "2026-01-31")
      // A member that the contract does not know gives nobody a right.
      const assigned = yield* ada(keys, { body: { name: "n", userId: hub.bo.user.id, isAdmin: true } })
      assert.deepStrictEqual([assigned.status, assigned.json.kind], [400, "Malformed"])
      assert.deepStrictEqual(
        assigned.json.errors.map(({ path }: any) => path),
        [["payload", "userId"]]
      )
      assert.strictEqual((yield* byKey(hub, hub.bo.key)("GET /api/me/keys")).json.items.length, 1)
      assert.isFalse((yield* Effect.orDie(Context.get(hub.services, Users).byId(hub.ada.user.id))).isAdmin)
    }).pipe(Effect.scoped)
  )
})
