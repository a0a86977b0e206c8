/** The limit on bytes of answers that one user may have on their way at once, through the whole hub. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Queue } from "effect"
import { AnswerBytes } from "../../../../src/actors/limits/AnswerBytes.ts"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import type { Isolation } from "../../../../src/domain/servers/ServerConfig.ts"
import {
  type HubUser,
  type McpClient,
  RudeClients,
  type ScriptedCall,
  ScriptedHttpUpstream,
  ScriptedStdioUpstream,
  TestHub
} from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import { requestOf } from "../../support/StatelessClient.ts"

const max = 1_000_000

/** An answer that stops in the middle of its text. */
interface Stopped {
  readonly call: ScriptedCall
  readonly end: () => void
  /** The hub has closed the socket. */
  readonly closed: Deferred.Deferred<void>
}

const opening = (call: ScriptedCall): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(call.id)},"result":{"content":[{"type":"text","text":"`
const ending = '"}]}}'

/** Answers of 600 kB, of which two are too many, and of 8 MB; those of `stopped` wait before their end. */
const start = Effect.fnUntraced(function* (
  config: Partial<HubConfigShape> = {},
  isolation: Isolation | undefined = undefined
) {
  const arrived = yield* Queue.unbounded<Stopped>()
  const begin = (call: ScriptedCall, asEvent: boolean, bytes: number) => {
    call.response.writeHead(200, { "content-type": asEvent ? "text/event-stream" : "application/json" })
    call.raw(`${asEvent ? "data: " : ""}${opening(call)}${"x".repeat(bytes)}`)
    return () => void call.response.end(`${ending}${asEvent ? "\n\n" : ""}`)
  }
  const stopped = (call: ScriptedCall, asEvent: boolean) => {
    const closed = Deferred.makeUnsafe<void>()
    call.response.once("close", () => Deferred.doneUnsafe(closed, Effect.void))
    Queue.offerUnsafe(arrived, { call, end: begin(call, asEvent, 600_000), closed })
  }
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      json: (call) => stopped(call, false),
      event: (call) => stopped(call, true),
      quick: (call) => begin(call, false, 600_000)(),
      events: (call) => {
        // Each too small to be counted, on its way to the client too.
        for (let n = 0; n < 100; n++) {
          call.event({
            jsonrpc: "2.0",
            method: "notifications/message",
            params: { level: "info", data: "x".repeat(40_000) }
          })
        }
        call.content({ events: true })
      },
      huge: (call) => begin(call, false, 20_000_000)(),
      "huge-event": (call) => {
        const params = { progressToken: call.progressToken, progress: 1 }
        call.event({ jsonrpc: "2.0", method: "notifications/progress", params })
        call.raw(`data: ${opening(call)}${"x".repeat(20_000_000)}${ending}\n\n`)
        call.end()
      }
    }
  })
  const hub = yield* TestHub.make({
    servers: {
      files: { url: upstream.url, ...(isolation === undefined ? {} : { isolation }) },
      child: ScriptedStdioUpstream.config()
    },
    config: { maxUpstreamBytes: max, maxAnswerBytesPerUser: max, ...config }
  })
  const answers = Context.get(hub.services, AnswerBytes)
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  const heldBy = ({ user }: HubUser) => answers.heldBy(user.id)
  const reaches = (user: HubUser, wanted: (bytes: number) => boolean) =>
    eventually(
      Effect.sync(() => heldBy(user)),
      wanted,
      { every: "10 millis" }
    ).pipe(Effect.map((bytes) => assert.isTrue(wanted(bytes), `${bytes} bytes`)))
  const gauge = () => Context.get(hub.services, HubMetrics).value("mcphub_retained_bytes", { kind: "answers" })
  /** A call whose answer stands still when most of it is in the hub. */
  const stop = Effect.fnUntraced(function* (user: HubUser, asked: Effect.Effect<any>) {
    const before = heldBy(user)
    const answer = yield* Effect.forkChild(asked)
    const { closed, end } = yield* Queue.take(arrived)
    yield* reaches(user, (bytes) => bytes >= before + 600_000)
    return { end, closed, answer: Fiber.join(answer) }
  })
  return { hub, ada, bo, arrived, heldBy, reaches, gauge, stop }
})

const call = (tool: string, args = {}, id = 1) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: tool, arguments: args, _meta: { progressToken: 1 } }
})

const send = (client: McpClient.McpClient, tool: string, args = {}) =>
  Effect.map(client.send(call(tool, args)), ({ text }) => JSON.parse(text.slice(text.lastIndexOf('{"jsonrpc"'))) as any)

const refused = (answer: any, server = "files") => {
  assert.strictEqual(answer.error.code, 1502)
  const { kind, origin, retryable, server: named } = answer.error.data
  assert.deepStrictEqual([kind, origin, retryable, named], ["upstream_too_large", "upstream", false, server])
  assert.include(answer.error.message, "MAX_ANSWER_BYTES_PER_USER")
  assert.include(answer.error.message, "fetch fewer at a time")
}

const isolations: ReadonlyArray<Isolation> = ["session", "user", "shared"]

