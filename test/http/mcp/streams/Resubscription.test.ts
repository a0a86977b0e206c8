/** What a client has subscribed to, when the connection to its server is another one than before. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"

describe("a subscription", () => {
  it.live("is made again where a server has forgotten its session, for its own user alone", () =>
    Effect.gen(function* () {
      const capabilities = { tools: {}, resources: { subscribe: true } }
      // Its sessions are the test's, which forgets them.
      const upstream = yield* ScriptedHttpUpstream.make({
        sessions: false,
        methods: {
          "resources/list": (call) => call.result({ resources: [{ uri: "note://a", name: "a" }] }),
          "resources/templates/list": (call) => call.result({ resourceTemplates: [] }),
          "resources/subscribe": (call) => call.result({})
        }
      })
      const hub = yield* TestHub.make({ servers: { notes: { url: upstream.url } } })
      let opened = 0
      const known = new Set<string>()
      upstream.script("initialize", (call) => {
        const id = `session-${++opened}`
        known.add(id)
        call.response.setHeader("mcp-session-id", id)
        call.result({ protocolVersion: "2025-11-25", capabilities, serverInfo: { name: "notes", version: "1" } })
      })
      upstream.script("notifications/initialized", (call) => call.status(202))
      upstream.script("tools/call", (call) => {
        const id = String(call.received.headers["mcp-session-id"])
        return known.has(id) ? call.content({ id }) : call.status(404)
      })
      upstream.script("tools/list", (call) => call.result({ tools: [{ name: "t", inputSchema: { type: "object" } }] }))
      const ada = yield* hub.connect(hub.ada)
      const bo = yield* hub.connect(hub.bo)
      yield* ada.request("resources/subscribe", { uri: "note://a" })
      yield* bo.callTool("notes-t")
      known.clear()
      yield* Effect.all([ada.callTool("notes-t"), bo.callTool("notes-t")], { concurrency: 2 })
      const subscribed = upstream.calls("resources/subscribe").map(({ headers }) => headers["x-mcphub-user-id"])
      assert.deepStrictEqual(subscribed, [hub.ada.user.id, hub.ada.user.id])
    })
  )

  it.live("is made again where a server of 2026-07-28 was connected to anew", () =>
    Effect.gen(function* () {
      const upstream = yield* StatelessUpstream.make({ tools: { t: (call) => call.content({}) } })
      const notes = { url: upstream.url }
      const hub = yield* TestHub.make({ servers: { notes } })
      const ada = yield* hub.connect(hub.ada)
      const bo = yield* hub.connect(hub.bo)
      yield* ada.request("resources/subscribe", { uri: "note://a" })
      yield* bo.callTool("notes-t")
      const listens = () => upstream.calls("subscriptions/listen").length
      const before = listens()
      const stream = yield* ada.stream
      yield* hub.setSettings({ mcpServers: { notes: { ...notes, headers: { "x-plan": "new" } } } })
      // The lists are announced as changed once the old connection has ended.
      yield* stream.next
      yield* Effect.all([ada.callTool("notes-t"), bo.callTool("notes-t")], { concurrency: 2 })
      assert.isAbove(listens(), before)
      const last = upstream.calls("subscriptions/listen").filter(({ headers }) => headers["x-plan"] === "new")
      const wanted = last.map(({ body, headers }) => [
        headers["x-mcphub-user-id"],
        (body!.params!["notifications"] as { readonly resourceSubscriptions?: unknown }).resourceSubscriptions
      ])
      assert.deepInclude(wanted, [hub.ada.user.id, ["note://a"]])
      assert.isFalse(wanted.some(([user, uris]) => user === hub.bo.user.id && uris !== undefined))
    })
  )
})
