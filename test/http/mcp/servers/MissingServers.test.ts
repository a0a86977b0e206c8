import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Queue, Redacted } from "effect"
import { UpstreamHealth } from "../../../../src/actors/upstream/guards/UpstreamHealth.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { ask } from "../../support/StatelessClient.ts"

/** Listens nowhere. */
const dead = { url: "http://127.0.0.1:1/mcp" }

const server = (...tools: ReadonlyArray<string>) =>
  ScriptedHttpUpstream.make({
    tools: Object.fromEntries(tools.map((tool) => [tool, (call) => call.content({ name: tool })])),
    methods: {
      "tools/list": (call) => call.result({ tools: tools.map((name) => ({ name, inputSchema: { type: "object" } })) })
    }
  })

const named = (listed: any): ReadonlyArray<string> => listed.tools.map(({ name }: { readonly name: string }) => name)

describe("a list of which servers are missing", () => {
  it.live(
    "field B2: lists a tool that says which, why and since when, tells a client that listens, and the next one at its start",
    () =>
      Effect.gen(function* () {
        const one = yield* server("read")
        const needing = yield* server("search")
        const hub = yield* TestHub.make({
          servers: {
            files: { url: one.url },
            gone: dead,
            github: { url: needing.url, headers: { authorization: "Bearer ${USER_FORGE_TOKEN}" } }
          }
        })
        const keys = Context.get(hub.services, HubKeys)
        yield* keys.setTokens({ keyId: hub.bo.row.id }, { FORGE_TOKEN: Redacted.make("canary-bo-forge") })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        assert.notProperty(ada.welcome, "instructions")
        const stream = yield* ada.stream
        const before = Date.now()
        const listed: any = yield* ada.request("tools/list")
        assert.deepStrictEqual([...named(listed)].sort(), ["files-read", "mcphub_status"])
        const missing = new Map<string, any>(listed._meta["mcphub/missing"].map((entry: any) => [entry.server, entry]))
        assert.deepStrictEqual([...missing.keys()].sort(), ["github", "gone"])
        assert.strictEqual(missing.get("gone").why, "refused")
        assert.strictEqual(missing.get("github").why, "credential_missing")
        assert.isAtLeast(Date.parse(missing.get("gone").since), before - 1_000)

        const told: any = yield* stream.next
        assert.deepInclude(told, { method: "notifications/message" })
        assert.deepInclude(told.params, { level: "warning", logger: "mcphub" })
        assert.include(told.params.data, "gone (refused)")
        assert.include(told.params.data, "github (credential_missing)")

        const status: any = yield* ada.request("tools/call", { name: "mcphub_status", arguments: {} })
        assert.deepStrictEqual(
          status.structuredContent.missing.map((entry: any) => [entry.server, entry.why, entry.since]).sort(),
          [...missing.values()].map((entry) => [entry.server, entry.why, entry.since]).sort()
        )
        assert.include(status.content[0].text, "FORGE_TOKEN")

        // Words are the same elsewhere, and bo lacks what bo lacks.
        const health = yield* Context.get(hub.services, UpstreamHealth).status
        assert.deepInclude(
          health.find(({ name }) => name === "gone"),
          { state: "failed", why: "refused" }
        )
        assert.notProperty(bo.welcome, "instructions")
        const ofBo: any = yield* bo.request("tools/list")
        assert.deepStrictEqual(
          ofBo._meta["mcphub/missing"].map((entry: any) => entry.server),
          ["gone"]
        )
        assert.notInclude(JSON.stringify([status, ofBo]), "canary")
        const next = yield* hub.connect(hub.ada)
        assert.include(String(next.welcome["instructions"]), "github (credential_missing)")
        assert.include(String(next.welcome["instructions"]), "mcphub_status")
        assert.notInclude(String((yield* hub.connect(hub.bo)).welcome["instructions"]), "github")
      })
  )

  it.live(
    "field B2: lists no such tool where all are there, where it is switched off, or where a server has one of its name",
    () =>
      Effect.gen(function* () {
        const one = yield* server("read")
        const own = yield* server("status")
        const all = yield* TestHub.make({ servers: { files: { url: one.url } } })
        const [ada, bo] = yield* Effect.all([all.connect(all.ada), all.connect(all.bo)])
        assert.deepStrictEqual(yield* ada.toolNames, ["files-read"])
        const status: any = yield* bo.request("tools/call", { name: "mcphub_status" })
        assert.deepStrictEqual(status.structuredContent, { missing: [] })

        const servers = { files: { url: one.url }, mcphub: { url: own.url }, gone: dead }
        const off = yield* TestHub.make({ servers, config: { statusTool: false } })
        const without = yield* off.connect(off.ada)
        assert.deepStrictEqual(yield* without.toolNames, ["files-read", "mcphub-status"])
        assert.strictEqual((yield* Effect.flip(without.callTool("mcphub_status"))).code, -32602)

        const taken = yield* TestHub.make({ servers, config: { nameSeparator: "_" } })
        const client = yield* taken.connect(taken.ada)
        assert.deepStrictEqual(yield* client.toolNames, ["files_read", "mcphub_status"])
        assert.deepStrictEqual(yield* client.callTool("mcphub_status"), { name: "status" })
      })
  )

  it.live(
    "field B2: is a list with a word, and no error, where all servers may yet answer, and is announced when they do",
    () =>
      Effect.gen(function* () {
        const held = yield* Queue.unbounded<ScriptedCall>()
        const slow = yield* ScriptedHttpUpstream.make({
          methods: { "tools/list": (call) => void Queue.offerUnsafe(held, call) }
        })
        const hub = yield* TestHub.make({ servers: { files: { url: slow.url } }, config: { listTimeout: 100 } })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const stream = yield* ada.stream
        const calls: Array<ScriptedCall> = []
        for (const client of [ada, bo]) {
          const listed: any = yield* client.request("tools/list")
          assert.deepStrictEqual(named(listed), ["mcphub_status"])
          assert.deepInclude(listed._meta["mcphub/missing"][0], { server: "files", why: "timeout" })
          calls.push(yield* Queue.take(held))
        }
        const direct = yield* hub.connect(hub.ada, { path: "/mcp/files" })
        assert.deepInclude((yield* Effect.flip(direct.request("tools/list"))).data as object, {
          kind: "nothing_reachable"
        })
        calls[0]!.result({ tools: [{ name: "adas", inputSchema: { type: "object" } }] })
        let told: any
        do told = yield* stream.next
        while (told.method !== "notifications/tools/list_changed")
        assert.deepStrictEqual(yield* ada.toolNames, ["files-adas"])
        assert.deepStrictEqual(named(yield* bo.request("tools/list")), ["mcphub_status"])
      })
  )

  it.live("field B2: is an error with every reason where nothing can be reached, in every revision", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { gone: dead, away: dead } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const client of [ada, bo]) {
        for (const method of ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]) {
          const error = yield* Effect.flip(client.request(method))
          assert.strictEqual(error.code, 1503)
          assert.include(error.message, "gone (refused")
          assert.include(error.message, "away (refused")
          const data = error.data as any
          assert.deepInclude(data, { kind: "nothing_reachable", retryable: true, origin: "hub" })
          assert.deepStrictEqual(data.missing.map((entry: any) => entry.server).sort(), ["away", "gone"])
        }
      }
      for (const user of [hub.ada, hub.bo]) {
        const { error } = yield* ask(hub.http, user, "tools/list")
        assert.deepInclude(error.data, { kind: "nothing_reachable" })
      }
      const instructions = String((yield* hub.connect(hub.ada)).welcome["instructions"])
      assert.match(instructions, /gone \((refused|backoff)\)/)
      assert.notInclude(instructions, "mcphub_status", "a tool that no list has")
      const single = yield* hub.connect(hub.ada, { path: "/mcp/gone" })
      assert.include(String(single.welcome["instructions"]), "refused")
      assert.strictEqual((yield* Effect.flip(single.request("tools/list"))).code, 1503)
    })
  )
})
