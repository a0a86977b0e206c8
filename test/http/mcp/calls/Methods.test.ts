import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type JsonObject, notification } from "../../../../src/domain/protocol/JsonRpc.ts"
import { type McpClient, type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { requestOf } from "../../support/StatelessClient.ts"

/** A server of documents: resources on two pages, a template, a prompt with completion, log levels, subscriptions. */
const documents = (name: string, own: ReadonlyArray<string>) =>
  ScriptedHttpUpstream.make({
    methods: {
      initialize: (call: ScriptedCall) => {
        call.result({
          protocolVersion: "2025-11-25",
          capabilities: {
            tools: {},
            prompts: {},
            resources: { subscribe: true, listChanged: true },
            completions: {},
            logging: {}
          },
          serverInfo: { name, version: "1" }
        })
      },
      "tools/list": (call) => call.result({ tools: [{ name: "ping", inputSchema: { type: "object" } }] }),
      "resources/list": (call) => {
        const page = Number(call.params["cursor"] ?? 0)
        const uri = own[page]
        call.result({
          resources: uri === undefined ? [] : [{ uri, name: uri, extra: { kept: true } }],
          ...(page + 1 < own.length ? { nextCursor: String(page + 1) } : {})
        })
      },
      "resources/templates/list": (call) =>
        call.result({ resourceTemplates: [{ uriTemplate: `${name}://page/{id}`, name: "page" }] }),
      "resources/read": (call) => {
        if (call.params["uri"] === "mem://forbidden") return call.error(-32099, "Not today", { of: name })
        call.result({
          contents: [{ uri: call.params["uri"], text: `${name} for ${call.received.headers["x-mcphub-user-id"]}` }]
        })
      },
      "resources/subscribe": (call) => call.result({}),
      "resources/unsubscribe": (call) => call.result({}),
      "prompts/list": (call) => call.result({ prompts: [{ name: "hello", arguments: [{ name: "to" }] }] }),
      "prompts/get": (call) =>
        call.result({
          messages: [{ role: "user", content: { type: "text", text: `${name} ${call.params["name"]}` } }]
        }),
      "completion/complete": (call) =>
        call.result({ completion: { values: [name, JSON.stringify(call.params["ref"])] } }),
      "logging/setLevel": (call) => call.result({})
    },
    sessions: false
  })

const start = Effect.gen(function* () {
  const docs = yield* documents("docs", ["mem://one", "mem://both", "mem://forbidden"])
  const wiki = yield* documents("wiki", ["mem://two", "mem://both"])
  const hub = yield* TestHub.make({
    servers: {
      docs: { url: docs.url, isolation: "session" },
      wiki: { url: wiki.url, isolation: "session" }
    }
  })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { docs, wiki, hub, ada, bo }
})

const read = (client: McpClient.McpClient, uri: string) =>
  Effect.map(client.request("resources/read", { uri }), (result) => (result["contents"] as any)[0].text as string)

describe("defect 27: what MCP has besides tools", () => {
  it.live("resources of all servers are listed whole, and read at the server that has them", () =>
    Effect.gen(function* () {
      const { ada, bo, docs, hub, wiki } = yield* start
      const listed = (yield* ada.request("resources/list"))["resources"] as ReadonlyArray<JsonObject>
      assert.deepStrictEqual(listed.map(({ uri }) => uri).sort(), [
        "docs+mem://both",
        "mem://forbidden",
        "mem://one",
        "mem://two",
        "wiki+mem://both"
      ])
      assert.isTrue(listed.every(({ extra }) => (extra as any).kept))
      const adas = hub.ada.user.id
      assert.strictEqual(yield* read(ada, "mem://one"), `docs for ${adas}`)
      assert.strictEqual(yield* read(ada, "mem://two"), `wiki for ${adas}`)
      assert.strictEqual(yield* read(ada, "wiki+mem://both"), `wiki for ${adas}`)
      assert.strictEqual(yield* read(bo, "docs+mem://both"), `docs for ${hub.bo.user.id}`)
      assert.strictEqual(wiki.calls("resources/read").at(-1)!.body!.params!["uri"], "mem://both")
      const ambiguous = yield* Effect.flip(read(ada, "mem://both"))
      assert.strictEqual(ambiguous.code, -32602)
      assert.include(ambiguous.message, "docs+mem://both")
      assert.strictEqual((yield* Effect.flip(read(ada, "mem://nowhere"))).code, -32002)
      const passed = yield* Effect.flip(read(ada, "mem://forbidden"))
      assert.deepInclude(passed, { status: 200, code: -32099, message: "Not today", data: { of: "docs" } })
      assert.strictEqual(docs.calls("resources/list").length, 3)
    })
  )

  it.live("templates are listed and an address that begins like one goes to its server", () =>
    Effect.gen(function* () {
      const { ada, hub } = yield* start
      const listed = (yield* ada.request("resources/templates/list"))["resourceTemplates"] as ReadonlyArray<JsonObject>
      assert.deepStrictEqual(
        listed.map(({ uriTemplate }) => uriTemplate),
        ["docs://page/{id}", "wiki://page/{id}"]
      )
      assert.strictEqual(yield* read(ada, "wiki://page/7"), `wiki for ${hub.ada.user.id}`)
    })
  )

  it.live("prompts are listed under their server's name, got and completed under their own", () =>
    Effect.gen(function* () {
      const { ada, wiki } = yield* start
      const listed = (yield* ada.request("prompts/list"))["prompts"] as ReadonlyArray<JsonObject>
      assert.deepStrictEqual(
        listed.map(({ name }) => name),
        ["docs-hello", "wiki-hello"]
      )
      const got = yield* ada.request("prompts/get", { name: "wiki-hello", arguments: { to: "bo" } })
      assert.strictEqual((got["messages"] as any)[0].content.text, "wiki hello")
      assert.deepStrictEqual(wiki.calls("prompts/get")[0]!.body!.params, { name: "hello", arguments: { to: "bo" } })
      assert.strictEqual((yield* Effect.flip(ada.request("prompts/get", { name: "hello" }))).code, -32602)

      const complete = (ref: JsonObject) =>
        Effect.map(
          ada.request("completion/complete", { ref, argument: { name: "to", value: "b" } }),
          ({ completion }) => (completion as any).values as ReadonlyArray<string>
        )
      assert.deepStrictEqual(yield* complete({ type: "ref/prompt", name: "wiki-hello" }), [
        "wiki",
        '{"type":"ref/prompt","name":"hello"}'
      ])
      assert.strictEqual((yield* complete({ type: "ref/resource", uri: "docs://page/{id}" }))[0], "docs")
      assert.strictEqual((yield* Effect.flip(complete({ type: "ref/prompt", name: "mail-hello" }))).code, -32602)
    })
  )

  it.live("a subscription reaches its server, and news of a resource only who subscribed", () =>
    Effect.gen(function* () {
      const { ada, bo, docs } = yield* start
      const [adas, bos] = yield* Effect.all([ada.stream, bo.stream])
      yield* Effect.all([ada.request("resources/subscribe", { uri: "mem://one" }), read(bo, "mem://one")])
      assert.deepStrictEqual(
        docs.calls("resources/subscribe").map(({ body }) => body!.params),
        [{ uri: "mem://one" }]
      )
      yield* docs.await(() => docs.calls("GET").length === 2)
      docs.push({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri: "mem://one" } })
      docs.push({ jsonrpc: "2.0", method: "notifications/resources/list_changed" })
      assert.deepInclude(yield* adas.next, { method: "notifications/resources/updated", params: { uri: "mem://one" } })
      assert.deepInclude(yield* bos.next, { method: "notifications/resources/list_changed" })
      yield* ada.request("resources/unsubscribe", { uri: "mem://one" })
      assert.strictEqual(docs.calls("resources/unsubscribe").length, 1)
    })
  )

  it.live("a resource that several servers have is heard of by the name it was subscribed under, in both eras", () =>
    Effect.gen(function* () {
      const { ada, bo, docs, hub, wiki } = yield* start
      const [adas, bos] = yield* Effect.all([ada.stream, bo.stream])
      const updated = (uri: string) => notification("notifications/resources/updated", { uri })
      yield* ada.request("resources/subscribe", { uri: "wiki+mem://both" })
      yield* bo.request("resources/subscribe", { uri: "docs+mem://both" })
      const notifications = { resourceSubscriptions: ["docs+mem://both", "wiki+mem://two"] }
      const listening = yield* hub.http.open(requestOf(hub.bo, "subscriptions/listen", { notifications }))
      const acknowledged = (yield* listening.next) as any
      assert.deepStrictEqual(acknowledged.params.notifications, notifications)
      // Ada's at one server, bo's at the other, and bo's second, stateless session at both.
      yield* Effect.all([
        docs.await(() => docs.calls("GET").length === 2),
        wiki.await(() => wiki.calls("GET").length === 2)
      ])
      for (const uri of ["mem://both", "mem://two"]) wiki.push(updated(uri))
      docs.push(updated("mem://both"))
      assert.deepInclude(yield* adas.next, updated("wiki+mem://both"))
      assert.deepInclude(yield* bos.next, updated("docs+mem://both"))
      const heard = [yield* listening.next, yield* listening.next] as ReadonlyArray<any>
      assert.deepStrictEqual(heard.map(({ params }) => params.uri).sort(), ["docs+mem://both", "wiki+mem://two"])
    })
  )

  it.live("a log level reaches the servers of that session, those opened later too, and nobody else's", () =>
    Effect.gen(function* () {
      const { ada, bo, docs, hub, wiki } = yield* start
      yield* Effect.all([read(ada, "docs://page/1"), read(bo, "docs://page/1")])
      yield* ada.request("logging/setLevel", { level: "warning" })
      const levels = (upstream: typeof docs) =>
        upstream
          .calls("logging/setLevel")
          .map(({ body, headers }) => [headers["x-mcphub-user-id"], body!.params!["level"]])
      assert.deepStrictEqual(levels(docs), [[hub.ada.user.id, "warning"]])
      assert.deepStrictEqual(levels(wiki), [[hub.ada.user.id, "warning"]])
      const late = yield* hub.connect(hub.ada)
      yield* late.request("logging/setLevel", { level: "error" })
      assert.strictEqual(docs.calls("logging/setLevel").length, 1)
      yield* read(late, "docs+mem://one")
      assert.deepStrictEqual(levels(docs).at(-1), [hub.ada.user.id, "error"])
    })
  )

  it.live("what the hub does not know is an unknown method, or carried where one server alone can be meant", () =>
    Effect.gen(function* () {
      const { ada, docs, hub } = yield* start
      docs.script("tasks/peek", (call) => call.result({ peeked: call.params["what"] }))
      assert.strictEqual((yield* Effect.flip(ada.request("tasks/peek", { what: 1 }))).code, -32601)
      const direct = yield* hub.connect(hub.ada, { path: "/mcp/docs" })
      assert.deepStrictEqual(yield* direct.request("tasks/peek", { what: 1 }), { peeked: 1 })
      assert.strictEqual((yield* Effect.flip(ada.request("tools/list", { cursor: "mine" }))).code, -32602)
      for (const params of [undefined, {}, { name: 5 }]) {
        assert.strictEqual((yield* Effect.flip(ada.request("tools/call", params))).code, -32602)
      }
    })
  )
})
