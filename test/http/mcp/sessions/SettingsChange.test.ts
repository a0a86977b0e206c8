import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

const start = Effect.gen(function* () {
  const { hold, upstream: files } = yield* holdingUpstream()
  const mail = yield* ScriptedHttpUpstream.make({ tools: { send: (call) => call.content({ sent: true }) } })
  const hub = yield* TestHub.make({ servers: { files: { url: files.url } } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { hold, files, mail, hub, ada, bo }
})

const changed = { method: "notifications/tools/list_changed" }

describe("a change of the settings while sessions are open", () => {
  it.live("B33: a new server is announced to every session and can be called at once", () =>
    Effect.gen(function* () {
      const { ada, bo, files, hub, mail } = yield* start
      const streams = yield* Effect.all([ada.stream, bo.stream])
      for (const client of [ada, bo]) assert.notInclude(yield* client.toolNames, "mail-send")
      yield* hub.setSettings({ mcpServers: { files: { url: files.url }, mail: { url: mail.url } } })
      for (const stream of streams) assert.deepInclude(yield* stream.next, changed)
      for (const client of [ada, bo]) {
        assert.include(yield* client.toolNames, "mail-send")
        assert.deepStrictEqual(yield* client.callTool("mail-send"), { sent: true })
      }
      // What did not change stays connected.
      assert.strictEqual(files.calls("initialize").length, 2)
    })
  )

  it.live("B33: a removed server's calls get a typed error, its connection ends and its tools are unknown", () =>
    Effect.gen(function* () {
      const { ada, bo, files, hold, hub, mail } = yield* start
      const stream = yield* ada.stream
      yield* bo.callTool("files-echo")
      const running = yield* hold(ada)
      yield* hub.setSettings({ mcpServers: { mail: { url: mail.url } } })
      assert.deepInclude((yield* running.answer).error.data, { origin: "upstream", server: "files" })
      assert.deepInclude(yield* stream.next, changed)
      assert.strictEqual((yield* Effect.flip(ada.callTool("files-echo"))).code, -32602)
      assert.deepStrictEqual(yield* bo.toolNames, [
        "mail-echo",
        "mail-get-data",
        "mail-send",
        "mail-set-context",
        "mail-whoami"
      ])
      yield* files.await(() => files.calls("DELETE").length === 2)
      assert.strictEqual(files.sessions.size, 0)
    })
  )

  it.live("B33: a server whose entry changed is reached by its new entry, in a new connection", () =>
    Effect.gen(function* () {
      const { ada, bo, files, hub } = yield* start
      yield* Effect.all([ada.callTool("files-set-context", { project: "apollo" }), bo.callTool("files-echo")])
      yield* hub.setSettings({ mcpServers: { files: { url: files.url, headers: { "x-extra": "on" } } } })
      yield* files.await(() => files.calls("DELETE").length === 2)
      for (const client of [ada, bo]) assert.strictEqual((yield* client.callTool("files-whoami"))["x-extra"], "on")
      assert.deepInclude(yield* ada.callTool("files-get-data"), { project: null })
      assert.strictEqual(files.calls("initialize").length, 4)
    })
  )

  it.live("B33: a changed server's shared connections end too, those nobody uses at the moment included", () =>
    Effect.gen(function* () {
      const mail = yield* ScriptedHttpUpstream.make()
      const server = { url: mail.url, isolation: "user" } as const
      const hub = yield* TestHub.make({ servers: { mail: server } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const client of [ada, bo]) yield* client.callTool("mail-echo")
      yield* bo.end
      assert.strictEqual(mail.sessions.size, 2)
      yield* hub.setSettings({ mcpServers: { mail: { ...server, headers: { "x-extra": "on" } } } })
      yield* mail.await(() => mail.calls("DELETE").length === 2)
      assert.strictEqual((yield* ada.callTool("mail-whoami"))["x-extra"], "on")
    })
  )
})
