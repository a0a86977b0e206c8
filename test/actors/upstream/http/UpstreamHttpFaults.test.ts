import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Pool } from "undici"
import type { RunningExchange } from "../../../../src/actors/upstream/http/ExchangeRequest.ts"
import { exchange } from "../../../../src/actors/upstream/http/UpstreamHttpExchange.ts"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import { callTool, connect, contentOf, contextOf, layer } from "../support/HttpCalls.ts"
import type { Script } from "../../../../src/testkit/ScriptedCall.ts"

/** What a call comes to when the tool does this; the connection must work afterwards, and no other user may notice. */
const fault = (script: Script) =>
  Effect.gen(function* () {
    const server = yield* ScriptedHttpUpstream.make({ tools: { fault: script } })
    const ada = yield* connect(server.url, contextOf("ada"))
    const bo = yield* connect(server.url, contextOf("bo"))
    const before = server.received.filter((one) => one.headers["x-mcphub-user-id"] === "bo-id").length
    const error = yield* Effect.flip(callTool(ada, contextOf("ada"), "fault", {}))
    assert.strictEqual(server.calls("initialize").length, 2)
    assert.isAtMost(server.received.filter((one) => one.headers["x-mcphub-user-id"] === "bo-id").length, before + 1)
    assert.deepStrictEqual(contentOf(yield* callTool(ada, contextOf("ada"), "echo", { still: "ada" })), {
      still: "ada"
    })
    assert.deepStrictEqual(contentOf(yield* callTool(bo, contextOf("bo"), "echo", { still: "bo" })), { still: "bo" })
    assert.strictEqual(server.calls("tools/call").length, 3)
    return error
  }).pipe(Effect.scoped, Effect.provide(layer({ maxUpstreamBytes: 200_000 })))

const failed = (reason: string, phase?: string) => ({
  _tag: "UpstreamFailed",
  reason,
  ...(phase === undefined ? {} : { phase })
})

const cases: ReadonlyArray<readonly [title: string, Script, expected: Record<string, unknown>]> = [
  ["B09: HTTP 401 is not a lost session", (call) => call.status(401), failed("unauthorized")],
  ["B09: HTTP 403", (call) => call.status(403), failed("unauthorized")],
  ["HTTP 500", (call) => call.body(500, "text/plain", "boom"), failed("status")],
  [
    "B09: HTTP 429 says when to come back",
    (call) => call.status(429, { "retry-after": "3" }),
    { _tag: "UpstreamUnavailable", reason: "status", retryAfterMs: 3_000 }
  ],
  [
    "B09: HTTP 503",
    (call) => call.body(503, "text/html", "<h1>down</h1>"),
    { _tag: "UpstreamUnavailable", reason: "status" }
  ],
  ["B06: an empty 202", (call) => call.status(202), failed("protocol", "body")],
  ["B06: an empty 200", (call) => call.body(200, "application/json", ""), failed("protocol")],
  ["B06: a web page", (call) => call.body(200, "text/html", "<html>"), failed("protocol")],
  ["B06: no JSON", (call) => call.body(200, "application/json", "{oops"), failed("protocol")],
  ["B06: JSON that is no message", (call) => call.body(200, "application/json", "[1]"), failed("protocol")],
  [
    "B06: an answer without an id",
    (call) => call.body(200, "application/json", '{"jsonrpc":"2.0","result":{}}'),
    failed("protocol")
  ],
  [
    "B06: only another call's answer",
    (call) => call.body(200, "application/json", '{"jsonrpc":"2.0","id":0,"result":{}}'),
    failed("protocol")
  ],
  [
    "B06: bad UTF-8",
    (call) => {
      call.response.writeHead(200, { "content-type": "application/json" })
      call.raw(Uint8Array.of(0x22, 0xff, 0x22))
      call.end()
    },
    failed("protocol")
  ],
  [
    "B06: an event stream that ends after an event that is not JSON",
    (call) => {
      call.open()
      call.raw("data: {oops\n\n")
      call.end()
    },
    failed("closed", "stream")
  ],
  [
    "B06: an event in place of the answer that is not JSON",
    (call) => {
      call.open()
      call.raw(`data: {"jsonrpc":"2.0","id":${call.id},"result":{oops\n\n`)
    },
    failed("protocol", "stream")
  ],
  [
    "B06: an event stream that ends without an answer",
    (call) => {
      call.event({ jsonrpc: "2.0", method: "notifications/message", params: {} })
      call.end()
    },
    failed("closed", "stream")
  ],
  ["B03: death before the headers", (call) => call.die(), failed("closed", "headers")],
  [
    "B03: death in the middle of a body",
    (call) => {
      call.response.writeHead(200, { "content-type": "application/json", "content-length": "1000" })
      call.response.write('{"jsonrpc":', () => call.die())
    },
    failed("closed", "body")
  ],
  [
    "B03: death in the middle of an event stream",
    (call) => {
      call.open()
      call.response.write("data: {", () => call.die())
    },
    failed("closed", "stream")
  ],
  ["B08: a body over the limit", (call) => call.content({ text: "x".repeat(300_000) }), failed("too-large", "body")],
  [
    "B08: an endless line in an event stream",
    (call) => {
      call.open()
      const more = () =>
        void (call.response.destroyed || call.response.write("x".repeat(10_000), () => setImmediate(more)))
      more()
    },
    failed("too-large", "stream")
  ],
  [
    "B08: an endless stream of events",
    (call) => {
      const more = () => {
        if (call.response.destroyed) return
        call.event({ jsonrpc: "2.0", method: "notifications/message", params: { data: "x".repeat(5_000) } })
        setImmediate(more)
      }
      more()
    },
    failed("too-large", "stream")
  ]
]

