import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { AuditTrail } from "../../../../src/actors/observing/AuditTrail.ts"
import { FairShare } from "../../../../src/actors/limits/FairShare.ts"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { newsRate } from "../../../../src/actors/session/ServerNews.ts"
import { AuditLog } from "../../../../src/domain/records/AuditLog.ts"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { faults, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import { loudHttp } from "../../../support/LoudHttp.ts"
import * as Programs from "../../../support/Programs.ts"

const server = {
  "an event stream": Effect.map(ScriptedHttpUpstream.make(loudHttp()), ({ url }): ServerConfig => ({ url })),
  "the output of a process": Effect.succeed<ServerConfig>({ ...Programs.command("test/support/loud-stdio.ts") })
}
type Kind = keyof typeof server
const kinds = Object.keys(server) as ReadonlyArray<Kind>

/** A hub with one server that floods when it is told to, and a session of each user with a connection to it. */
const start = Effect.fnUntraced(function* (kind: Kind, config: Partial<HubConfigShape>) {
  const hub = yield* TestHub.make({ servers: { loud: { ...(yield* server[kind]), isolation: "session" } }, config })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  for (const client of [ada, bo]) yield* client.callTool("loud-echo")
  const metrics = Context.get(hub.services, HubMetrics)
  const tracked = { ada: 0, bo: 0 }
  Context.get(hub.services, RequestTracker).onEnded(({ record: { kind, userId } }) => {
    if (kind === "notification") tracked[userId === hub.ada.user.id ? "ada" : "bo"]++
  })
  /** Messages of the flood that the hub has dealt with. */
  const dealtWith = () =>
    tracked.ada +
    metrics.value("mcphub_server_messages_dropped_total") +
    metrics.value("mcphub_server_messages_coalesced_total")
  return { ada, bo, dealtWith, hub, metrics, tracked }
})

for (const kind of kinds) {
  describe(`a server that floods ${kind} of one user`, () => {
    it.effect("B43: is read no faster than that user's share while the other is active, whose calls are answered", () =>
      Effect.gen(function* () {
        const { ada, bo, dealtWith, tracked } = yield* start(kind, { fairShare: 40 })
        yield* TestClock.adjust("2 seconds")
        yield* bo.callTool("loud-echo", { bo: "is here" })
        const shouting = yield* Effect.forkChild(ada.callTool("loud-shout", { ms: 100 }))
        yield* eventually(Effect.sync(dealtWith), (count) => count > 10)
        // No time passes, and so no share comes back: what is read is what one burst allows.
        for (let id = 0; id < 10; id++) assert.deepStrictEqual(yield* bo.callTool("loud-echo", { id }), { id })
        assert.isBelow(dealtWith(), 300)
        while (shouting.pollUnsafe() === undefined) {
          yield* TestClock.adjust("100 millis")
          yield* Effect.promise(() => new Promise(setImmediate))
        }
        // Behind the flood, and whole.
        assert.property(yield* Fiber.join(shouting), kind === "an event stream" ? "shouted" : "ms")
        assert.strictEqual(tracked.bo, 0)
      })
    )

    it.live("B44: with the hub to itself makes no more rows than its rate, and nobody's are lost", () =>
      Effect.gen(function* () {
        const { ada, bo, dealtWith, hub, metrics, tracked } = yield* start(kind, {})
        const begun = performance.now()
        yield* ada.callTool("loud-shout", { ms: 300 })
        yield* bo.callTool("loud-echo", { bo: "is here" })
        yield* eventually(Effect.sync(dealtWith), (count) => count > 2 * newsRate.capacity)
        yield* Context.get(hub.services, AuditTrail).flush
        const rows = yield* Context.get(hub.services, AuditLog).find({ limit: 10_000 })
        const seconds = (performance.now() - begun) / 1_000
        const of = (user: "ada" | "bo") => rows.filter(({ userId }) => userId === hub[user].user.id)
        const news = of("ada").filter(({ method }) => method === "shouts/x")
        assert.isAtLeast(news.length, newsRate.capacity)
        assert.isAtMost(news.length, newsRate.capacity + newsRate.perSecond * seconds + 1)
        assert.strictEqual(tracked.bo, 0)
        assert.isTrue(of("bo").every(({ method }) => method !== "shouts/x"))
        assert.strictEqual(of("bo").filter(({ method }) => method === "tools/call").length, 2)
        assert.strictEqual(metrics.value("mcphub_audit_lost_total"), 0)
      })
    )
  })
}

describe("a server that all users share", () => {
  it.effect("B46: is read for bo though ada, who opened it, owes more than is read in an hour", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({
        servers: { loud: { ...Programs.command("test/support/loud-stdio.ts"), isolation: "shared" } },
        config: { fairShare: 100 }
      })
      const [ada, bo] = [yield* hub.connect(hub.ada), yield* hub.connect(hub.bo)]
      const share = Context.get(hub.services, FairShare)
      yield* ada.callTool("loud-echo")
      yield* TestClock.adjust("2 seconds")
      yield* bo.callTool("loud-echo")
      share.charge(hub.ada.user.id, "request", 200_000)
      // No time passes, in which ada's debt would shrink.
      const text = "x".repeat(300_000)
      assert.deepStrictEqual(yield* bo.callTool("loud-echo", { text }), { text })
      assert.deepStrictEqual(yield* bo.callTool("loud-echo", { id: 2 }), { id: 2 })
    })
  )
})

describe("a server that asks without end and takes no answer", () => {
  it.live("B44: has a bounded number of answers under way, and the other user's calls go on", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "session" } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* ada.callTool("files-echo")
      yield* upstream.await(({ httpMethod }) => httpMethod === "GET")
      // Answers to the server's own requests name no method.
      upstream.script("", faults.hang)
      for (let id = 0; id < 400; id++) upstream.push({ jsonrpc: "2.0", id, method: "ping" })
      const answers = () => upstream.received.filter(({ body }) => body?.result !== undefined).length
      yield* eventually(Effect.sync(answers), (count) => count >= 256)
      for (let id = 0; id < 5; id++) assert.deepStrictEqual(yield* bo.callTool("files-echo", { id }), { id })
      assert.strictEqual(answers(), 256)
    })
  )
})
