/** Messages that no specification foresees, as servers of the field send them beside an answer or in its place. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import * as Logging from "../../../../src/actors/observing/Logging.ts"
import { LogOutput, LogSink } from "../../../../src/actors/observing/LogOutput.ts"
import { TestHub } from "../../../../src/testkit/index.ts"
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
