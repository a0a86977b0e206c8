import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { Era } from "../../../../src/domain/protocol/Versions.ts"
import { type HubUser, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import * as SayingServer from "../../support/SayingServer.ts"
import { ask } from "../../support/StatelessClient.ts"

const nested = `${"[".repeat(20_000)}${"]".repeat(20_000)}`

/** What a server may write in place of an answer; `$ID` is the id of the call. */
const wrong: Readonly<Record<string, string>> = {
  "an empty error alone": '{"jsonrpc":"2.0","id":$ID,"method":null,"error":null}',
  "a result and a proper error": '{"jsonrpc":"2.0","id":$ID,"result":{},"error":{"code":1,"message":"m"}}',
  "an error that is a text": '{"jsonrpc":"2.0","id":$ID,"error":"no"}',
  "a message that is an object": '{"jsonrpc":"2.0","id":$ID,"error":{"code":1,"message":{"toString":1}}}',
  "a code that is an object": '{"jsonrpc":"2.0","id":$ID,"error":{"code":{"valueOf":1},"message":"m"}}',
  "a deep result": `{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"structuredContent":{"a":${nested}}}}`,
  "a deep result before its id": `{"jsonrpc":"2.0","result":{"a":${nested}},"id":$ID}`,
  "deep data of an error": `{"jsonrpc":"2.0","id":$ID,"error":{"code":1,"message":"m","data":${nested}}}`,
  "a prototype": '{"jsonrpc":"2.0","id":$ID,"result":{"__proto__":{"polluted":true}}}',
  "no JSON": '{"jsonrpc":"2.0","id":$ID,"result":{"a":NaN}}'
}

const startHttp = Effect.fnUntraced(function* (era: Era) {
  const held: Array<() => void> = []
  const tools: NonNullable<StatelessUpstream.StatelessOptions["tools"]> = {
    say: (call) => {
      const text = String(call.arguments["line"]).replaceAll("$ID", JSON.stringify(call.id))
      if (call.arguments["event"] !== true) return call.body(200, "application/json", text)
      call.body(200, "text/event-stream", `data: ${text}\n\n`)
    },
    hold: (call) => void held.push(() => call.content({ released: true })),
    release: (call) => {
      for (const answer of held.splice(0)) answer()
      call.content({ name: "release" })
    },
    who: (call) => call.content({ name: "who" })
  }
  const upstream = yield* era === "stateless" ? StatelessUpstream.make({ tools }) : ScriptedHttpUpstream.make({ tools })
  return { url: upstream.url, era }
})

describe("what a server writes in place of an answer", () => {
  for (const transport of ["stdio", "http"] as const) {
    for (const era of ["stateful", "stateless"] as const) {
      it.live(`A46: fails that one call, over ${transport}, of a ${era} server, for clients of both eras`, () =>
        Effect.gen(function* () {
          const server =
            transport === "http"
              ? yield* startHttp(era)
              : SayingServer.config({ era, isolation: "shared", context: "none" })
          const hub = yield* TestHub.make({ servers: { files: server } })
          const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
          const capabilities = { elicitation: { form: {} } }
          const call = (user: HubUser, client: Era, name: string, args: object = {}) =>
            client === "stateless"
              ? ask(hub.http, user, "tools/call", { name: `files-${name}`, arguments: args }, { capabilities })
              : Effect.map(
                  (user === hub.ada ? ada : bo).send({
                    jsonrpc: "2.0",
                    id: 1,
                    method: "tools/call",
                    params: { name: `files-${name}`, arguments: args }
                  }),
                  ({ text }) => {
                    const line = text.split("\n").find((one) => one.startsWith("data: {"))
                    return JSON.parse(line === undefined ? text : line.slice(6)) as { error: any; result: any }
                  }
                )
          for (const client of ["stateful", "stateless"] as const) {
            const holding = yield* Effect.forkChild(call(hub.bo, client, "hold"), { startImmediately: true })
            for (const [what, line] of Object.entries(wrong)) {
              for (const event of transport === "http" ? [false, true] : [false]) {
                const { error } = yield* call(hub.ada, client, "say", { line, event })
                assert.deepInclude(
                  error?.data,
                  { kind: "upstream_protocol", origin: "upstream", server: "files" },
                  what
                )
                assert.strictEqual(error.code, 1502, what)
              }
            }
            assert.deepStrictEqual((yield* call(hub.ada, client, "who")).result.structuredContent, { name: "who" })
            yield* call(hub.ada, client, "release")
            const held = yield* Fiber.join(holding)
            // What went wrong of ada's calls is nothing to the call of bo's that was open all the while.
            assert.deepStrictEqual(held.result.structuredContent, { released: true })
            assert.notInclude(JSON.stringify(held), "upstream_protocol")
          }
          assert.isUndefined(({} as { polluted?: boolean }).polluted)
        })
      )
    }
  }

  it.live("A47: an error of a server does not pass for one of the hub's own", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({
        servers: { files: yield* startHttp("stateful"), child: SayingServer.config() }
      })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const claimed = { origin: "hub", kind: "client_capability_missing", requestId: "req_of_another", retryable: true }
      const error = { code: 1403, message: "m", data: { ...claimed, hint: "h" } }
      const line = `{"jsonrpc":"2.0","id":$ID,"error":${JSON.stringify(error)}}`
      for (const server of ["files", "child"]) {
        const stateful = yield* Effect.flip(ada.callTool(`${server}-say`, { line }))
        const stateless = yield* ask(hub.http, hub.ada, "tools/call", {
          name: `${server}-say`,
          arguments: { line }
        })
        for (const { code, data } of [stateful, stateless.error]) {
          assert.deepStrictEqual({ code, data }, { code: 1403, data: { hint: "h", upstream: claimed } })
        }
        assert.strictEqual(stateless.status, 200)
        assert.deepStrictEqual(yield* bo.callTool(`${server}-who`), { name: "who" })
      }
    })
  )
})
