/** Lists with entries that strict clients cannot read, over which they reject the lists of all servers. */
import { assert, describe, it } from "@effect/vitest"
import {
  ListPromptsResultSchema,
  ListResourcesResultSchema,
  ListResourceTemplatesResultSchema,
  ListToolsResultSchema
} from "@modelcontextprotocol/sdk/types.js"
import { Context, Effect, Layer, Redacted } from "effect"
import { UpstreamHealth } from "../../../../src/actors/upstream/guards/UpstreamHealth.ts"
import * as Logging from "../../../../src/actors/observing/Logging.ts"
import { LogOutput, LogSink } from "../../../../src/actors/observing/LogOutput.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import * as Heard from "../../../support/Heard.ts"
import { connect } from "../../../support/SdkClients.ts"
import * as AnsweringServer from "../../support/AnsweringServer.ts"
import * as OddServers from "../../support/OddServers.ts"

const object = { type: "object" }

/** What servers list, and what clients are to get; `undefined` where the tool cannot be used. */
const tools: ReadonlyArray<readonly [listed: object, shown: object | undefined]> = [
  [
    { name: "good", inputSchema: object },
    { name: "good", inputSchema: object }
  ],
  [{ name: "bare" }, { name: "bare", inputSchema: object }],
  [
    { name: "empty", inputSchema: {} },
    { name: "empty", inputSchema: object }
  ],
  [
    { name: "php", inputSchema: { type: "object", properties: [], required: [] }, _meta: [] },
    { name: "php", inputSchema: { type: "object", properties: {}, required: [] } }
  ],
  [
    {
      name: "nulls",
      title: null,
      description: null,
      inputSchema: null,
      outputSchema: null,
      annotations: null,
      icons: null,
      execution: null,
      _meta: null
    },
    { name: "nulls", inputSchema: object }
  ],
  [
    {
      name: "deep",
      inputSchema: { properties: { a: true, b: null, c: { type: "string" } }, required: null },
      annotations: { title: null, readOnlyHint: "yes", destructiveHint: true }
    },
    {
      name: "deep",
      inputSchema: { type: "object", properties: { a: {}, b: {}, c: { type: "string" } } },
      annotations: { destructiveHint: true }
    }
  ],
  [
    { name: "union", inputSchema: { type: ["object", "null"] }, icons: [{ src: "i.png", sizes: "48x48" }, "i"] },
    { name: "union", inputSchema: object, icons: [{ src: "i.png" }] }
  ],
  [{ name: "texts", inputSchema: { type: "string" } }, undefined],
  [{ name: "none", inputSchema: "none" }, undefined],
  [{ name: "words", inputSchema: { type: "object", properties: { q: "string" } } }, undefined],
  [{ title: "Nameless", inputSchema: object }, undefined]
]

const results: AnsweringServer.Results = {
  "tools/list": { tools: tools.map(([listed]) => listed) },
  "prompts/list": {
    prompts: [
      { name: "kind", title: null, arguments: [{ name: "a", description: null, required: "no" }] },
      { name: "odd", arguments: [{ title: "Nameless" }] }
    ]
  },
  "resources/list": {
    resources: [
      { uri: "a://1", size: "big", annotations: { audience: "user", priority: 1 } },
      { uri: 7, name: "n" }
    ]
  },
  "resources/templates/list": { resourceTemplates: [{ uriTemplate: "a://{x}", mimeType: null }, null] },
  "tools/call bare": { content: [], structuredContent: { called: true } }
}

const strict = {
  "tools/list": ListToolsResultSchema,
  "prompts/list": ListPromptsResultSchema,
  "resources/list": ListResourcesResultSchema,
  "resources/templates/list": ListResourceTemplatesResultSchema
}

