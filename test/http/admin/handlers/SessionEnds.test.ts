/** The operations that shut somebody out, as the local door of a running hub serves them. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Queue } from "effect"
import { RpcTest } from "effect/rpc"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { KeyHandlers } from "../../../../src/http/admin/handlers/KeyHandlers.ts"
import { UserHandlers } from "../../../../src/http/admin/handlers/UserHandlers.ts"
import { KeyOperations } from "../../../../src/http/admin/operations/KeyOperations.ts"
import { UserOperations } from "../../../../src/http/admin/operations/UserOperations.ts"
import { type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

/** A hub whose upstream lets nobody go before the test does: `leaving` is the next who asks to. */
const start = Effect.gen(function* () {
  const held = yield* Queue.unbounded<ScriptedCall>()
  const upstream = yield* ScriptedHttpUpstream.make({
    methods: { DELETE: (call) => void Queue.offerUnsafe(held, call) }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const release = (call: ScriptedCall): void => {
    if (!call.response.headersSent) call.status(204)
  }
  const taken: Array<ScriptedCall> = []
  const leaving = Effect.tap(Queue.take(held), (call) => Effect.sync(() => taken.push(call)))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      upstream.script("DELETE", release)
      for (const call of [...taken, ...Effect.runSync(Queue.clear(held))]) release(call)
    })
  )
  const handlers = yield* Layer.build(Layer.merge(KeyHandlers, UserHandlers)).pipe(Effect.provideContext(hub.services))
  const operations = yield* RpcTest.makeClient(KeyOperations.merge(UserOperations)).pipe(
    Effect.provideContext(handlers)
  )
  return { hub, operations, leaving, sessions: Context.get(hub.services, Sessions) }
})

type Operations = Effect.Success<typeof start>["operations"]

describe("beside a running hub", () => {
  for (const [what, act] of [
    ["revoking a key", (operations: Operations, key: string) => operations.keyRevoke({ key })],
    ["disabling a user", (operations: Operations) => operations.userSetActive({ user: "ada", isActive: false })],
    ["removing a user", (operations: Operations) => operations.userRemove({ user: "ada" })]
  ] as const) {
    it.effect(`${what} returns when nothing is left of the sessions concerned, and bo's go on`, () =>
      Effect.gen(function* () {
        const { hub, leaving, operations, sessions } = yield* start
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        for (const client of [ada, bo]) yield* client.callTool("files-echo", { n: 1 })
        const acting = yield* Effect.forkChild(act(operations, hub.ada.row.id))
        const farewell = yield* leaving
        assert.strictEqual(farewell.received.headers["x-mcphub-user-id"], hub.ada.user.id)
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { n: 2 }), { n: 2 })
        assert.isUndefined(acting.pollUnsafe(), "a connection of ada's still stands")
        farewell.status(204)
        yield* Fiber.join(acting)
        assert.deepStrictEqual(
          (yield* sessions.list).map(({ username }) => username),
          ["bo"]
        )
        assert.strictEqual((yield* ada.send({ jsonrpc: "2.0", id: 1, method: "ping" })).status, 401)
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { n: 3 }), { n: 3 })
      })
    )
  }

  it.effect("enabling a user ends nothing", () =>
    Effect.gen(function* () {
      const { hub, operations, sessions } = yield* start
      const ada = yield* hub.connect(hub.ada)
      yield* operations.userSetActive({ user: "ada", isActive: true })
      assert.deepStrictEqual(yield* ada.request("ping"), {})
      assert.strictEqual(sessions.size(), 1)
    })
  )
})
