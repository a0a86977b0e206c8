/** The REST interface of 2.6.0: a recorded list of its calls with their answers, as two users, an auditor and an admin. */
import { tmpdir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { byKey } from "../../support/ApiViewers.ts"
import { hubWithFile, old, wiki } from "../../support/LegacyHub.ts"

describe("the interface of 2.6.0", () => {
  it.live("keys, tokens and groups answer as recorded, each user's apart", () =>
    Effect.gen(function* () {
      const { ada, admin, bo, hub, people } = yield* hubWithFile
      const listed = yield* ada("GET /api/oauth/keys")
      assert.isFalse(listed.json.isAdminView)
      assert.deepStrictEqual(Object.keys(listed.json.data[0]).sort(), [
        "createdAt",
        "daysUntilExpiry",
        "description",
        "expiresAt",
        "id",
        "isActive",
        "keyValue",
        "lastUsedAt",
        "name",
        "serviceTokens",
        "updatedAt",
        "usageCount",
        "userId"
      ])
      assert.deepInclude(listed.json.data[0], {
        userId: hub.ada.user.id,
        daysUntilExpiry: 90,
        serviceTokens: ["GITHUB_TOKEN"]
      })

      const wrongDays = yield* ada("POST /api/oauth/keys", { body: { expiryDays: 91 } })
      assert.strictEqual(wrongDays.status, 400)
      const made = yield* ada("POST /api/oauth/keys", { body: { expiryDays: "7", name: "ignored" } })
      assert.strictEqual(made.status, 201)
      assert.deepInclude(made.json.data, { name: "MCPHub Key", daysUntilExpiry: 7 })
      assert.match(made.json.data.keyValue, /^mcphub_[0-9a-f]{64}$/)
      assert.strictEqual((yield* ada("POST /api/keys")).status, 400)
      const fresh = byKey(hub, Redacted.make(made.json.data.keyValue))
      assert.strictEqual((yield* fresh("GET /api/auth/me")).json.data.username, "ada")
      const id = made.json.data.id
      const path = `/api/oauth/keys/${id}`

      // Another's key and one that is not there are one answer.
      const calls = [
        ["GET", "", 404],
        ["GET", "/full-value", 404],
        ["GET", "/tokens", 404],
        ["PUT", "/tokens", 400],
        ["POST", "/extend", 400],
        ["DELETE", "", 400]
      ] as const
      for (const [method, rest, status] of calls) {
        const body = method === "GET" ? {} : { body: { GITHUB_TOKEN: "bo-canary" } }
        const others = yield* bo(`${method} ${path}${rest}`, body)
        const unknown = yield* bo(`${method} /api/oauth/keys/00000000-0000-4000-8000-000000000000${rest}`, body)
        assert.deepStrictEqual([others.status, others.json], [status, { success: false, message: "Key not found" }])
        assert.strictEqual(others.text, unknown.text)
      }
      for (const rest of ["", "/full-value"]) assert.strictEqual((yield* ada(`GET ${path}${rest}`)).status, 410)

      const set = yield* ada(`PUT ${path}/tokens`, { body: { JIRA_TOKEN: "ada-canary", SLACK_TOKEN: "ada-canary" } })
      assert.deepStrictEqual(set.json.data.serviceTokenKeys, ["JIRA_TOKEN", "SLACK_TOKEN"])
      const tokens = yield* ada(`GET ${path}/tokens`)
      assert.deepStrictEqual(Object.keys(tokens.json.data.serviceTokens), ["JIRA_TOKEN", "SLACK_TOKEN"])
      assert.notInclude(tokens.text, "canary")
      // What was read comes back and changes nothing; a blank one goes.
      const back = { ...tokens.json.data.serviceTokens, SLACK_TOKEN: "" }
      assert.deepStrictEqual((yield* ada(`PUT ${path}/tokens`, { body: back })).json.data.serviceTokenKeys, [
        "JIRA_TOKEN"
      ])
      for (const bad of [{ A_TOKEN: 7 }, { A_TOKEN: "line\nbreak" }, { "no name": "x" }]) {
        assert.strictEqual((yield* ada(`PUT ${path}/tokens`, { body: bad })).status, 400)
      }
      assert.strictEqual((yield* ada(`POST ${path}/extend`)).json.data.daysUntilExpiry, 90)
      assert.strictEqual((yield* ada(`DELETE ${path}`)).json.success, true)
      assert.strictEqual((yield* fresh("GET /api/auth/me")).status, 401)

      const overview = yield* people.auditor("GET /api/oauth/keys")
      assert.isTrue(overview.json.isAdminView)
      assert.deepStrictEqual(overview.json.data.map(({ user }: any) => user.githubUsername).sort(), ["ada", "bo"])

      assert.deepStrictEqual((yield* ada("GET /api/env-templates")).json.data, { github: ["USER_GITHUB_TOKEN"] })
      const saved = yield* bo("POST /api/user-env-vars", { body: { envVars: { any: { WIKI_TOKEN: "bo-canary" } } } })
      assert.isTrue(saved.json.success)
      assert.deepStrictEqual((yield* bo("GET /api/user-env-vars")).json.data, { github: { GITHUB_TOKEN: "********" } })
      assert.strictEqual((yield* bo("POST /api/user-env-vars", { body: { envVars: 1 } })).status, 400)

      const group = { name: "work", servers: ["wiki"], description: "at work" }
      const mine = { body: { ...group, userId: hub.ada.user.id } }
      const created = yield* admin("POST /api/user/groups", mine)
      assert.deepInclude(created.json.data, { ...group, isActive: true, userId: hub.ada.user.id })
      assert.strictEqual(created.status, 201)
      const at = `/api/user/groups/${created.json.data.id}`
      for (const call of ["PUT ", "DELETE ", "PATCH "]) {
        const path = `${call}/api/user/groups/00000000-0000-4000-8000-000000000000${call === "PATCH " ? "/active" : ""}`
        const unknown = yield* admin(path, { body: { isActive: false, name: "mine" } })
        assert.deepStrictEqual([unknown.status, unknown.json], [404, { error: "Group not found" }])
      }
      assert.deepStrictEqual((yield* bo("GET /api/user/groups")).json.data, [])
      assert.deepStrictEqual(
        (yield* ada("GET /api/servers")).json.data.map(({ name }: any) => name),
        ["wiki"]
      )
      assert.deepStrictEqual(
        (yield* bo("GET /api/servers")).json.data.map(({ name }: any) => name),
        ["github", "wiki"]
      )
      assert.strictEqual((yield* admin(`PUT ${at}`, { body: { servers: ["github"] } })).json.data.servers[0], "github")
      assert.isFalse((yield* admin(`PATCH ${at}/active`, { body: { isActive: false } })).json.data.isActive)
      assert.deepStrictEqual((yield* ada("GET /api/servers")).json.data, [])
      for (const bad of [
        {},
        { name: "x" },
        { name: 1, servers: [] },
        { name: "x", servers: [1] },
        { ...group, userId: 1 }
      ]) {
        const refused = yield* admin("POST /api/user/groups", { body: bad })
        assert.strictEqual(refused.status, 400)
        assert.deepStrictEqual(Object.keys(refused.json), ["error"])
      }
      const removed = yield* admin(`DELETE ${at}`)
      assert.deepStrictEqual([removed.status, removed.text], [204, ""])
    }).pipe(Effect.scoped)
  )

  it.live(
    "servers and settings change by an admin's login alone, checked, whole, and without a secret in an answer",
    () =>
      Effect.gen(function* () {
        const { admin, ada, read } = yield* hubWithFile
        const recorded: ReadonlyArray<readonly [call: string, body: unknown, status: number, message: string]> = [
          ["POST /api/servers", { name: "docs", config: wiki }, 200, "Server added successfully"],
          ["POST /api/servers", { name: "docs", config: wiki }, 400, "Server name already exists"],
          ["POST /api/servers", { name: "", config: wiki }, 400, "Server name is required"],
          ["POST /api/servers", { name: "x" }, 400, "Server configuration is required"],
          ["POST /api/servers", { name: "__proto__", config: wiki }, 400, "mcpServers"],
          ["POST /api/servers", { name: "x", config: { type: "stdio" } }, 400, "A stdio server needs a command"],
          ["PUT /api/servers/docs", { config: { ...wiki, enabled: true } }, 200, "Server updated successfully"],
          ["PUT /api/servers/fresh", { config: wiki }, 200, "Server updated successfully"],
          ["DELETE /api/servers/fresh", undefined, 200, "Server removed successfully"],
          ["DELETE /api/servers/fresh", undefined, 404, "Server not found"],
          ["POST /api/servers/docs/toggle", { enabled: false }, 200, "Server disabled successfully"],
          ["POST /api/servers/docs/toggle", { enabled: "no" }, 400, "Enabled status must be a boolean"],
          ["POST /api/servers/gone/toggle", { enabled: true }, 404, "Server not found"],
          [
            "POST /api/servers/github/tools/github-search/toggle",
            { enabled: true },
            200,
            "Tool github-search enabled successfully"
          ],
          [
            "PUT /api/servers/github/tools/list/description",
            { description: "Lists" },
            200,
            "Tool list description updated successfully"
          ],
          ["PUT /api/system-config", { routing: { skipAuth: true } }, 410, "systemConfig has no effect"],
          ["GET /api/market/tags", undefined, 410, "There is no market"],
          ["GET /api/logs/stream", undefined, 410, "made up"]
        ]
        for (const [call, body, status, message] of recorded) {
          const answer = yield* admin(call, { body })
          assert.strictEqual(answer.status, status, `${call}: ${answer.text}`)
          assert.include(answer.json.message, message, call)
          assert.strictEqual(answer.json.success, status === 200)
        }
        const { mcpServers } = read()
        assert.deepStrictEqual(Object.keys(mcpServers), ["github", "wiki", "old", "docs"])
        // A custom description stays.
        assert.deepStrictEqual(mcpServers.github.tools, {
          search: { enabled: true, description: "Finds" },
          list: { description: "Lists" }
        })
        const servers = yield* ada("GET /api/servers")
        assert.notInclude(servers.text, "127.0.0.1")
        assert.deepInclude(servers.json.data[0], { name: "github", status: "disconnected", error: null, enabled: true })
        assert.strictEqual(servers.json.data[0].tools[0].name, "github-search")

        const whole = yield* admin("GET /api/admin/settings-file")
        assert.notInclude(whole.text, "canary")
        assert.strictEqual(whole.json.data.mcpServers.github.headers.Authorization, "Bearer ${USER_GITHUB_TOKEN}")
        const settings = whole.json.data
        settings.mcpServers.docs.headers = { "X-New": "new-canary" }
        const put = yield* admin("PUT /api/admin/settings-file", { body: { settings } })
        assert.strictEqual(put.json.message, "Settings file updated successfully")
        const after = read()
        assert.strictEqual(after.mcpServers.github.headers["X-Fixed"], "settings-canary")
        assert.strictEqual(after.mcpServers.docs.headers["X-New"], "new-canary")
        assert.strictEqual(after.mcpServers.old.url, old.url)
        assert.strictEqual(after.systemConfig.routing.bearerAuthKey, "system-canary")
        for (const bad of [{}, { settings: { mcpServers: [] } }, { settings: { mcpServers: { x: {} } } }]) {
          const refused = yield* admin("PUT /api/admin/settings-file", { body: bad })
          assert.strictEqual(refused.status, 400)
          assert.notInclude(refused.text, tmpdir())
        }
        const large = yield* admin("PUT /api/admin/settings-file", { body: `{"a":"${"x".repeat(1_100_000)}"}` })
        assert.strictEqual(large.status, 413)
        assert.deepStrictEqual(read(), after)
      }).pipe(Effect.scoped)
  )

  it.live("defect 30: figures are real, and the last admin stays", () =>
    Effect.gen(function* () {
      const { admin, hub, people, ada } = yield* hubWithFile
      const stats = (yield* admin("GET /api/admin/stats")).json.data
      assert.deepStrictEqual(stats, {
        totalUsers: 4,
        activeUsers: 4,
        totalServers: 3,
        activeServers: 0,
        totalKeys: 2,
        activeKeys: 2,
        todayLogs: 0,
        systemStatus: "healthy"
      })
      const users = (yield* admin("GET /api/admin/users")).json.data
      assert.deepStrictEqual(users.map(({ githubUsername }: any) => githubUsername).sort(), [
        "ada",
        "alan",
        "bo",
        "grace"
      ])
      const long = (yield* admin("GET /api/admin/users/list")).json.data
      assert.strictEqual(long.find(({ username }: any) => username === "ada").keyCount, 1)
      const activities = (yield* admin("GET /api/admin/activities")).json.data
      assert.deepStrictEqual(
        activities.map(({ type }: any) => type),
        ["user", "user", "user", "key", "key", "info"]
      )
      assert.strictEqual(activities[5].userId, "grace")
      const userKeys = (yield* admin("GET /api/admin/user-keys")).json.data
      assert.deepStrictEqual(userKeys.map(({ hasKey, username }: any) => [username, hasKey]).sort(), [
        ["ada", true],
        ["alan", false],
        ["bo", true],
        ["grace", false]
      ])
      const at = (id: string, rest: string) => `/api/admin/users/${id}${rest}`
      const recorded = [
        [`PUT ${at(hub.ada.user.id, "/admin")}`, { isAdmin: true }, 200],
        [`DELETE ${at(hub.ada.user.id, "")}`, undefined, 400],
        [`PUT ${at(hub.ada.user.id, "/admin")}`, { isAdmin: false }, 200],
        [`PUT ${at(people.adminUser.id, "/admin")}`, { isAdmin: false }, 400],
        [`PUT ${at(people.adminUser.id, "/active")}`, { isActive: false }, 400],
        [`PUT ${at(hub.ada.user.id, "/active")}`, { isActive: "no" }, 400],
        [`PUT ${at("00000000-0000-4000-8000-000000000000", "/active")}`, { isActive: true }, 404],
        [`DELETE ${at(hub.ada.user.id, "")}`, undefined, 200]
      ] as const
      for (const [call, body, status] of recorded) {
        assert.strictEqual((yield* admin(call, { body })).status, status, call)
      }
      assert.strictEqual((yield* ada("GET /api/auth/me")).status, 401)
      assert.strictEqual((yield* byKey(hub, hub.bo.key)("GET /api/auth/me")).status, 200)
      const after = (yield* admin("GET /api/admin/stats")).json.data
      assert.deepInclude(after, { totalUsers: 4, activeUsers: 3 })
    }).pipe(Effect.scoped)
  )
})
