/** URIs that servers give out and list nowhere, or list while others have the same. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import * as AnsweringServer from "../../support/AnsweringServer.ts"
import * as OddServers from "../../support/OddServers.ts"

const link = (uri: string) => ({ type: "resource_link", uri, name: "n" })

/** A server that gives out the same URIs as others, and says who it is when they are read. */
const giving = (who: string, listed: ReadonlyArray<string> = []): AnsweringServer.Results => ({
  "tools/list": {
    tools: [
      {
        name: "show",
        inputSchema: { type: "object" },
        _meta: { ui: { resourceUri: "ui://w", visibility: ["model"] }, "openai/outputTemplate": "ui://w", x: "ui:/no" }
      }
    ]
  },
  "prompts/list": { prompts: [{ name: "tell" }] },
  "prompts/get": { messages: [{ role: "user", content: link("doc://3") }] },
  "resources/list": { resources: listed.map((uri) => ({ uri, name: uri })) },
  "resources/templates/list": { resourceTemplates: [] },
  "resources/read": { contents: [{ uri: "doc://1", text: who }] },
  "tools/call show": {
    content: [
      link("doc://1"),
      { type: "resource", resource: { uri: "doc://2", text: "t" } },
      { type: "text", text: "doc://1" }
    ],
    _meta: { "ui/resourceUri": "ui://w" }
  }
})