describe("answers that arrive", () => {
  for (const tool of ["json", "event"] as const) {
    for (const isolation of isolations) {
      it.live(
        `B08: have a limit for all of a user's together, and none of bo's count (${tool}, isolation ${isolation})`,
        () =>
          Effect.gen(function* () {
            const { ada, arrived, bo, gauge, heldBy, hub, reaches, stop } = yield* start({}, isolation)
            // Who opens a shared connection is not who pays for all that comes over it.
            yield* bo.callTool("files-echo")
            const second = yield* hub.connect(hub.ada)
            const first = yield* stop(hub.ada, send(ada, `files-${tool}`))
            const before = heldBy(hub.ada)
            const more = yield* Effect.forkChild(send(second, `files-${tool}`))
            const { closed } = yield* Queue.take(arrived)
            refused(yield* Fiber.join(more))
            yield* Deferred.await(closed)
            assert.strictEqual(heldBy(hub.ada), before)

            const bos = yield* stop(hub.bo, send(bo, `files-${tool}`))
            assert.strictEqual(gauge(), heldBy(hub.ada) + heldBy(hub.bo))
            assert.deepStrictEqual(yield* second.callTool("files-echo", { small: 1 }), { small: 1 })
            for (const { answer, end } of [first, bos]) {
              end()
              assert.strictEqual((yield* answer).result.content[0].text.length, 600_000)
            }
            for (const user of [hub.ada, hub.bo]) yield* reaches(user, (bytes) => bytes === 0)
            assert.strictEqual(gauge(), 0)
            assert.isDefined((yield* send(second, "files-quick")).result)
          })
      )
    }
  }

  it.live("B08: count where they are parsed, for a 2026-07-28 client, as where they are not", () =>
    Effect.gen(function* () {
      const { arrived, bo, hub, reaches, stop } = yield* start()
      const ask = Effect.map(
        Effect.flatMap(
          hub.http.open(requestOf(hub.ada, "tools/call", { name: "files-json", arguments: {} })),
          ({ rest }) => rest
        ),
        (messages) => messages.at(-1) as any
      )
      const first = yield* stop(hub.ada, ask)
      const more = yield* Effect.forkChild(ask)
      yield* Queue.take(arrived)
      refused(yield* Fiber.join(more))
      assert.isDefined((yield* send(bo, "files-quick")).result)
      first.end()
      assert.strictEqual((yield* first.answer).result.content[0].text.length, 600_000)
      yield* reaches(hub.ada, (bytes) => bytes === 0)
    })
  )

  it.live("B08: count from a child process too, whose other lines and calls go on", () =>
    Effect.gen(function* () {
      const { ada, bo, hub, reaches, stop } = yield* start()
      yield* ada.callTool("child-echo", { text: "warm" })
      const first = yield* stop(hub.ada, send(ada, "files-json"))
      refused(yield* send(ada, "child-large", { bytes: 800_000 }), "child")
      assert.deepStrictEqual(yield* ada.callTool("child-echo", { text: "small" }), { value: "small" })
      assert.isDefined((yield* send(bo, "child-large", { bytes: 300_000 })).result)
      first.end()
      yield* first.answer
      yield* reaches(hub.ada, (bytes) => bytes === 0)
      assert.isDefined((yield* send(ada, "child-large", { bytes: 300_000 })).result)
      yield* reaches(hub.ada, (bytes) => bytes === 0)
    })
  )

  it.live("B08: count no longer when their call is cancelled, times out or ends with its session", () =>
    Effect.gen(function* () {
      const { ada, bo, hub, reaches, stop } = yield* start({ requestTimeout: 1_500 })
      const bos = yield* stop(hub.bo, send(bo, "files-json"))
      const cancelled = yield* stop(hub.ada, ada.send(call("files-json", {}, 5)))
      yield* ada.notify("notifications/cancelled", { requestId: 5 })
      yield* cancelled.answer
      yield* reaches(hub.ada, (bytes) => bytes === 0)

      const late = yield* stop(hub.ada, send(ada, "files-event"))
      assert.strictEqual((yield* late.answer).error.code, 1408)
      yield* Deferred.await(late.closed)
      yield* reaches(hub.ada, (bytes) => bytes === 0)

      const closing = yield* stop(hub.ada, send(ada, "files-event"))
      assert.strictEqual(yield* ada.end, 204)
      assert.strictEqual((yield* closing.answer).error.data.kind, "session_closed")
      yield* reaches(hub.ada, (bytes) => bytes === 0)
      assert.strictEqual((yield* bos.answer).error.code, 1408)
      yield* reaches(hub.bo, (bytes) => bytes === 0)
    })
  )

  it.live("are counted by what is unfinished of a stream, and not by all that has passed on it", () =>
    Effect.gen(function* () {
      const { ada, bo } = yield* start({ maxUpstreamBytes: 10_000_000, maxAnswerBytesPerUser: 200_000 })
      for (const client of [ada, bo]) assert.isDefined((yield* send(client, "files-events")).result)
    })
  )
})

describe("answers that leave", () => {
  for (const tool of ["huge", "huge-event"]) {
    it.live(`B08: to a client that does not read leave their user less room, and bo all of his (${tool})`, () =>
      Effect.gen(function* () {
        const size = 30_000_000
        const { ada, bo, hub, reaches } = yield* start({ maxUpstreamBytes: size, maxAnswerBytesPerUser: size })
        assert.isDefined((yield* send(ada, "files-quick")).result)
        const socket = yield* RudeClients.neverReads(new URL(hub.url).origin, {
          method: "POST",
          path: ada.path,
          headers: ada.headers,
          body: JSON.stringify(call(`files-${tool}`))
        })
        // Arrived, and on its way out.
        yield* reaches(hub.ada, (bytes) => bytes >= 20_000_000 && bytes < size)
        refused(yield* send(ada, "files-huge"))
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { small: 1 }), { small: 1 })
        assert.isDefined((yield* send(bo, `files-${tool}`)).result)
        socket.destroy()
        yield* reaches(hub.ada, (bytes) => bytes === 0)
        assert.isDefined((yield* send(ada, `files-${tool}`)).result)
        for (const user of [hub.ada, hub.bo]) yield* reaches(user, (bytes) => bytes === 0)
      })
    )
  }
})
