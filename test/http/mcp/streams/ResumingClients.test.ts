import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { eventually, log, progress, pushable, start } from "../../support/BrokenConnections.ts"
import { resuming } from "../../support/OfficialClients.ts"

describe("the official clients, whose connections are cut while they wait", () => {
  for (const generation of ["1.x", "2.x"] as const) {
    it.live(`SDK ${generation} gets its answer, its progress and its notifications, each once`, () =>
      Effect.gen(function* () {
        const { bo, hold, hub, proxy, upstream } = yield* start()
        const bos = yield* bo.stream
        const seen: Array<unknown> = []
        const client = yield* resuming(generation, proxy.url, hub.ada, (data) => void seen.push(data))
        const steps: Array<number> = []
        const calling = yield* Effect.forkChild(
          Effect.promise(() => client.callTool("files-hold", ({ progress }) => void steps.push(progress)))
        )
        const held = yield* hold.arrived
        progress(held, 1)
        yield* eventually(() => steps.length === 1)
        yield* pushable(upstream, 1)
        upstream.push(log("before"))
        yield* eventually(() => seen.length === 1)
        proxy.hold()
        yield* proxy.cut
        progress(held, 2)
        upstream.push(log("meanwhile"))
        held.content({ done: true })
        proxy.restore()
        assert.deepStrictEqual(((yield* Fiber.join(calling)) as any).structuredContent, { done: true })
        yield* eventually(() => seen.length === 2)
        assert.deepStrictEqual(
          [steps, seen],
          [
            [1, 2],
            ["before", "meanwhile"]
          ]
        )
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
        assert.strictEqual(yield* bo.end, 204)
        assert.deepStrictEqual(yield* bos.rest, [])
      })
    )

    it.live(`SDK ${generation}, told an error on a stream, comes back at most once for more`, () =>
      Effect.gen(function* () {
        const { hold, hub } = yield* start()
        const came: Array<number> = []
        const recording: typeof fetch = async (input, init) => {
          const answer = await fetch(input, init)
          if (new Headers(init?.headers).has("last-event-id")) came.push(answer.status)
          return answer
        }
        const client = yield* resuming(generation, hub.url, hub.ada, () => {}, recording)
        const calling = yield* Effect.forkChild(
          Effect.promise(() => client.callTool("files-hold", () => {}).catch((error: unknown) => error))
        )
        const held = yield* hold.arrived
        progress(held, 1)
        held.error(-32000, "No luck")
        assert.match(String(yield* Fiber.join(calling)), /No luck/)
        for (let n = 0; n < 50; n++) yield* Effect.promise(() => client.callTool("files-echo"))
        assert.include([[], [204]].map(String), String(came))
      })
    )

    it.effect(`SDK ${generation} gets the answer of a call that was silent`, () =>
      Effect.gen(function* () {
        const { hold, hub, proxy } = yield* start()
        const client = yield* resuming(generation, proxy.url, hub.ada)
        const tokens: Array<string> = []
        const calling = yield* Effect.forkChild(
          Effect.promise(() => client.callTool("files-hold", undefined, (token) => void tokens.push(token)))
        )
        const held = yield* hold.arrived
        yield* TestClock.adjust("2 seconds")
        yield* eventually(() => tokens.length === 1)
        yield* proxy.cut
        held.content({ silent: true })
        assert.deepStrictEqual(((yield* Fiber.join(calling)) as any).structuredContent, { silent: true })
      })
    )
  }
})