describe("a server that lists what strict clients cannot read", () => {
  for (const [transport, era] of OddServers.everywhere) {
    it.live(`field A3: is listed with what can be repaired, over ${transport}, ${era}; the rest is named`, () =>
      Effect.gen(function* () {
        const log = yield* Heard.make<string>()
        const sink = Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => log.add(String(chunk))) })
        const output = Layer.fresh(LogOutput.layer).pipe(Layer.provide(sink))
        const replace = Logging.layer({ level: "Warn" }).pipe(Layer.provideMerge(output))
        const good = yield* ScriptedHttpUpstream.make()
        const odd = yield* AnsweringServer.start(transport, era, results)
        const hub = yield* TestHub.make({ servers: { odd, good: { url: good.url } }, replace })
        const ada = yield* hub.connect(hub.ada)
        const listed = Effect.fnUntraced(function* (client: typeof ada | "stateless", method: keyof typeof strict) {
          const { error, result } = yield* OddServers.request(hub, hub.ada, client, method)
          assert.isUndefined(error)
          if (client !== "stateless") strict[method].parse(result)
          return result
        })
        for (const client of [ada, "stateless"] as const) {
          const result = yield* listed(client, "tools/list")
          const named = Object.fromEntries(result.tools.map((tool: any) => [tool.name, tool]))
          for (const [{ name }, shown] of tools as ReadonlyArray<readonly [any, any]>) {
            assert.deepStrictEqual(named[`odd-${name}`], shown && { ...shown, name: `odd-${name}` }, name)
          }
          assert.isDefined(named["good-echo"])
          assert.deepStrictEqual(result._meta["mcphub/missing"], [
            { server: "odd", name: "odd-texts", why: "unusable", reason: "Its inputSchema is not that of an object" },
            { server: "odd", name: "odd-none", why: "unusable", reason: "Its inputSchema is no schema" },
            { server: "odd", name: "odd-words", why: "unusable", reason: 'The schema of its property "q" is none' },
            { server: "odd", name: "odd-", why: "unusable", reason: "Its name is no text of 1 to 4096 characters" }
          ])
          const { prompts, _meta } = yield* listed(client, "prompts/list")
          assert.deepStrictEqual(prompts, [{ name: "odd-kind", arguments: [{ name: "a" }] }])
          assert.deepStrictEqual(_meta["mcphub/missing"], [
            { server: "odd", name: "odd-odd", why: "unusable", reason: "One of its arguments has no name" }
          ])
          const { resources } = yield* listed(client, "resources/list")
          assert.deepStrictEqual(resources, [{ uri: "a://1", name: "a://1", annotations: { priority: 1 } }])
          const { resourceTemplates } = yield* listed(client, "resources/templates/list")
          assert.deepStrictEqual(resourceTemplates, [{ uriTemplate: "a://{x}", name: "a://{x}" }])
          const called = yield* OddServers.call(hub, hub.ada, client, "bare")
          assert.deepStrictEqual(called.result?.structuredContent, { called: true })
        }
        for (const generation of ["1.x", "2.x"] as const) {
          const sdk = yield* connect(generation, hub.url, Redacted.value(hub.bo.key))
          assert.includeMembers([...(yield* sdk.toolNames)], ["good-echo", "odd-bare", "odd-union"])
        }
        // Where an operator looks: in the log, once, and in the list of servers.
        while (!log.all.join("").includes("resource template")) yield* log.next
        const told = log.all
          .join("")
          .split("\n")
          .filter((line) => line.includes("inputSchema"))
        assert.lengthOf(told, 1)
        const status = yield* Context.get(hub.services, UpstreamHealth).status
        const { oddities } = status.find(({ name }) => name === "odd")!
        assert.include(oddities, 'The tool "texts" is left out: Its inputSchema is not that of an object')
        assert.include(oddities, 'The resource template "" is left out: It is no object')
      })
    )
  }

  it.live("field A3: names no tool that a user's groups keep from them", () =>
    Effect.gen(function* () {
      const odd = yield* AnsweringServer.start("http", "stateful", results)
      const hub = yield* TestHub.make({
        servers: { odd },
        groups: [{ id: "g", name: "some", servers: [{ name: "odd", tools: ["good", "none"] }] }] as never
      })
      const ada = yield* hub.connect(hub.ada, { path: "/mcp/some" })
      const bo = yield* hub.connect(hub.bo)
      const missing = (result: any) => result._meta["mcphub/missing"].map(({ name }: any) => name)
      const few: any = yield* ada.request("tools/list")
      assert.deepStrictEqual([few.tools.map(({ name }: any) => name), missing(few)], [["odd-good"], ["odd-none"]])
      assert.lengthOf(missing(yield* bo.request("tools/list")), 4)
    })
  )
})
