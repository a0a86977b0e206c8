import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Queue, Schema } from "effect"
import { ServerPlaces } from "../../../../src/actors/upstream/guards/ServerPlaces.ts"
import { defaults, HubConfig } from "../../../../src/domain/config/HubConfig.ts"
import { ScriptedHttpUpstream, type ScriptedCall } from "../../../../src/testkit/index.ts"
import { contextOf } from "../support/HttpCalls.ts"
import { upstreams } from "../support/UpstreamSessions.ts"

const fresh = (maxInflightPerServer: number) =>
  ServerPlaces.layer.pipe(Layer.provide(Layer.succeed(HubConfig, { ...defaults, maxInflightPerServer })))

const asking = (username: string, server: string, maxInflight?: number) => ({
  server,
  config: maxInflight === undefined ? {} : { options: { maxInflight } },
  context: contextOf(username)
})

const idOf = (username: string) => contextOf(username).principal.userId

describe("a connection", () => {
  it.live(
    "A34: that is open already refuses what is beyond its user's places, and what the hub asks itself never",
    () =>
      Effect.gen(function* () {
        const arrived = yield* Queue.unbounded<ScriptedCall>()
        const { url } = yield* ScriptedHttpUpstream.make({
          methods: { "prompts/get": (call) => void Queue.offerUnsafe(arrived, call) }
        })
        const { services, session } = yield* upstreams({ notes: { url } }, { maxInflightPerServer: 1 })
        const [ada, bo] = [yield* session("ada"), yield* session("bo")]
        const send = Effect.fnUntraced(function* (of: typeof ada, own: boolean) {
          const connection = yield* of.get("notes")
          const params = { name: "one" }
          return yield* connection.request({
            method: "prompts/get",
            params,
            context: of.context(),
            own,
            onMessage: () => {}
          })
        })
        const first = yield* Effect.forkChild(send(ada, false))
        const held = [yield* Queue.take(arrived)]
        const error = yield* Effect.flip(send(ada, false))
        assert.strictEqual(error._tag, "ServerOverloaded")
        const others = [yield* Effect.forkChild(send(ada, true)), yield* Effect.forkChild(send(bo, false))]
        held.push(yield* Queue.take(arrived), yield* Queue.take(arrived))
        const places = Context.get(services, ServerPlaces)
        const taken = () => ["ada", "bo"].map((name) => places.taken(idOf(name), "notes"))
        assert.deepStrictEqual(taken(), [2, 1])
        for (const call of held) call.result({ messages: [] })
        for (const fiber of [first, ...others]) yield* Fiber.join(fiber)
        assert.deepStrictEqual(taken(), [0, 0])
      })
  )
})

describe("ServerPlaces", () => {
  it.effect("A34: does nothing of what it refuses, and says so before anything can wait", () =>
    Effect.gen(function* () {
      const places = yield* ServerPlaces
      let done = 0
      const count = Effect.sync(() => ++done)
      const inside = places.within(asking("ada", "files"), places.within(asking("ada", "files"), count))
      const error = yield* Effect.flip(places.within(asking("ada", "files"), inside))
      assert.strictEqual(error._tag, "ServerOverloaded")
      assert.strictEqual(done, 0)
      yield* inside
      assert.strictEqual(done, 1)
    }).pipe(Effect.provide(fresh(2)))
  )

  it.effect.prop(
    "A34: whoever takes places at whatever server, the counts are what is held, and nothing is left of what has ended",
    {
      steps: Schema.Array(
        Schema.Struct({
          user: Schema.Literals(["ada", "bo"]),
          server: Schema.Literals(["files", "notes"]),
          own: Schema.Boolean,
          ends: Schema.Literals(["never", "succeeds", "fails", "dies"])
        })
      )
    },
    ({ steps }) =>
      Effect.gen(function* () {
        const places = yield* ServerPlaces
        const held = new Map<string, number>()
        const running: Array<Fiber.Fiber<unknown, unknown>> = []
        for (const { ends, own, server, user } of steps) {
          const key = `${user} ${server}`
          const before = held.get(key) ?? 0
          const max = server === "files" ? 3 : 2
          const use = {
            never: Effect.never,
            succeeds: Effect.void,
            fails: Effect.fail("wrong"),
            dies: Effect.die("defect")
          }[ends]
          const at = asking(user, server, server === "files" ? 3 : undefined)
          const fiber = yield* Effect.forkChild((own ? places.beside : places.within)(at, use), {
            startImmediately: true
          })
          const isRefused = !own && before >= max
          if (ends === "never" && !isRefused) {
            held.set(key, before + 1)
            running.push(fiber)
          } else {
            const exit = yield* Fiber.await(fiber)
            assert.strictEqual(Exit.isSuccess(exit), ends === "succeeds" && !isRefused)
          }
          for (const name of ["ada", "bo"]) {
            for (const one of ["files", "notes"]) {
              assert.strictEqual(places.taken(idOf(name), one), held.get(`${name} ${one}`) ?? 0)
            }
          }
        }
        yield* Fiber.interruptAll(running)
        for (const name of ["ada", "bo"]) {
          for (const one of ["files", "notes"]) assert.strictEqual(places.taken(idOf(name), one), 0)
        }
      }).pipe(Effect.provide(fresh(2)))
  )
})
