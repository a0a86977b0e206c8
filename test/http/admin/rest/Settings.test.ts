import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Path } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { SettingsFile } from "../../../../src/domain/settings/SettingsFile.ts"
import { byKey, operators } from "../../support/ApiViewers.ts"

const secrets = [
  "canary-header",
  "canary-env",
  "canary-query",
  "canary-password",
  "canary-arg",
  "canary-default",
  "Zk3canary0000random9999x"
]

const secretive = {
  web: {
    url: "https://me:canary-password@example.com/Zk3canary0000random9999x/mcp?api=canary-query&plain=${USER_X}",
    headers: { Authorization: "Bearer ${USER_X}", "X-Any": "canary-header", "X-Default": "${X:-canary-default}" }
  },
  local: {
    command: "npx",
    args: [
      "-y",
      "server@1.2.3",
      "--token",
      "canary-arg",
      "--api-key=canary-arg",
      "--port=80",
      "--header",
      "Authorization: Bearer canary-arg"
    ],
    env: { HOME_OF: "canary-env" }
  }
}

describe("servers and settings over the admin API", () => {
  it.live("are shown without secrets, and keep them when a mask is sent back", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: secretive })
      const { admin, auditor } = yield* operators(hub)
      const shown = yield* auditor("GET /api/admin/settings")
      assert.strictEqual(shown.status, 200, shown.text)
      const answers = [shown]
      for (const name of ["web", "local"]) answers.push(yield* auditor(`GET /api/admin/servers/${name}`))
      answers.push(yield* auditor("GET /api/admin/servers"))
      for (const { text } of answers) for (const secret of secrets) assert.notInclude(text, secret)
      const { web } = shown.json.settings.mcpServers
      assert.strictEqual(web.headers.Authorization, "Bearer ${USER_X}")
      assert.strictEqual(web.url, "https://********@example.com/********/mcp?api=********&plain=${USER_X}")
      assert.deepStrictEqual(shown.json.settings.mcpServers.local.args, [
        "-y",
        "server@1.2.3",
        "--token",
        "********",
        "--api-key=********",
        "--port=80",
        "--header",
        "Authorization: ********"
      ])
      const etag = shown.headers["etag"]!
      const settings = structuredClone(shown.json.settings)
      settings.mcpServers.web.enabled = false
      const written = yield* admin("PUT /api/admin/settings", { body: { settings }, headers: { "if-match": etag } })
      assert.strictEqual(written.status, 200, written.text)
      const now = hub.settings()
      assert.deepStrictEqual({ ...now.mcpServers }, { ...secretive, web: { ...secretive.web, enabled: false } })

      // A mask where nothing was is no value, and neither is one that was moved.
      const tag = { "if-match": written.headers["etag"]! }
      for (const change of [
        (all: any) => (all.mcpServers.web.headers["X-New"] = "********"),
        (all: any) => (all.mcpServers.other = all.mcpServers.web),
        (all: any) => (all.mcpServers.web.url = "https://evil.example/?api=********"),
        (all: any) => (all.mcpServers.web.url = "https://evil.example/"),
        (all: any) => (all.mcpServers.web.headers["X-Any"] = "x ********"),
        (all: any) => (all.mcpServers.local.args[2] = "--name"),
        (all: any) => (all.mcpServers.local.command = "echo")
      ]) {
        const moved = structuredClone(settings)
        change(moved)
        const answer = yield* admin("PUT /api/admin/settings", { body: { settings: moved }, headers: tag })
        assert.deepStrictEqual([answer.status, answer.json.kind], [422, "SettingsInvalid"], answer.text)
        assert.include(answer.json.detail, "mask")
        assert.notInclude(answer.text, "canary")
      }
      // Settings are 100 levels deep at most; a body of any depth is read.
      for (const depth of [101, 3000, 30_000]) {
        const z = "[".repeat(depth) + "]".repeat(depth)
        for (const [call, body, headers] of [
          ["PUT /api/admin/settings", `{"settings":{"mcpServers":{},"z":${z}}}`, tag],
          ["PUT /api/admin/servers/web", `{"config":{"url":"https://h","z":${z}}}`, { "if-match": "*" }],
          ["POST /api/admin/servers", `{"name":"deep","config":{"url":"https://h","z":${z}}}`, {}]
        ] as const) {
          const refused = yield* admin(call, { body, headers })
          assert.deepStrictEqual([refused.status, refused.json?.kind], [422, "SettingsInvalid"], refused.text)
          assert.include(refused.json.detail, "z[0][0][0]")
          assert.include(refused.json.detail, "nested deeper than 100 levels; flatten it, or remove it")
        }
      }
      assert.deepStrictEqual(hub.settings(), now)
    }).pipe(Effect.scoped)
  )

  it.live(
    "defect 13: are added, changed, switched, tested and removed by an admin who has signed in, and by nobody else",
    () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make()
        const hub = yield* TestHub.make({ servers: { old: { url: upstream.url } } })
        const { admin, auditor } = yield* operators(hub)
        const [ada, bo] = [byKey(hub, hub.ada.key), byKey(hub, hub.bo.key)]
        const config = { command: "node", args: ["-e", "evil()"] }
        const calls: ReadonlyArray<readonly [string, unknown]> = [
          ["POST /api/admin/servers", { name: "new", config }],
          ["PUT /api/admin/servers/old", { config }],
          ["DELETE /api/admin/servers/old", undefined],
          ["POST /api/admin/servers/old/toggle?enabled=false", undefined],
          ["POST /api/admin/servers/old/test", undefined],
          ["POST /api/admin/servers/old/restart", undefined],
          ["PATCH /api/admin/servers/old/tools/echo", { enabled: false }],
          ["PUT /api/admin/settings", { settings: { mcpServers: {} } }]
        ]
        for (const [call, body] of calls) {
          for (const ask of [ada, bo, auditor]) {
            const answer = yield* ask(call, { body, headers: { "if-match": "*" } })
            assert.strictEqual(answer.status, 403, call)
          }
        }
        assert.deepStrictEqual({ ...hub.settings().mcpServers }, { old: { url: upstream.url } })
        assert.deepStrictEqual(upstream.received, [])

        const added = yield* admin("POST /api/admin/servers", { body: { name: "new", config: { url: upstream.url } } })
        assert.strictEqual(added.status, 201, added.text)
        const again = yield* admin("POST /api/admin/servers", { body: { name: "new", config } })
        assert.deepStrictEqual([again.status, again.json.kind], [409, "ServerNameTaken"])
        for (const body of [
          { name: "a b", config },
          { name: "__proto__", config },
          { name: "x", config: { command: 1 } },
          { name: "x", config: {} },
          { name: "x", config: null }
        ]) {
          assert.strictEqual((yield* admin("POST /api/admin/servers", { body })).status, 422, JSON.stringify(body))
        }
        const tested = yield* admin("POST /api/admin/servers/new/test")
        assert.strictEqual(tested.json.outcome, "ok", tested.text)
        const client = yield* hub.connect(hub.ada)
        assert.include(yield* client.toolNames, "new-echo")

        const off = yield* admin("PATCH /api/admin/servers/new/tools/echo", {
          body: { enabled: false, description: "says it again" }
        })
        assert.deepStrictEqual(off.json.config.tools, { echo: { enabled: false, description: "says it again" } })
        assert.notInclude(yield* (yield* hub.connect(hub.ada)).toolNames, "new-echo")
        const on = yield* admin("PATCH /api/admin/servers/new/tools/echo", {
          body: { enabled: true, description: null }
        })
        assert.deepStrictEqual(on.json.config.tools, { echo: { enabled: true } })

        const put = "PUT /api/admin/servers/new"
        assert.strictEqual((yield* admin(put, { body: { config } })).status, 428)
        const late = yield* admin(put, { body: { config }, headers: { "if-match": added.headers["etag"]! } })
        assert.deepStrictEqual([late.status, late.json.kind], [412, "Stale"])
        const changed = yield* admin(put, {
          body: { config: { url: upstream.url, isolation: "user" } },
          headers: { "if-match": on.headers["etag"]! }
        })
        assert.strictEqual(changed.json.config.isolation, "user")
        assert.isFalse((yield* admin("POST /api/admin/servers/new/toggle?enabled=false")).json.config.enabled)
        const shown = yield* admin("POST /api/admin/servers/new/toggle?enabled=true")
        assert.isTrue(shown.json.config.enabled)
        assert.strictEqual((yield* admin("POST /api/admin/servers/new/restart")).json.name, "new")
        assert.strictEqual((yield* admin("POST /api/admin/servers/nope/restart")).status, 404)
        const removed = yield* admin("DELETE /api/admin/servers/new", {
          headers: { "if-match": shown.headers["etag"]! }
        })
        assert.strictEqual(removed.status, 200)
        assert.strictEqual((yield* admin("GET /api/admin/servers/new")).status, 404)
        const trail = yield* admin("GET /api/admin/audit?server=new")
        const made = trail.json.items.filter(({ kind }: any) => kind === "operation")
        assert.strictEqual(made[0].method, "DELETE /api/admin/servers/:server")
        assert.strictEqual(made[0].username, "grace")
      }).pipe(Effect.scoped)
  )

  it.live("that are edited in the file and over the API at once lose neither", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const folder = yield* files.makeTempDirectoryScoped({ prefix: "mcphub-rest-" })
      const file = path.join(folder, "mcp_settings.json")
      const write = (document: unknown) =>
        files.writeFileString(file, typeof document === "string" ? document : JSON.stringify(document))
      const read = Effect.map(files.readFileString(file), (text) => JSON.parse(text) as any)
      const url = "http://127.0.0.1:9/mcp"
      yield* write({ mcpServers: { one: { url } }, $comment: "kept" })
      // It never looks by itself.
      const hub = yield* TestHub.make({ replace: SettingsFile.layer({ path: file, interval: "1 hour" }) as any })
      const { admin } = yield* operators(hub)
      const seen = yield* admin("GET /api/admin/settings")
      const one = yield* admin("GET /api/admin/servers/one")
      assert.strictEqual(one.status, 200, one.text)

      yield* write({ mcpServers: { one: { url, enabled: false }, disk: { url } } })
      const settings = { mcpServers: { api: { url } } }
      const late = yield* admin("PUT /api/admin/settings", {
        body: { settings },
        headers: { "if-match": seen.headers["etag"]! }
      })
      assert.deepStrictEqual([late.status, late.json.kind], [412, "Stale"])
      const config = { url, isolation: "user" }
      const lateOne = yield* admin("PUT /api/admin/servers/one", {
        body: { config },
        headers: { "if-match": one.headers["etag"]! }
      })
      assert.strictEqual(lateOne.status, 412)
      // What does not touch it goes beside it.
      assert.strictEqual(
        (yield* admin("POST /api/admin/servers", { body: { name: "api", config: { url } } })).status,
        201
      )
      assert.deepStrictEqual(Object.keys((yield* read).mcpServers).sort(), ["api", "disk", "one"])
      assert.isFalse((yield* read).mcpServers.one.enabled)

      for (const half of ['{"mcpServers": {"half', '{"mcpServers": {"bad": {}}}']) {
        yield* write(half)
        const refused = yield* admin("POST /api/admin/servers", { body: { name: "b", config: { url } } })
        assert.deepStrictEqual([refused.status, refused.json.kind], [409, "SettingsUnsettled"], refused.text)
        assert.strictEqual(yield* files.readFileString(file), half)
        // Now the hub has read and rejected this text, and still it is not the hub's to write over.
        for (const [call, body] of [
          ["POST /api/admin/servers/one/toggle?enabled=true", undefined],
          ["PUT /api/admin/settings", { settings }]
        ] as const) {
          const again = yield* admin(call, { body, headers: { "if-match": "*" } })
          assert.deepStrictEqual([again.status, again.json.kind], [409, "SettingsUnsettled"], again.text)
          assert.strictEqual(yield* files.readFileString(file), half)
        }
      }
      assert.property((yield* admin("GET /api/admin/settings")).json.settings.mcpServers, "disk")
      yield* write({ mcpServers: { only: { url } } })
      const { headers } = yield* admin("POST /api/admin/servers/only/toggle?enabled=false")
      const same = { headers: { "if-match": headers["etag"]! }, body: { config } }
      const both = yield* Effect.all(
        [admin("PUT /api/admin/servers/only", same), admin("PUT /api/admin/servers/only", same)],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(both.map(({ status }) => status).sort(), [200, 412])
      assert.deepStrictEqual(yield* files.readDirectory(folder), ["mcp_settings.json"])
      const large = yield* admin("PUT /api/admin/settings", {
        headers: { "if-match": "*" },
        body: { settings: { mcpServers: {}, note: "x".repeat(1_100_000) } }
      })
      assert.strictEqual(large.status, 413)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
