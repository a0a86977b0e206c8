/** A throw in what the platform or a fiber calls back ends what it was called for, and leaves another user's alone. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Logger, References } from "effect"
import process from "node:process"
import { RequestTracker } from "../../src/actors/requests/RequestTracker.ts"
import * as ChildSpawner from "../../src/actors/upstream/spawner/ChildSpawner.ts"
import * as StdioChild from "../../src/actors/upstream/stdio/StdioChild.ts"
import { ScriptedHttpUpstream } from "../../src/testkit/index.ts"
import { ada, bo, call, test } from "./support/Requests.ts"
import * as Http from "./upstream/support/HttpCalls.ts"

const boom = (): never => {
  throw new Error("canary-ada-github")
}

/** Lines of the log, with their notes. */
const listening = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ fiber, message }) => {
    lines.push(JSON.stringify([message, fiber.getRef(References.CurrentLogAnnotations)]))
  })
  return { lines, layer: Logger.layer([logger]) }
}

describe("an exception in a callback", () => {
  it.live("B38: of a child's output ends that child, and the other user's goes on", () => {
    const { layer, lines } = listening()
    const start = Effect.fnUntraced(function* (username: string) {
      const heard = yield* Deferred.make<string>()
      const child = yield* StdioChild.open({
        spawn: yield* ChildSpawner.make,
        command: "/bin/cat",
        args: [],
        env: {},
        cwd: process.cwd(),
        subject: { server: `files-of-${username}` },
        maxLineBytes: 1_000,
        maxStdinBytes: 1_000,
        killAfterMs: 1_000,
        onLine: (line) => {
          if (line === "boom") boom()
          Deferred.doneUnsafe(heard, Effect.succeed(line))
          return 0
        },
        onOverflow: () => {},
        spend: () => undefined
      })
      return { child, heard: Deferred.await(heard) }
    })
    return Effect.gen(function* () {
      const [adas, bos] = [yield* start("ada"), yield* start("bo")]
      adas.child.send("boom")
      const { code, signal } = yield* adas.child.exited
      assert.isTrue(code !== 0 || signal !== null)
      bos.child.send("hello")
      assert.strictEqual(yield* bos.heard, "hello")
      assert.lengthOf(lines, 1)
      assert.include(lines[0], "files-of-ada")
      assert.notInclude(lines[0], "canary")
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.live("B38: of an exchange over HTTP fails its call, and the other user's goes on", () => {
    const { layer, lines } = listening()
    return Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({
        tools: {
          talk: (one) => {
            one.event({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: 1 } })
            one.content({ talked: true })
          }
        }
      })
      const [adas, bos] = yield* Effect.all([
        Http.connect(upstream.url, Http.contextOf("ada")),
        Http.connect(upstream.url, Http.contextOf("bo"))
      ])
      const failed = yield* Effect.flip(Http.callTool(adas, Http.contextOf("ada"), "talk", {}, { onMessage: boom }))
      assert.deepInclude(failed, { _tag: "UpstreamFailed", reason: "closed" })
      const answered = yield* Http.callTool(bos, Http.contextOf("bo"), "talk")
      assert.deepStrictEqual(Http.contentOf(answered), { talked: true })
      assert.isTrue(lines.some((line) => line.includes('"frames"') && line.includes("ada")))
      assert.isFalse(lines.some((line) => line.includes("canary")))
    }).pipe(Effect.scoped, Effect.provide([Http.layer(), layer]))
  })

  it.live("B38: of a request's end leaves no request behind, and the other user's has its own end", () => {
    const { layer, lines } = listening()
    return Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const fork = Effect.runForkWith(yield* Effect.context<never>())
      const go = yield* Deferred.make<string>()
      const ended = yield* Deferred.make<Exit.Exit<string, unknown>>()
      let ends = 0
      tracker.start(
        call(ada),
        () => Deferred.await(go),
        fork,
        () => {
          ends++
          boom()
        }
      )
      tracker.start(
        call(bo),
        () => Deferred.await(go),
        fork,
        (exit) => {
          Deferred.doneUnsafe(ended, Effect.succeed(exit))
        }
      )
      yield* Deferred.succeed(go, "done")
      assert.deepStrictEqual(yield* Deferred.await(ended), Exit.succeed("done"))
      assert.strictEqual(ends, 1)
      assert.lengthOf(yield* tracker.pending, 0)
      assert.lengthOf(lines, 1)
      assert.include(lines[0], ada.userId)
    }).pipe(Effect.provide(test), Effect.provide(layer))
  })
})
