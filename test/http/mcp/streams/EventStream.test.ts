import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Queue } from "effect"
import { TestClock } from "effect/testing"
import { EventStreams } from "../../../../src/http/wire/EventStreams.ts"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { clientHeaders } from "../../../../src/testkit/McpClient.ts"
import { eventually } from "../../../support/Eventually.ts"
import { requestOf } from "../../support/StatelessClient.ts"

const changed = { jsonrpc: "2.0", method: "notifications/tools/list_changed" } as const

/** An upstream whose tool `touch` says that its tools have changed, to the caller's session alone. */
const start = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      touch: (call) => {
        call.event(changed)
        call.content({})
      }
    }
  })
  // The hub's own streams, which say here when one has closed.
  const closed = yield* Queue.unbounded<void>()
  const telling = Effect.map(EventStreams, (streams) =>
    EventStreams.of({
      ...streams,
      open: (reply, headers, onClosed) =>
        streams.open(reply, headers, () => {
          onClosed()
          Queue.offerUnsafe(closed, undefined)
        })
    })
  )
  const replace = Layer.effect(EventStreams, telling).pipe(Layer.provide(EventStreams.layer))
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, replace })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { upstream, hub, ada, bo, streams: Context.get(hub.services, EventStreams), closed: Queue.take(closed) }
})

/** A message of another kind: what a stream got before it, it got. */
const marker = { jsonrpc: "2.0", method: "notifications/prompts/list_changed" } as const

describe("the GET stream of a session", () => {
  it.live("defect 27: carries what concerns the session, to its owner alone, and not on the call's own answer", () =>
    Effect.gen(function* () {
      const { ada, bo, upstream } = yield* start
      const [adas, bos] = yield* Effect.all([ada.stream, bo.stream])
      assert.strictEqual(adas.status, 200)
      assert.match(adas.headers["content-type"]!, /^text\/event-stream/)
      assert.strictEqual(adas.headers["x-accel-buffering"], "no")
      assert.match(adas.headers["cache-control"]!, /no-cache/)
      yield* Effect.all([ada.callTool("files-echo"), bo.callTool("files-echo")])
      const answer = yield* ada.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "files-touch" } })
      assert.notInclude(answer.text, "list_changed")
      assert.deepInclude(yield* adas.next, changed)
      yield* upstream.await(() => upstream.calls("GET").length === 2)
      // What arrived before this call has been dealt with: both streams are open.
      yield* ada.callTool("files-echo")
      assert.strictEqual(upstream.push(marker), 2)
      assert.deepInclude(yield* adas.next, marker)
      assert.deepInclude(yield* bos.next, marker)
    })
  )

  it.live("B17: the newest one takes over, the older one ends, and no message goes to both", () =>
    Effect.gen(function* () {
      const { ada, streams } = yield* start
      const first = yield* ada.stream
      yield* ada.callTool("files-touch")
      assert.deepInclude(yield* first.next, changed)
      const second = yield* ada.stream
      yield* first.ended
      assert.strictEqual(streams.count(), 1)
      yield* ada.callTool("files-touch")
      assert.deepInclude(yield* second.next, changed)
      assert.deepStrictEqual(yield* first.rest, [])
    })
  )

  it.live("brings what happened while there was none, each change of a list once", () =>
    Effect.gen(function* () {
      const { ada, bo } = yield* start
      for (let times = 0; times < 3; times++) yield* ada.callTool("files-touch")
      const stream = yield* ada.stream
      assert.deepInclude(yield* stream.next, changed)
      const bos = yield* bo.stream
      yield* bo.callTool("files-touch")
      assert.deepInclude(yield* bos.next, changed)
      assert.strictEqual(yield* ada.end, 204)
      assert.deepStrictEqual(yield* stream.rest, [])
    })
  )

  it.live("ends with its session and frees its place when the client goes away", () =>
    Effect.gen(function* () {
      const { ada, bo, closed, hub, streams } = yield* start
      const [adas, bos] = yield* Effect.all([ada.stream, bo.stream])
      assert.strictEqual(streams.count(), 2)
      assert.strictEqual(yield* ada.end, 204)
      yield* adas.ended
      assert.strictEqual(streams.count(), 1)
      yield* closed
      yield* bos.abandon
      yield* closed
      assert.strictEqual(streams.count(), 0)
      const sessions = yield* Context.get(hub.services, Sessions).list
      assert.deepStrictEqual(
        sessions.map(({ streams: open, username }) => [username, open]),
        [["bo", 0]]
      )
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { alive: true }), { alive: true })
    })
  )

  it.effect("is kept open by a comment every fifteen seconds, and so is a listen stream of 2026-07-28", () =>
    Effect.gen(function* () {
      const { ada, hub } = yield* start
      const listen = requestOf(hub.bo, "subscriptions/listen", { notifications: { toolsListChanged: true } })
      const session = { ...clientHeaders(hub.ada.key), "mcp-session-id": ada.sessionId }
      const streams = yield* Effect.forEach(
        [
          { method: "GET", headers: session },
          { method: "POST", headers: listen.headers, body: listen.body }
        ],
        (request) =>
          Effect.acquireRelease(
            Effect.promise(async () => (await fetch(hub.url, request)).body!.getReader()),
            (reader) => Effect.promise(() => reader.cancel())
          )
      )
      const comments = ["", ""]
      const read = (index: number) =>
        Effect.promise(async () => {
          const { value } = await streams[index]!.read()
          comments[index] += new TextDecoder().decode(value)
        })
      for (const index of [0, 1]) {
        yield* Effect.forkChild(Effect.forever(read(index)), { startImmediately: true })
      }
      const seen = (text: string) =>
        eventually(
          Effect.sync(() => comments.every((one) => one.includes(text))),
          (all) => all
        )
      yield* seen(": open")
      assert.notInclude(comments.join(), "keep-alive")
      yield* TestClock.adjust("15 seconds")
      assert.isTrue(yield* seen(": keep-alive"))
    })
  )

  it.live("is not given to a client that does not take event streams", () =>
    Effect.gen(function* () {
      const { ada, hub } = yield* start
      const answer = yield* hub.http.send({
        method: "GET",
        path: "/mcp",
        headers: { ...ada.headers, accept: "application/json" }
      })
      assert.strictEqual(answer.status, 406)
    })
  )
})
