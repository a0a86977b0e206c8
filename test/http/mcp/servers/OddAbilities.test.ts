/** Servers that say of themselves what they can do in ways that no specification foresees, or not at all. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { UpstreamHealth } from "../../../../src/actors/upstream/guards/UpstreamHealth.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import * as AnsweringServer from "../../support/AnsweringServer.ts"
import * as OddServers from "../../support/OddServers.ts"

const guessed = "It declares neither tools nor prompts nor resources and is asked for all of them"

/** What servers declare, and what is said of it where an operator looks. */
const declared: ReadonlyArray<readonly [capabilities: unknown, odd: ReadonlyArray<string>]> = [
  [{}, [guessed]],
  [undefined, [guessed]],
  [[], [guessed]],
  [true, ["What it says as capabilities is no object and counts as none", guessed]],
  [{ tools: true }, []],
  [{ tools: { listChanged: "yes" }, prompts: 7 }, ["Its capability prompts is no object and counts as none"]]
]

const introduction = (capabilities: unknown, more: object = {}) => ({
  initialize: { protocolVersion: "2025-11-25", serverInfo: { name: "odd" }, ...more, capabilities },
  "server/discover": { supportedVersions: ["2026-07-28"], ...more, capabilities }
})

const tools = {
  "tools/list": { tools: [{ name: "a", inputSchema: { type: "object" } }] },
  "tools/call a": { content: [], structuredContent: { called: true } }
}

describe("a server that does not say properly what it can do", () => {
  for (const [transport, era] of OddServers.everywhere) {
    it.live(`field A11: has its tools all the same, and its oddities are named, over ${transport}, ${era}`, () =>
      Effect.gen(function* () {
        const good = yield* ScriptedHttpUpstream.make()
        const names = declared.map((_, index) => `odd${index}`)
        const servers = yield* Effect.forEach(declared, ([capabilities], index) =>
          Effect.map(
            AnsweringServer.start(transport, era, { ...introduction(capabilities), ...tools }, { isolation: "shared" }),
            (server) => [names[index]!, server] as const
          )
        )
        const hub = yield* TestHub.make({ servers: { ...Object.fromEntries(servers), good: { url: good.url } } })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        for (const [client, user] of [[ada, hub.ada] as const, [bo, hub.bo] as const, ["stateless", hub.bo] as const]) {
          const { result } = yield* OddServers.request(hub, user, client, "tools/list")
          const listed = result.tools.map(({ name }: any) => name)
          assert.includeMembers(listed, [...names.map((name) => `${name}-a`), "good-echo"])
          assert.isUndefined(result._meta?.["mcphub/missing"])
          // What it has not promised and does not have is no failure.
          const { result: prompts } = yield* OddServers.request(hub, user, client, "prompts/list")
          assert.deepStrictEqual([prompts.prompts, prompts._meta?.["mcphub/missing"]], [[], undefined])
          for (const name of names) {
            const params = { name: `${name}-a`, arguments: {} }
            const called = yield* OddServers.request(hub, user, client, "tools/call", params)
            assert.deepStrictEqual(called.result?.structuredContent, { called: true }, JSON.stringify(called.error))
          }
        }
        const alone = yield* hub.connect(hub.ada, { path: "/mcp/odd0" })
        assert.property(alone.welcome["capabilities"], "tools")
        assert.deepStrictEqual(yield* alone.toolNames, ["a"])
        const status = yield* Context.get(hub.services, UpstreamHealth).status
        declared.forEach(([, odd], index) => {
          const { oddities, state } = status.find(({ name }) => name === names[index])!
          assert.deepStrictEqual([state, oddities], ["connected", odd], names[index])
        })
      })
    )

    it.live(
      `field A11: is served without a description or instructions that cannot be read, ${transport}, ${era}`,
      () =>
        Effect.gen(function* () {
          const more = { instructions: { text: "no" }, serverInfo: "odd" }
          const odd = yield* AnsweringServer.start(transport, era, { ...introduction({ tools: {} }, more), ...tools })
          const hub = yield* TestHub.make({ servers: { odd } })
          const ada = yield* hub.connect(hub.ada, { path: "/mcp/odd" })
          assert.notProperty(ada.welcome, "instructions")
          assert.deepStrictEqual(yield* ada.callTool("a"), { called: true })
          const [{ oddities }] = (yield* Context.get(hub.services, UpstreamHealth).status) as [any]
          assert.include(oddities, "Its instructions are no text and count as none")
        })
    )
  }
})
