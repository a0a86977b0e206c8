import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { memoryOf, until } from "../../support/Memory.ts"

const start = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      large: (call) => call.content({ text: "x".repeat(400_000) }),
      never: () => {}
    }
  })
  // A quarter of it is for the answers of batches.
  const hub = yield* TestHub.make({
    servers: { files: { url: upstream.url } },
    config: { maxMemoryPerUser: 16_000_000 }
  })
  const connect = (user: typeof hub.ada) => hub.connect(user, { protocolVersion: "2025-03-26" })
  const [ada, bo] = yield* Effect.all([connect(hub.ada), connect(hub.bo)])
  for (const client of [ada, bo]) yield* client.toolNames
  return { upstream, hub, ada, bo, ...memoryOf(hub.services) }
})

const batch = (...tools: ReadonlyArray<string>) =>
  tools.map((name, id) => ({ jsonrpc: "2.0", id, method: "tools/call", params: { name: `files-${name}` } }))

describe("the answers of a batch", () => {
  it.live("A63: beyond their user's room leave as a stream, all of them; bo's come as one array", () =>
    Effect.gen(function* () {
      const { ada, bo, hub, retained } = yield* start
      const streamed = yield* ada.send(batch(...Array.from({ length: 8 }, () => "large")))
      assert.include(streamed.headers["content-type"], "text/event-stream")
      const answers = streamed.text
        .split("\n")
        .flatMap((line) => (line.startsWith("data: {") ? [JSON.parse(line.slice(6))] : []))
      assert.deepStrictEqual(
        answers.map(({ id, result }) => [id, result.structuredContent.text.length]).sort(),
        Array.from({ length: 8 }, (_, id) => [id, 400_000])
      )
      const plain = yield* bo.send(batch("large", "large"))
      assert.include(plain.headers["content-type"], "application/json")
      assert.deepStrictEqual(
        JSON.parse(plain.text)
          .map(({ id }: any) => id)
          .sort(),
        [0, 1]
      )
      assert.isAtLeast(retained.refused("batches"), 1)
      assert.strictEqual(retained.held("batches"), 0)
      assert.strictEqual(retained.heldBy(hub.ada.user.id).batches, 0)
    })
  )

  it.live("A63: are counted while they wait, and no longer once their client has gone", () =>
    Effect.gen(function* () {
      const { ada, bo, hub, retained } = yield* start
      const held = () => retained.heldBy(hub.ada.user.id).batches
      const open = yield* Effect.forkChild(ada.open(batch("large", "large", "never")))
      yield* until(() => held() > 800_000)
      assert.strictEqual(retained.heldBy(hub.bo.user.id).batches, 0)
      assert.deepStrictEqual(yield* bo.request("ping"), {})
      yield* ada.end
      yield* until(() => held() === 0)
      open.interruptUnsafe()
    })
  )
})
