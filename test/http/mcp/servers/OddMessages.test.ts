/** Messages that no specification foresees, as servers of the field send them beside an answer or in its place. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import * as Logging from "../../../../src/actors/observing/Logging.ts"
import { LogOutput, LogSink } from "../../../../src/actors/observing/LogOutput.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import type { JsonRpcRequest } from "../../../../src/domain/protocol/JsonRpc.ts"
import * as Heard from "../../../support/Heard.ts"
import * as OddServers from "../../support/OddServers.ts"

const answer = '{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","content":[],"structuredContent":{"ok":1}}}'

/** Signs of life and the like, none of them a message. */
const noise = ["ping", "{oops", '{"type":"heartbeat"}', '"text"', "0", '{"jsonrpc":"2.0"}', "[]", "[1]"]

describe("a server that sends what is no message", () => {
  for (const [transport, era] of OddServers.everywhere) {
    it.live(`field A6: before its answer is heard all the same, over ${transport}, of a ${era} server`, () =>
      Effect.gen(function* () {
        const log = yield* Heard.make<string>()
        const sink = Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => log.add(String(chunk))) })
        const output = Layer.fresh(LogOutput.layer).pipe(Layer.provide(sink))
        const replace = Logging.layer({ level: "Warn" }).pipe(Layer.provideMerge(output))
        const servers = { odd: yield* OddServers.start(transport, era) }
        const hub = yield* TestHub.make({ servers, replace })
        const metrics = Context.get(hub.services, HubMetrics)
        const skipped = () => metrics.value("mcphub_server_noise_total", { server: "odd" })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const clients = [[ada, bo] as const, ["stateless", "stateless"] as const]
        for (const [adas, bos] of clients) {
          const before = skipped()
          const holding = yield* Effect.forkChild(OddServers.call(hub, hub.bo, bos, "hold"), { startImmediately: true })
          const line = [...noise, answer].join("\n")
          const said = yield* OddServers.call(hub, hub.ada, adas, "say", { line })
          assert.deepStrictEqual(said.result?.structuredContent, { ok: 1 }, JSON.stringify(said.error))
          assert.deepStrictEqual(said.before, [])
          assert.strictEqual(skipped() - before, noise.length)
          yield* OddServers.call(hub, hub.ada, adas, "release")
          const held = yield* Fiber.join(holding)
          assert.deepStrictEqual([held.before, held.result.structuredContent], [[], { released: true }])
        }
        assert.match(yield* log.next, /^\{"server":"odd".*no message of MCP/)
        assert.lengthOf(log.all, 1)
        assert.notInclude(log.all[0], "heartbeat")
      })
    )
  }

  it.live("field A6: and ends its stream without an answer leaves the outcome unknown", () =>
    Effect.gen(function* () {
      for (const era of OddServers.eras) {
        const hub = yield* TestHub.make({ servers: { odd: yield* OddServers.start("http", era) } })
        const ada = yield* hub.connect(hub.ada)
        const { error } = yield* OddServers.call(hub, hub.ada, ada, "say", { line: noise.join("\n") })
        assert.deepStrictEqual([error?.code, error?.data?.kind], [1409, "outcome_unknown"])
      }
    })
  )
})

