import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { messageUnits } from "../../../../src/actors/upstream/connection/PacedReading.ts"
import { maxBatch } from "../../../../src/domain/protocol/json/ServerMessages.ts"
import * as StdioConnection from "../../../../src/actors/upstream/stdio/StdioConnection.ts"
import type { UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { success } from "../../../../src/domain/protocol/JsonRpc.ts"
import { contextOf } from "../support/StdioCalls.ts"

/** A connection whose two ends of the wire are in the test's hands. */
const talk = ({ severalUsers = false } = {}) => {
  const sent: Array<any> = []
  const outside: Array<UpstreamMessage> = []
  const counts = { late: 0, noise: 0 }
  const worked: Array<readonly [username: string, units: number]> = []
  const connection = StdioConnection.make({
    server: "scripted",
    send: (line) => {
      sent.push(JSON.parse(line as string))
      return true
    },
    onMessage: (message) => void outside.push(message),
    onLate: () => counts.late++,
    onNoise: () => counts.noise++,
    onDefect: () => assert.fail("no receiver fails here"),
    scrub: (error) => error,
    severalUsers,
    onWork: ({ context: { principal } }, units) => void worked.push([principal.username, units]),
    tag: true
  })
  const receive = (message: unknown) => connection.receive(JSON.stringify(message))
  const start = (method: string, onMessage: (message: UpstreamMessage) => void = () => {}, username = "ada") =>
    Effect.forkChild(connection.request({ method, params: {}, context: contextOf(username), onMessage }), {
      startImmediately: true
    })
  return { connection, counts, outside, receive, sent, start, worked }
}

describe("StdioConnection", () => {
  it.effect("gives answers in any order, also in one batch, to the calls they answer", () =>
    Effect.gen(function* () {
      const { receive, sent, start } = talk()
      const first = yield* start("tools/call")
      const second = yield* start("tools/call", undefined, "bo")
      const [a, b] = sent.map(({ id }) => id)
      assert.notStrictEqual(a, b)
      receive([
        { jsonrpc: "2.0", id: b, result: "for the second" },
        { jsonrpc: "2.0", id: a, result: "for the first" }
      ])
      assert.strictEqual(yield* Fiber.join(first), "for the first")
      assert.strictEqual(yield* Fiber.join(second), "for the second")
    })
  )

  it.effect(
    "A53: gives what names no call to the only one in flight where one user has the connection, and never else",
    () =>
      Effect.gen(function* () {
        const question = { jsonrpc: "2.0", id: "q", method: "elicitation/create", params: {} }
        const line = { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "of a call" } }
        for (const severalUsers of [false, true]) {
          const { outside, receive, sent, start } = talk({ severalUsers })
          const inside: Array<UpstreamMessage> = []
          yield* start("tools/call", (message) => void inside.push(message), "bo")
          assert.lengthOf(sent, 1)
          receive(question)
          receive(line)
          assert.lengthOf(severalUsers ? outside : inside, 2)
          assert.lengthOf(severalUsers ? inside : outside, 0)
        }
      })
  )

  it.effect("B43: an answer costs nothing, since its request has paid; whatever else the server says does", () =>
    Effect.gen(function* () {
      const { connection, receive, sent, start } = talk()
      yield* start("tools/call")
      const answer = { jsonrpc: "2.0", id: sent[0].id, result: {} }
      const said = { jsonrpc: "2.0", method: "shouts/x" }
      assert.strictEqual(receive(said), messageUnits)
      assert.strictEqual(receive([said, answer, said]), 2 * messageUnits)
      assert.strictEqual(receive(answer), messageUnits)
      assert.strictEqual(connection.receive("no JSON"), messageUnits)
    })
  )

  it.effect("B46: says whose call a message belongs to, and nobody's what names none", () =>
    Effect.gen(function* () {
      const { receive, sent, start, worked } = talk({ severalUsers: true })
      yield* start("tools/call", undefined, "ada")
      yield* start("tools/call", undefined, "bo")
      const of = ({ params: { _meta } }: any) =>
        receive({ jsonrpc: "2.0", method: "notifications/message", params: { _meta } })
      of(sent[1])
      receive({ jsonrpc: "2.0", method: "shouts/x" })
      receive({ jsonrpc: "2.0", id: sent[0].id, result: {} })
      assert.deepStrictEqual(worked, [["bo", messageUnits]])
    })
  )

  it.effect("B43: drops a batch that is too long to be dealt with at once", () =>
    Effect.gen(function* () {
      const { counts, outside, receive } = talk()
      const batch = (count: number) => Array.from({ length: count }, () => ({ jsonrpc: "2.0", method: "shouts/x" }))
      receive(batch(maxBatch))
      assert.lengthOf(outside, maxBatch)
      receive(batch(maxBatch + 1))
      assert.lengthOf(outside, maxBatch)
      assert.strictEqual(counts.noise, 1)
    })
  )

  it.effect("never cancels initialize, as the protocol demands, and every other request once", () =>
    Effect.gen(function* () {
      const { sent, start } = talk()
      yield* Fiber.interrupt(yield* start("initialize"))
      assert.deepStrictEqual(
        sent.map(({ method }) => method),
        ["initialize"]
      )
      yield* Fiber.interrupt(yield* start("tools/call"))
      assert.deepStrictEqual(
        sent.map(({ method }) => method),
        ["initialize", "tools/call", "notifications/cancelled"]
      )
      assert.strictEqual(sent[2].params.requestId, sent[1].id)
    })
  )

  it.effect("brings the cancellation of a server's request where that request went", () =>
    Effect.gen(function* () {
      const { outside, receive, start } = talk()
      const inside: Array<string> = []
      yield* start("tools/call", ({ method }) => void inside.push(method))
      receive({ jsonrpc: "2.0", id: "q", method: "sampling/createMessage", params: {} })
      yield* start("tools/call")
      receive({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "q" } })
      assert.deepStrictEqual(inside, ["sampling/createMessage", "notifications/cancelled"])
      assert.lengthOf(outside, 0)
    })
  )

  it.effect("sends neither a second answer nor one that was not asked for", () =>
    Effect.gen(function* () {
      const { connection, receive, sent } = talk()
      yield* connection.respond(success("never asked", {}))
      receive({ jsonrpc: "2.0", id: "q", method: "roots/list" })
      yield* connection.respond(success("q", { roots: [] }))
      yield* connection.respond(success("q", { roots: ["again"] }))
      assert.deepStrictEqual(sent, [{ jsonrpc: "2.0", id: "q", result: { roots: [] } }])
    })
  )

  it.effect("passes the client's notifications on, but no cancellation under an id the server does not know", () =>
    Effect.gen(function* () {
      const { connection, sent } = talk()
      yield* connection.notify("notifications/roots/list_changed", undefined)
      yield* connection.notify("notifications/cancelled", { requestId: 1 })
      yield* connection.notify("notifications/initialized", undefined)
      assert.deepStrictEqual(sent, [{ jsonrpc: "2.0", method: "notifications/roots/list_changed" }])
    })
  )

  it.effect("counts answers and progress that belong to nothing, and shows them to nobody", () =>
    Effect.gen(function* () {
      const { counts, outside, receive, start } = talk()
      const seen: Array<UpstreamMessage> = []
      yield* start("tools/call", (message) => void seen.push(message))
      receive({ jsonrpc: "2.0", id: 77, result: {} })
      receive({ jsonrpc: "2.0", id: "01", result: {} })
      for (const progressToken of [1, "mcphub-1", "mcphub-77", null]) {
        receive({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, progress: 1 } })
      }
      assert.deepStrictEqual(counts, { late: 2, noise: 4 })
      assert.lengthOf(seen, 0)
      assert.lengthOf(outside, 0)
    })
  )

  it.effect("remembers a bounded number of the server's requests and refuses the rest", () =>
    Effect.sync(() => {
      const { outside, receive, sent } = talk()
      for (let id = 0; id < 1_100; id++) receive({ jsonrpc: "2.0", id, method: "roots/list" })
      assert.lengthOf(outside, 1_024)
      assert.lengthOf(sent, 76)
      assert.strictEqual(sent[0].error.code, -32603)
    })
  )
})
