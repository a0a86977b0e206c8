/** Progress that the hub itself asks for, because it extends a call's time, where the client asked for none. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { metaKeys } from "../../../../src/domain/protocol/eras/RequestMeta.ts"
import { type HubUser, type McpClient, TestHub } from "../../../../src/testkit/index.ts"
import type { RunningHub } from "../../../../src/testkit/TestHub.ts"
import * as OddServers from "../../support/OddServers.ts"
import { requestOf } from "../../support/StatelessClient.ts"

const options = { timeout: 5_000, resetTimeoutOnProgress: true, maxTotalTimeout: 12_000 }

/** A call that waits, of a client that wants log messages and gave no progress token. */
const hold = (hub: RunningHub, user: HubUser, client: McpClient.McpClient | "stateless") => {
  const params = { name: "odd-hold", arguments: {} }
  return client === "stateless"
    ? hub.http.open(requestOf(user, "tools/call", params, { meta: { [metaKeys.logLevel]: "debug" } }))
    : client.open({ jsonrpc: "2.0", id: 1, method: "tools/call", params })
}

describe("a client that asks for no progress, where progress extends a call", () => {
  for (const [transport, era] of OddServers.everywhere) {
    for (const client of OddServers.eras) {
      it.effect(`field A5: its call goes on while a ${era} server over ${transport} is at work, ${client} client`, () =>
        Effect.gen(function* () {
          const servers = { odd: yield* OddServers.start(transport, era, { options }) }
          const hub = yield* TestHub.make({ servers })
          const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
          const [adas, bos] = client === "stateless" ? (["stateless", "stateless"] as const) : ([ada, bo] as const)
          const beat = OddServers.call(hub, hub.ada, adas, "beat")
          // The lists are known from here on: what follows reaches the server in this order.
          for (const [user, by] of [[hub.ada, adas] as const, [hub.bo, bos] as const]) {
            assert.deepStrictEqual((yield* OddServers.call(hub, user, by, "who")).result.structuredContent, {
              name: "who"
            })
          }
          const busy = yield* Effect.forkChild(hold(hub, hub.ada, adas), { startImmediately: true })
          yield* OddServers.call(hub, hub.ada, adas, "who")
          const silent = yield* Effect.forkChild(hold(hub, hub.bo, bos), { startImmediately: true })
          yield* OddServers.call(hub, hub.bo, bos, "who")
          yield* TestClock.adjust("4 seconds")
          yield* beat
          const { next, rest } = yield* Fiber.join(busy)
          // The log message, which came after the progress: that is the hub's own affair.
          assert.deepInclude(yield* next, { method: "notifications/message" })
          yield* TestClock.adjust("1 seconds")
          const [bosError, ...more] = yield* Effect.flatMap(Fiber.join(silent), (answer) => answer.rest)
          assert.strictEqual((bosError as any).error.code, 1408)
          assert.lengthOf(more, 0)
          yield* TestClock.adjust("3 seconds")
          yield* beat
          assert.deepInclude(yield* next, { method: "notifications/message" })
          yield* OddServers.call(hub, hub.ada, adas, "release")
          const [answer] = (yield* rest) as ReadonlyArray<any>
          assert.deepStrictEqual(answer.result.structuredContent, { released: true })
        })
      )
    }
  }
})
