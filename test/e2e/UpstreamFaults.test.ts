/**
 * Servers that fail in every way, behind the real hub: each call gets one typed error that says so, the other user
 * notices nothing, and the same server is usable right afterwards.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import {
  faults,
  McpClient,
  RawHttp,
  type ScriptedCall,
  type ScriptedHttp,
  ScriptedHttpUpstream
} from "../../src/testkit/index.ts"
import { patience } from "../cli/support/Program.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"

const users = ["ada", "bo"].map((username, index) => ({ username, key: `mcphub_${`${index}fa-`.repeat(10)}` }))

const timeoutMs = 2_000
const maxBytes = 1024 * 1024

const { huge, late, ...scripts } = faults
const tools = { ...scripts, huge: huge(20 * maxBytes), late: late(timeoutMs + 300) }

class Hub extends Context.Service<
  Hub,
  {
    readonly hub: HubProcess.HubProcess
    readonly web: ScriptedHttp
    readonly ada: McpClient.McpClient
    readonly bo: McpClient.McpClient
  }
>()("mcphub/test/e2e/UpstreamFaults") {
  static readonly layer = Layer.effect(
    Hub,
    Effect.gen(function* () {
      const web = yield* ScriptedHttpUpstream.make({ tools })
      const hub = yield* HubProcess.make({
        settings: { mcpServers: { web: { url: web.url, isolation: "session" } } },
        provision: HubProcess.withKeys(users),
        // A server that pours is read as fast as it does: beside bo it would be slowed down, and time out instead.
        env: { REQUEST_TIMEOUT: String(timeoutMs), MAX_UPSTREAM_BYTES: String(maxBytes), FAIR_SHARE: "0" }
      })
      const http = yield* RawHttp.make(hub.origin)
      const [ada, bo] = yield* Effect.forEach(users, ({ key }) => McpClient.connect(http, { key: Redacted.make(key) }))
      // The first call of each opens its connection, which may take longer here than these short limits.
      yield* Effect.forEach([ada!, bo!], (client) => Effect.retry(client.callTool("web-echo"), { times: 10 }))
      return { hub, web, ada: ada!, bo: bo! }
    })
  )
}

const rows: ReadonlyArray<readonly [title: string, tool: keyof typeof tools, code: number, kind: string]> = [
  ["B01: takes the call and never answers", "hang", 1408, "timeout"],
  ["B02: answers after the time is over", "late", 1408, "timeout"],
  ["B03: dies before its headers", "dieBeforeHeaders", 1409, "outcome_unknown"],
  ["B03: dies in the middle of a body", "dieInBody", 1409, "outcome_unknown"],
  ["B03: dies in the middle of an event stream", "dieInStream", 1409, "outcome_unknown"],
  ["B05: sends a byte a second", "slowLoris", 1408, "timeout"],
  ["B06: answers with a web page", "webPage", 1502, "upstream_protocol"],
  ["B06: answers with what is no JSON", "noJson", 1502, "upstream_protocol"],
  ["B06: answers with JSON that is no message", "noMessage", 1502, "upstream_protocol"],
  ["B06: answers without an id", "noId", 1502, "upstream_protocol"],
  ["B06: answers with an id of nobody", "wrongId", 1502, "upstream_protocol"],
  ["B06: answers with bytes that are no UTF-8", "badUtf8", 1502, "upstream_protocol"],
  ["B06: ends its event stream within an event", "truncatedStream", 1409, "outcome_unknown"],
  ["B08: answers with more than the hub takes", "huge", 1502, "upstream_too_large"],
  ["B08: streams events without end", "endless", 1502, "upstream_too_large"],
  ["B09: answers 401", "unauthorized", 1502, "upstream_unauthorized"],
  ["B09: answers 403", "forbidden", 1502, "upstream_unauthorized"]
]

const phases: Readonly<Record<string, string>> = {
  dieBeforeHeaders: "headers",
  dieInBody: "body",
  dieInStream: "stream",
  truncatedStream: "stream"
}

layer(Hub.layer, { timeout: patience, excludeTestServices: true })("a server that", (it) => {
  for (const [title, tool, code, kind] of rows) {
    it.effect(title, () =>
      Effect.gen(function* () {
        const { ada, bo, hub } = yield* Hub
        const begun = performance.now()
        const [failure, ...others] = yield* Effect.all(
          [
            Effect.flip(ada.callTool(`web-${tool}`, { secret: "canary-argument" })),
            bo.callTool("web-echo", { of: "bo" })
          ],
          { concurrency: "unbounded" }
        )
        const took = performance.now() - begun
        const data = failure.data as Readonly<Record<string, unknown>>
        assert.deepStrictEqual([failure.status, failure.code, data["kind"]], [200, code, kind])
        assert.include(data["requestId"], "user-")
        assert.deepStrictEqual(others, [{ of: "bo" }])
        if (code === 1408) assert.isBelow(Math.abs(took - timeoutMs), 250)
        else assert.isBelow(took, timeoutMs)
        if (code === 1409) {
          assert.deepInclude(data, { origin: "upstream", server: "web", retryable: false, phase: phases[tool] })
          assert.include(failure.message, "only if it may be done twice")
        }
        // The same server, the same session, the same connection.
        assert.deepStrictEqual(yield* ada.callTool("web-echo", { after: tool }), { after: tool })
        const [line] = yield* hub.logged(1, (one) => one["requestId"] === data["requestId"])
        const outcome = code === 1408 ? "timedOut" : "failed"
        assert.deepInclude(line, { user: "ada", server: "web", outcome, errorCode: code, errorKind: kind })
        assert.notInclude(hub.stderr(), "canary-argument")
      })
    )
  }

  for (const [status, tool] of [
    [429, "busy"],
    [503, "unavailable"]
  ] as const) {
    it.effect(`B09: answers ${status} and when to come back: the next call of this user comes then, bo's at once`, () =>
      Effect.gen(function* () {
        const { ada, bo, hub, web } = yield* Hub
        const calls = () => web.calls("tools/call").length
        const before = calls()
        const began = performance.now()
        const failure = yield* Effect.flip(ada.callTool(`web-${tool}`))
        assert.deepStrictEqual([failure.status, failure.code], [200, 1503])
        assert.deepInclude(failure.data as object, {
          kind: "upstream_unavailable",
          retryable: true,
          origin: "upstream",
          retryAfterMs: 1_000
        })
        assert.isBelow(performance.now() - began, 1_000)
        const waiting = yield* Effect.forkChild(ada.callTool("web-echo", { after: status }))
        const inFlight = Effect.map(hub.gauges, (all) => all.get("mcphub_requests_in_flight"))
        assert.strictEqual(yield* eventually(inFlight, (count) => count === 1, { every: "20 millis" }), 1)
        assert.deepStrictEqual(yield* bo.callTool("web-echo", { of: "bo" }), { of: "bo" })
        assert.strictEqual(calls(), before + 2)
        assert.deepStrictEqual(yield* Fiber.join(waiting), { after: status })
        assert.isAtLeast(performance.now() - began, 1_000)
        assert.strictEqual(calls(), before + 3)
      })
    )
  }

  it.effect("B07: answers twice: the first answer counts and the second goes to nobody", () =>
    Effect.gen(function* () {
      const { ada, hub } = yield* Hub
      const lateBefore = (yield* hub.gauges).get("mcphub_late_responses_total") ?? 0
      assert.deepStrictEqual(yield* ada.callTool("web-twice"), { answer: "first" })
      assert.deepStrictEqual(yield* ada.callTool("web-echo", { next: 1 }), { next: 1 })
      assert.strictEqual((yield* hub.gauges).get("mcphub_late_responses_total"), lateBefore + 1)
    })
  )

  it.effect("B06: sends garbage among its events: what is garbage is skipped, and the answer is delivered", () =>
    Effect.gen(function* () {
      const { ada } = yield* Hub
      assert.deepStrictEqual(yield* ada.callTool("web-garbledStream"), { after: "garbage" })
      assert.deepStrictEqual(yield* ada.callTool("web-echo", { next: 2 }), { next: 2 })
    })
  )

  it.effect("B01: is told that the call is cancelled", () =>
    Effect.gen(function* () {
      const { ada, web } = yield* Hub
      const marker = `marked-${performance.now()}`
      yield* Effect.flip(ada.callTool("web-hang", { marker }))
      const hung = web.received.find((one) => JSON.stringify(one.body?.params ?? {}).includes(marker))
      assert.isDefined(hung)
      yield* web.await(
        ({ body }) => body?.method === "notifications/cancelled" && body.params?.["requestId"] === hung!.body!.id
      )
    })
  )

  it.effect("B08: pours without end while forty do: the hub's memory grows by no more than their limits", () =>
    Effect.gen(function* () {
      const { ada, bo, hub } = yield* Hub
      const before = (yield* hub.gauges).get("process_resident_memory_bytes")!
      let peak = before
      const watch = Effect.map(hub.gauges, (all) => {
        peak = Math.max(peak, all.get("process_resident_memory_bytes")!)
      })
      for (let round = 0; round < 3; round++) {
        const calls = Array.from({ length: 40 }, () => Effect.flip(ada.callTool("web-huge")))
        const [failures] = yield* Effect.all(
          [
            Effect.all(calls, { concurrency: "unbounded" }),
            watch,
            Effect.map(bo.callTool("web-echo", { round }), (echo) => assert.deepStrictEqual(echo, { round }))
          ],
          { concurrency: "unbounded" }
        )
        assert.isTrue(failures.every(({ data }) => (data as { readonly kind: string }).kind === "upstream_too_large"))
        yield* watch
      }
      // The limits of all calls of a round, and as much again for what the runtime has not collected yet.
      assert.isBelow(peak - before, 2 * 40 * maxBytes + 64 * 1024 * 1024)
    })
  )
})

const idOf = ({ headers }: ScriptedCall["received"]): string => String(headers["x-mcphub-user-id"])

describe("a server that does not let go of a session", () => {
  it.live(
    "B23: hangs on DELETE: its user's session ends all the same, with its socket, and the hub stops in time",
    () =>
      Effect.gen(function* () {
        const held: Array<string> = []
        const web = yield* ScriptedHttpUpstream.make({
          methods: { DELETE: ({ received }) => void held.push(idOf(received)) }
        })
        const hub = yield* HubProcess.make({
          settings: { mcpServers: { web: { url: web.url, isolation: "session" } } },
          provision: HubProcess.withKeys(users)
        })
        const http = yield* RawHttp.make(hub.origin)
        const socketsOf = Effect.map(hub.gauges, (values) => values.get("mcphub_upstream_sockets")!)
        const connected = (index: number) =>
          Effect.gen(function* () {
            const client = yield* McpClient.connect(http, { key: Redacted.make(users[index]!.key) })
            yield* client.callTool("web-echo")
            const id = idOf(web.calls("tools/call").at(-1)!)
            // Its event stream is its second socket.
            yield* web.await((received) => received.httpMethod === "GET" && idOf(received) === id)
            return { client, id }
          })
        const { client: bo, id: bosId } = yield* connected(1)
        const bosSockets = yield* socketsOf
        const { client: ada, id: adasId } = yield* connected(0)
        assert.isAbove(yield* socketsOf, bosSockets)
        assert.strictEqual(yield* ada.end, 204)
        const all = yield* eventually(hub.gauges, (values) => values.get("mcphub_upstream_sockets") === bosSockets)
        assert.deepInclude(Object.fromEntries(all), { mcphub_sessions: 1, mcphub_upstream_sockets: bosSockets })
        assert.strictEqual(all.get("mcphub_sessions_left_behind_total") ?? 0, 0)
        assert.deepStrictEqual(held, [adasId])
        assert.deepStrictEqual(yield* bo.callTool("web-echo", { bo: 1 }), { bo: 1 })
        assert.strictEqual(yield* hub.terminate, 0)
        assert.deepStrictEqual(held, [adasId, bosId])
      }).pipe(Effect.scoped),
    patience
  )
})