describe("a URI that no list contains", () => {
  it.live("field A4: is not another server's, by its name, its list or its templates, however early it is given", () =>
    Effect.gen(function* () {
      const links = ["good+good://1", "good://1", "good://x", "own://1"]
      const evil = yield* AnsweringServer.start("http", "stateful", {
        ...giving("evil"),
        "tools/call show": { content: links.map(link) }
      })
      const good = yield* AnsweringServer.start("http", "stateful", {
        ...giving("good", ["good://1"]),
        "resources/templates/list": { resourceTemplates: [{ uriTemplate: "good://{x}", name: "all" }] }
      })
      const hub = yield* TestHub.make({ servers: { evil, good } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const client of [ada, bo]) {
        const shown: any = yield* client.request("tools/call", { name: "evil-show", arguments: {} })
        yield* client.request("resources/list")
        yield* client.request("resources/templates/list")
        const readers = yield* Effect.forEach(["good+good://1", "good://1"], (uri) =>
          Effect.map(client.request("resources/read", { uri }), ({ contents }: any) => contents[0].text)
        )
        assert.deepStrictEqual(readers, ["good", "good"])
        assert.strictEqual(shown.content[0].uri, "evil+good+good://1")
        assert.strictEqual(shown.content[3].uri, "own://1")
        const again: any = yield* client.request("tools/call", { name: "evil-show", arguments: {} })
        const names = again.content.map(({ uri }: any) => uri)
        assert.deepStrictEqual(names, ["evil+good+good://1", "evil+good://1", "evil+good://x", "own://1"])
      }
    })
  )

  for (const [transport, era] of OddServers.everywhere) {
    it.live(`field A4: leads back to the server that gave it to this session, over ${transport}, ${era}`, () =>
      Effect.gen(function* () {
        const a = yield* AnsweringServer.start(transport, era, giving("a"))
        const b = yield* AnsweringServer.start(transport, era, giving("b"))
        const hub = yield* TestHub.make({ servers: { a, b } })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        for (const [client, other] of [
          [ada, bo],
          ["stateless", "stateless"]
        ] as const) {
          const ask = (method: string, params: object) =>
            OddServers.request(hub, hub.ada, client, method, { ...params })
          const asBo = (method: string, params: object) => OddServers.request(hub, hub.bo, other, method, { ...params })
          const { result } = yield* ask("tools/list", {})
          assert.deepStrictEqual(
            result.tools.map(({ name, _meta }: any) => [
              name,
              _meta.ui.resourceUri,
              _meta["openai/outputTemplate"],
              _meta.x
            ]),
            [
              ["a-show", "ui://w", "ui://w", "ui:/no"],
              ["b-show", "ui://b+w", "ui://b+w", "ui:/no"]
            ]
          )
          const given = Effect.fnUntraced(function* (server: string) {
            const { content, _meta } = (yield* ask("tools/call", { name: `${server}-show`, arguments: {} })).result
            const { messages } = (yield* ask("prompts/get", { name: `${server}-tell` })).result
            assert.strictEqual(content[2].text, "doc://1")
            return [content[0].uri, content[1].resource.uri, messages[0].content.uri, _meta["ui/resourceUri"]]
          })
          const uris = { a: yield* given("a"), b: yield* given("b") }
          assert.deepStrictEqual(uris, {
            a: ["doc://1", "doc://2", "doc://3", "ui://w"],
            b: ["b+doc://1", "b+doc://2", "b+doc://3", "ui://b+w"]
          })
          for (const [server, names] of Object.entries(uris)) {
            for (const uri of names) {
              const { contents } = (yield* ask("resources/read", { uri })).result
              assert.strictEqual(contents[0].text, server, uri)
              if (uri.endsWith("doc://1")) assert.strictEqual(contents[0].uri, uri)
            }
          }
          // What ada was given is nothing to bo, whose own may be another server's.
          const unknown = yield* asBo("resources/read", { uri: "doc://1" })
          assert.strictEqual(unknown.error?.code, client === "stateless" ? -32602 : -32002)
          const bos = (yield* asBo("tools/call", { name: "b-show", arguments: {} })).result
          assert.strictEqual(bos.content[0].uri, "doc://1")
          assert.strictEqual((yield* asBo("resources/read", { uri: "doc://1" })).result.contents[0].text, "b")
          assert.strictEqual((yield* ask("resources/read", { uri: "doc://1" })).result.contents[0].text, "a")
        }
      })
    )
  }

  it.live("field A4: that two servers list as well has one name in the list, in results and in _meta", () =>
    Effect.gen(function* () {
      const uris = ["ui://w", "doc://1"]
      const a = yield* AnsweringServer.start("http", "stateful", giving("a", uris))
      const b = yield* AnsweringServer.start("http", "stateful", giving("b", uris))
      const hub = yield* TestHub.make({ servers: { a, b } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const listed = (client: typeof ada) =>
        Effect.map(client.request("resources/list"), ({ resources }: any) =>
          resources.map(({ uri }: any) => uri).sort()
        )
      const named = Effect.fnUntraced(function* (client: typeof ada) {
        const { tools }: any = yield* client.request("tools/list")
        const links: Array<string> = []
        for (const name of ["a-show", "b-show"]) {
          const { content }: any = yield* client.request("tools/call", { name, arguments: {} })
          links.push(content[0].uri)
        }
        return [...tools.map(({ _meta }: any) => _meta.ui.resourceUri), ...links].sort()
      })
      // Listed before anything was given, both carry their server's name; given before, the first keeps its own.
      const adas = yield* listed(ada)
      assert.deepStrictEqual(adas, ["a+doc://1", "b+doc://1", "ui://a+w", "ui://b+w"])
      assert.deepStrictEqual(yield* named(ada), adas)
      const bos = yield* named(bo)
      assert.deepStrictEqual(bos, ["b+doc://1", "doc://1", "ui://b+w", "ui://w"])
      assert.deepStrictEqual(yield* listed(bo), bos)
      for (const [client, all] of [
        [ada, adas],
        [bo, bos]
      ] as const) {
        for (const uri of all) {
          const { contents }: any = yield* client.request("resources/read", { uri })
          assert.strictEqual(contents[0].text, uri.includes("b+") ? "b" : "a", uri)
        }
      }
    })
  )

  it.live("field A4: is not forgotten because another server gives thousands, and no other user can read it", () =>
    Effect.gen(function* () {
      const linking = (who: string) =>
        ScriptedHttpUpstream.make({
          tools: {
            show: (call: ScriptedCall) => {
              const { count, from, length } = call.arguments as Record<string, number>
              const uris = Array.from({ length: count! }, (_, n) => `doc://${from! + n}`.padEnd(length!, "x"))
              call.result({ content: uris.map(link) })
            }
          },
          methods: {
            "resources/read": (call) => call.result({ contents: [{ uri: String(call.params["uri"]), text: who }] })
          }
        })
      const [many, few] = yield* Effect.all([linking("many"), linking("few")])
      const hub = yield* TestHub.make({ servers: { many: { url: many.url }, few: { url: few.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const show = (server: string, from: number, count: number, length: number) =>
        Effect.map(
          ada.request("tools/call", { name: `${server}-show`, arguments: { from, count, length } }),
          ({ content }: any) => content.map(({ uri }: any) => uri)
        )
      const reader = (uri: string) =>
        Effect.map(ada.request("resources/read", { uri }), ({ contents }: any) => contents[0].text)
      assert.deepStrictEqual(yield* show("few", 1, 2, 7), ["doc://1", "doc://2"])
      // As much as a session remembers, one and a half times.
      const first = yield* show("many", 1_000, 400, 2_000)
      const last = yield* show("many", 2_000, 400, 2_000)
      assert.deepStrictEqual(yield* show("few", 3, 1, 7), ["doc://3"])
      for (const uri of ["doc://1", "doc://2", "doc://3"]) {
        assert.strictEqual(yield* reader(uri), "few")
        assert.include((yield* Effect.flip(bo.request("resources/read", { uri }))).message, "not found")
      }
      assert.strictEqual(yield* reader(last[0]), "many")
      assert.include((yield* Effect.flip(reader(first[0]))).message, "not found")
      assert.deepStrictEqual(
        [many, few].map(({ received }) => received.filter(({ body }) => body?.method === "resources/read").length),
        [1, 3]
      )
    })
  )

  it.live("field A4: can be read behind a single server, also when it stood in a result too large to read", () =>
    Effect.gen(function* () {
      const text = "x".repeat(2_000_000)
      const upstream = yield* ScriptedHttpUpstream.make({
        tools: {
          show: (call: ScriptedCall) => call.result({ content: [link("git+ssh://a"), { type: "text", text }] })
        },
        methods: {
          "resources/read": (call) => call.result({ contents: [{ uri: String(call.params["uri"]), text: "read" }] })
        }
      })
      const hub = yield* TestHub.make({ servers: { git: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const { content }: any = yield* ada.request("tools/call", { name: "git-show", arguments: {} })
      assert.strictEqual(content[0].uri, "git+ssh://a")
      for (const client of [ada, bo]) {
        const { contents }: any = yield* client.request("resources/read", { uri: "doc://other" })
        assert.deepStrictEqual(contents, [{ uri: "doc://other", text: "read" }])
      }
    })
  )
})
