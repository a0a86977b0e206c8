import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Users } from "../../../../src/domain/identity/Users.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { byKey, operators } from "../../support/ApiViewers.ts"

const any = { "if-match": "*" }

describe("names that the admin API does not know", () => {
  it.live("are refused with those that it knows, and nothing is done: not in bodies, not in queries", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, enabled: false } } })
      const { admin, adminUser } = yield* operators(hub)
      const [ada, bo] = [byKey(hub, hub.ada.key), byKey(hub, hub.bo.key)]
      yield* Effect.orDie(Context.get(hub.services, Users).setAdmin(hub.ada.user.id, true))
      const adas = `/api/users/${hub.ada.user.id}`
      const files = "/api/admin/servers/files"
      const before = yield* admin(`GET ${adas}`)

      const refused: ReadonlyArray<readonly [string, unknown, string, string]> = [
        [`PATCH ${adas}`, { admin: false }, "payload.admin", "isAdmin"],
        [`PATCH ${adas}`, { isactive: false }, "payload.isactive", "isActive"],
        [`PATCH ${adas}`, { isAdmin: null }, "payload.isAdmin", "boolean"],
        ["POST /api/users", { username: "eve", roles: "user" }, "payload.roles", "role"],
        [`POST ${adas}/groups`, { name: "g", servers: ["files"], tool: ["a"] }, "payload.tool", "tools"],
        [`POST ${files}/toggle?enable=false`, undefined, "query.enable", "enabled"],
        [`POST ${files}/restart?usr=${adminUser.id}`, undefined, "query.usr", "user"],
        [`POST ${files}/restart`, { user: adminUser.id }, "payload", "nothing"],
        [`POST ${files}/test?key=x`, undefined, "query.key", "nothing"],
        ["GET /api/admin/audit?sinse=2026-11-01", undefined, "query.sinse", "since"],
        ["GET /api/admin/statistics?usr=x", undefined, "query.usr", "user"],
        ["GET /api/me?user=x", undefined, "query.user", "nothing"]
      ]
      for (const [call, body, place, known] of refused) {
        const answer = yield* admin(call, { body, headers: any })
        assert.deepStrictEqual([answer.status, answer.json.kind], [400, "Malformed"], `${call} ${answer.text}`)
        assert.include(answer.json.detail, place, call)
        assert.include(answer.json.errors[0].message, known, call)
      }
      const own = yield* bo("POST /api/me/keys", { body: { name: "brief", expiresAt: "2026-12-01" } })
      assert.deepStrictEqual([own.status, own.json.errors[0].path], [400, ["payload", "expiresAt"]])
      assert.include(own.json.errors[0].message, "days")

      assert.deepStrictEqual((yield* admin(`GET ${adas}`)).json, before.json)
      assert.deepStrictEqual((yield* ada("GET /api/me/groups")).json.items, [])
      assert.strictEqual((yield* bo("GET /api/me/keys")).json.items.length, 1)
      assert.deepStrictEqual({ ...hub.settings().mcpServers }, { files: { url: upstream.url, enabled: false } })
      const trail = yield* admin("GET /api/admin/audit")
      assert.deepStrictEqual(
        trail.json.items.filter(({ kind }: any) => kind === "operation"),
        []
      )
    }).pipe(Effect.scoped)
  )

  it.live("a switch says which way, and a server that is off stays off until then", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { files: { url: "http://127.0.0.1:9/mcp" } } })
      const { admin } = yield* operators(hub)
      const toggle = "POST /api/admin/servers/files/toggle"
      const unsaid = yield* admin(toggle)
      assert.deepStrictEqual([unsaid.status, unsaid.json.errors[0].path], [400, ["query", "enabled"]])
      assert.isUndefined(hub.settings().mcpServers["files"]!.enabled)
      for (const _ of [1, 2]) {
        assert.isFalse((yield* admin(`${toggle}?enabled=false`)).json.config.enabled)
      }
      assert.isTrue((yield* admin(`${toggle}?enabled=true`, { body: {} })).json.config.enabled)
    }).pipe(Effect.scoped)
  )

  it.live("a group's tools are opened by `allTools` alone, never by null or by silence", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { files: { url: "http://127.0.0.1:9/mcp" } } })
      const { admin } = yield* operators(hub)
      const made = yield* admin(`POST /api/users/${hub.ada.user.id}/groups`, {
        body: { name: "work", servers: ["files"], tools: ["files-a"] }
      })
      const change = (body: unknown) =>
        admin(`PATCH /api/users/${hub.ada.user.id}/groups/${made.json.id}`, { body, headers: any })
      assert.strictEqual(made.status, 201, made.text)
      const nulls = yield* change({ tools: null })
      assert.deepStrictEqual([nulls.status, nulls.json.errors?.[0].path], [400, ["payload", "tools"]], nulls.text)
      assert.strictEqual((yield* change({ allTools: false })).status, 400)
      assert.strictEqual((yield* change({ allTools: true, tools: ["files-b"] })).status, 422)
      assert.deepStrictEqual((yield* change({ name: "play" })).json.tools, ["files-a"])
      const seen = [byKey(hub, hub.ada.key), byKey(hub, hub.bo.key)].map((ask) => ask("GET /api/me/groups"))
      const [adas, bos] = yield* Effect.all(seen)
      assert.deepStrictEqual([adas!.json.items[0].tools, bos!.json.items], [["files-a"], []])
      assert.isNull((yield* change({ allTools: true })).json.tools)
    }).pipe(Effect.scoped)
  )
})