describe("a server that writes the members of other kinds of message as null", () => {
  const full = (id: string, said: object) =>
    `{"jsonrpc":"2.0","id":${id},${JSON.stringify({ method: null, params: null, result: null, error: null, ...said }).slice(1)}`
  const result = (ok: unknown) => ({ resultType: "complete", content: [], structuredContent: { ok } })
  const log = full("null", { method: "notifications/message", params: { level: "info", data: null } })

  for (const [transport, era] of OddServers.everywhere) {
    it.live(`field A1: is understood, over ${transport}, of a ${era} server`, () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make({ servers: { odd: yield* OddServers.start(transport, era) } })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const clients = [[ada, bo] as const, ["stateless", "stateless"] as const]
        for (const [adas, bos] of clients) {
          const holding = yield* Effect.forkChild(OddServers.call(hub, hub.bo, bos, "hold"), { startImmediately: true })
          const meta = { "io.modelcontextprotocol/logLevel": "info" }
          const say = (line: string) => OddServers.call(hub, hub.ada, adas, "say", { line }, meta)
          const brief = yield* say(full("$ID", { result: result(1) }))
          assert.deepStrictEqual(brief.result?.structuredContent, { ok: 1 }, JSON.stringify(brief.error))
          // A large one is not parsed, and an error that is long for its nulls is none.
          const large = "l".repeat(300_000)
          const long = yield* say(full("$ID", { result: result(large) }))
          assert.deepStrictEqual(long.result?.structuredContent, { ok: large }, JSON.stringify(long.error))
          const failed = yield* say(full("$ID", { error: { code: 7, message: "seven", data: null } }))
          assert.deepStrictEqual([failed.error?.code, failed.error?.message], [7, "seven"])
          const told = yield* say(`${log}\n${full("$ID", { result: result(2) })}`)
          assert.deepStrictEqual(told.result?.structuredContent, { ok: 2 })
          for (const message of told.before) {
            assert.deepStrictEqual(Object.keys(message).sort(), ["jsonrpc", "method", "params"])
          }
          yield* OddServers.call(hub, hub.ada, adas, "release")
          const held = yield* Fiber.join(holding)
          assert.deepStrictEqual([held.before, held.result.structuredContent], [[], { released: true }])
        }
      })
    )
  }

  it.live("field A1: an answer of a client that does so reaches the server that asked", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({
        tools: { asks: (call) => call.event({ jsonrpc: "2.0", id: 1, method: "roots/list" }) }
      })
      const hub = yield* TestHub.make({ servers: { odd: { url: upstream.url } } })
      const ada = yield* hub.connect(hub.ada, { capabilities: { roots: {} } })
      const bo = yield* hub.connect(hub.bo, { capabilities: { roots: {} } })
      const params = { name: "odd-asks", arguments: {} }
      const { next } = yield* ada.open({ jsonrpc: "2.0", id: 1, method: "tools/call", params })
      const { id } = (yield* next) as JsonRpcRequest
      const answer = { jsonrpc: "2.0", id, method: null, params: null, result: { roots: [] }, error: null }
      assert.strictEqual((yield* bo.send(answer)).status, 202)
      assert.strictEqual((yield* ada.send(answer)).status, 202)
      const { body } = yield* upstream.await(({ body }) => body?.method === undefined && body?.id === 1)
      assert.deepStrictEqual(body, { jsonrpc: "2.0", id: 1, result: { roots: [] } })
    })
  )
})

describe("a server that writes the id as a text", () => {
  const textual = answer.replace("$ID", '"$ID"')

  for (const [transport, era] of OddServers.everywhere) {
    it.live(`field A7: answers the call that has the number, over ${transport}, of a ${era} server`, () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make({ servers: { odd: yield* OddServers.start(transport, era) } })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const holding = yield* Effect.forkChild(OddServers.call(hub, hub.bo, bo, "hold"), { startImmediately: true })
        for (const client of [ada, "stateless"] as const) {
          const said = yield* OddServers.call(hub, hub.ada, client, "say", { line: textual })
          assert.deepStrictEqual(said.result?.structuredContent, { ok: 1 }, JSON.stringify(said.error))
          // What was to answer it and is none fails it at once in that form too.
          const broken = yield* OddServers.call(hub, hub.ada, client, "say", {
            line: '{"jsonrpc":"2.0","id":"$ID","result":{"a":NaN}}'
          })
          assert.strictEqual(broken.error?.data?.kind, "upstream_protocol")
          // Texts that are no number of the hub's own are nobody's.
          const other = yield* OddServers.call(hub, hub.ada, client, "say", {
            line: `${answer.replace("$ID", '"0$ID"').replace('"ok":1', '"ok":2')}\n${answer}`
          })
          assert.deepStrictEqual(other.result?.structuredContent, { ok: 1 })
        }
        yield* OddServers.call(hub, hub.ada, ada, "release")
        assert.deepStrictEqual((yield* Fiber.join(holding)).result.structuredContent, { released: true })
      })
    )
  }
})