describe("faults of an HTTP upstream", () => {
  for (const [title, script, expected] of cases) {
    it.live(`${title}: the call fails as ${expected["reason"]}, once, and everything else goes on`, () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* fault(script), expected)
      })
    )
  }

  it.live("B03: what still waits for a socket when its connection closes was not sent, and says so", () =>
    Effect.gen(function* () {
      // The socket never comes up.
      const sockets = new Pool("http://127.0.0.1:1", { connect: () => {} })
      yield* Effect.addFinalizer(() => Effect.promise(() => sockets.destroy()))
      const running = new Set<RunningExchange>()
      const waiting = yield* Effect.forkChild(
        Effect.flip(
          exchange({
            server: "scripted",
            fork: Effect.runFork,
            context: contextOf("ada"),
            payer: contextOf("ada").principal.userId,
            pool: {
              dispatch: (options, handler) => void sockets.dispatch(options, handler)
            },
            spend: () => undefined,
            method: "POST",
            path: "/mcp",
            headers: [],
            body: "{}",
            maxBytes: 1_000,
            running,
            onMessage: () => false,
            onNoise: () => {},
            onLate: () => assert.fail("Nothing can come")
          })
        ),
        { startImmediately: true }
      )
      for (const one of running) one.close()
      assert.deepInclude(yield* Fiber.join(waiting), { _tag: "UpstreamUnavailable", reason: "exited" })
    }).pipe(Effect.scoped)
  )

  it.live("A12: a redirect is not followed, and no credential reaches where it points", () =>
    Effect.gen(function* () {
      const elsewhere = yield* ScriptedHttpUpstream.make()
      for (const status of [301, 302, 303, 307, 308]) {
        const error = yield* fault((call) => call.status(status, { location: elsewhere.url }))
        assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "redirect" })
      }
      assert.strictEqual(elsewhere.sockets().accepted, 0)
      const redirecting = yield* ScriptedHttpUpstream.make({
        methods: { initialize: (call) => call.status(307, { location: elsewhere.url }) }
      })
      const error = yield* Effect.flip(Effect.provide(connect(redirecting.url, contextOf("ada")), layer()))
      assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "redirect" })
      assert.strictEqual(elsewhere.sockets().accepted, 0)
    }).pipe(Effect.scoped)
  )

  it.live("A31: a session id in a later response is not taken over", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          hijack: (call) => {
            call.response.setHeader("mcp-session-id", "somebody-elses")
            call.content({})
          }
        }
      })
      const ada = yield* connect(server.url, contextOf("ada"))
      yield* callTool(ada, contextOf("ada"), "hijack")
      const [own] = server.sessions.keys()
      assert.strictEqual(contentOf(yield* callTool(ada, contextOf("ada"), "whoami"))["mcp-session-id"], own)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("R43: cookies stay in the connection that got them", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          visit: (call) => {
            call.response.setHeader("set-cookie", [
              `route=${String(call.arguments["node"])}; Path=/; HttpOnly`,
              "gone=1; Max-Age=0"
            ])
            call.content({})
          }
        }
      })
      const ada = yield* connect(server.url, contextOf("ada"))
      const bo = yield* connect(server.url, contextOf("bo"))
      yield* callTool(ada, contextOf("ada"), "visit", { node: "a1" })
      assert.strictEqual(contentOf(yield* callTool(ada, contextOf("ada"), "whoami"))["cookie"], "route=a1")
      assert.isUndefined(contentOf(yield* callTool(bo, contextOf("bo"), "whoami"))["cookie"])
      yield* callTool(ada, contextOf("ada"), "visit", { node: "a2" })
      assert.strictEqual(contentOf(yield* callTool(ada, contextOf("ada"), "whoami"))["cookie"], "route=a2")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
