import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { BodyBytes } from "../../../src/actors/limits/BodyBytes.ts"
import { Retained } from "../../../src/actors/limits/Retained.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../src/testkit/index.ts"
import { eventually } from "../../support/Eventually.ts"
import { begin, open, untilClosed } from "../support/HalfBodies.ts"

const start = Effect.fnUntraced(function* (bodyTimeout?: number) {
  const upstream = yield* ScriptedHttpUpstream.make()
  const hub = yield* TestHub.make({
    servers: { files: { url: upstream.url } },
    ...(bodyTimeout === undefined ? {} : { config: { bodyTimeout } })
  })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { upstream, hub, ada, bo, bodies: Context.get(hub.services, BodyBytes) }
})

describe("a body that does not come to its end", () => {
  it.live("A50: is answered 408 and closed; meanwhile the other user is served, and afterwards this one", () =>
    Effect.gen(function* () {
      const { ada, bo, bodies, hub } = yield* start(5_000)
      const sockets = yield* Effect.replicateEffect(open(hub.url, begin(ada.headers, 1_000)), 200)
      let answered = 0
      for (const socket of sockets) socket.once("data", () => answered++)
      const closed = yield* Effect.forkChild(Effect.all(sockets.map(untilClosed), { concurrency: "unbounded" }), {
        startImmediately: true
      })
      yield* eventually(Effect.sync(bodies.held), (held) => held === 200, { every: "5 millis" })
      assert.deepStrictEqual(yield* bo.request("ping"), {})
      assert.strictEqual(answered, 0)
      for (const text of yield* Fiber.join(closed)) {
        assert.match(text, /^HTTP\/1.1 408 [^]*connection: close[^]*"kind":"body_too_slow"/i)
      }
      assert.strictEqual(bodies.held(), 0)
      assert.deepStrictEqual(yield* ada.request("ping"), {})
    })
  )

  it.live("A50: has no more time for its bytes coming one by one", () =>
    Effect.gen(function* () {
      const { ada, bo, hub } = yield* start(500)
      const socket = yield* open(hub.url, begin(ada.headers, 1_000_000))
      const drip = setInterval(() => socket.write(" "), 20)
      const text = yield* Effect.ensuring(
        untilClosed(socket),
        Effect.sync(() => clearInterval(drip))
      )
      assert.match(text, /^HTTP\/1.1 408 /)
      assert.deepStrictEqual(yield* bo.request("ping"), {})
    })
  )

  it.live("A50: counts for its user, who is told to wait beyond the limit; the other user is not", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const maxMemoryPerUser = 4 * 1024 * 1024
      const config = { maxMemoryPerUser, maxAnswerBytesPerUser: maxMemoryPerUser }
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const bodies = Context.get(hub.services, BodyBytes)
      const half = Buffer.alloc(50_000, " ")
      const count = Math.floor(bodies.max / half.length)
      const sockets = yield* Effect.replicateEffect(open(hub.url, begin(ada.headers, 1_000, half)), count)
      yield* eventually(Effect.sync(bodies.held), (held) => held === count * half.length, { every: "5 millis" })
      const refused = yield* Effect.flatMap(open(hub.url, begin(ada.headers, 1_000, half)), untilClosed)
      assert.match(refused, /^HTTP\/1.1 429 [^]*retry-after: \d+[^]*"kind":"too_many_bodies"/i)
      const pad = "x".repeat(3_000_000)
      assert.deepStrictEqual(yield* bo.request("ping", { pad }), {})
      yield* eventually(Effect.sync(bodies.held), (held) => held === count * half.length, { every: "5 millis" })
      for (const socket of sockets) socket.destroy()
      yield* eventually(Effect.sync(bodies.held), (held) => held === 0, { every: "5 millis" })
      assert.deepStrictEqual(yield* ada.request("ping", { pad }), {})
    })
  )

  it.live("A50: counts for its user as it grows, and for nobody once it has come", () =>
    Effect.gen(function* () {
      const { ada, hub } = yield* start()
      const retained = Context.get(hub.services, Retained)
      const held = Effect.sync(() => [hub.ada, hub.bo].map(({ user }) => retained.heldBy(user.id).bodies))
      const becomes = (bytes: number) =>
        Effect.map(
          eventually(held, ([adas]) => adas === bytes, { every: "5 millis" }),
          (now) => assert.deepStrictEqual(now, [bytes, 0])
        )
      const message = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping", params: { pad: "x".repeat(50_000) } })
      const parts = [message.slice(0, 20_000), message.slice(20_000, 45_000), message.slice(45_000)] as const
      const socket = yield* open(hub.url, begin(ada.headers, message.length - parts[0].length, parts[0]))
      yield* becomes(20_000)
      socket.write(parts[1])
      yield* becomes(45_000)
      const answered = yield* Effect.forkChild(
        Effect.callback<string>((resume) => void socket.once("data", (text) => resume(Effect.succeed(String(text))))),
        { startImmediately: true }
      )
      socket.write(parts[2])
      assert.match(yield* Fiber.join(answered), /^HTTP\/1.1 200 /)
      yield* becomes(0)
    })
  )
})
