/** Clients of revision 2026-07-28 on a server of that revision, through the whole hub. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import type { JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import { metaKeys } from "../../../../src/domain/protocol/eras/RequestMeta.ts"
import { type ScriptedCall, TestHub } from "../../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import { ask, requestOf } from "../../support/StatelessClient.ts"

const form = { method: "elicitation/create", params: { mode: "form", message: "Who?", requestedSchema: {} } }

/** Asks once, with a state that names the user it is asked for. */
const asksOnce = (call: ScriptedCall): void => {
  const user = call.received.headers["x-mcphub-user-id"]
  const answers = call.params["inputResponses"]
  if (answers === undefined) {
    return call.result({ resultType: "input_required", inputRequests: { who: form }, requestState: `for ${user}` })
  }
  call.content({ answers, state: call.params["requestState"], user })
}

const start = (options: StatelessUpstream.StatelessOptions) =>
  Effect.gen(function* () {
    const upstream = yield* StatelessUpstream.make(options)
    const hub = yield* TestHub.make({ servers: { notes: { url: upstream.url } } })
    return { hub, upstream }
  })

const elicits = { capabilities: { elicitation: {} } }

describe("a client of 2026-07-28 on a server of 2026-07-28", () => {
  it.live("the server's state travels sealed, comes back as it was, and is good for its own user alone", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({ tools: { who: asksOnce, other: asksOnce } })
      const call = { name: "notes-who", arguments: {} }
      const first = (yield* ask(hub.http, hub.ada, "tools/call", call, elicits)).result
      assert.strictEqual(first.resultType, "input_required")
      assert.deepStrictEqual(first.inputRequests, { who: form })
      assert.notInclude(first.requestState, "for ")
      const retry = { inputResponses: { who: { action: "accept" } }, requestState: first.requestState }
      for (const [user, params] of [
        [hub.bo, { ...call, ...retry }],
        [hub.ada, { ...call, name: "notes-other", ...retry }],
        [hub.ada, { ...call, ...retry, requestState: `for ${hub.ada.user.id}` }],
        [hub.ada, { ...call, ...retry, requestState: `${first.requestState}x` }]
      ] as const) {
        const refused = yield* ask(hub.http, user, "tools/call", params, elicits)
        assert.strictEqual(refused.error.code, -32602)
      }
      assert.strictEqual(upstream.calls("tools/call").length, 1)
      const done = (yield* ask(hub.http, hub.ada, "tools/call", { ...call, ...retry }, elicits)).result
      assert.strictEqual(done.resultType, "complete")
      assert.deepStrictEqual(done.structuredContent, {
        answers: retry.inputResponses,
        state: `for ${hub.ada.user.id}`,
        user: hub.ada.user.id
      })
    })
  )

  it.live("the server's state goes to that server alone, also when its tool has become another's", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({ tools: { who: asksOnce } })
      const other = yield* StatelessUpstream.make({ tools: { who: asksOnce } })
      const call = { name: "who", arguments: {} }
      const [ada, bo] = yield* Effect.all(
        [hub.ada, hub.bo].map((user) => ask(hub.http, user, "tools/call", call, elicits))
      )
      yield* hub.setSettings({ mcpServers: { mail: { url: other.url } } })
      for (const [user, first] of [
        [hub.ada, ada!],
        [hub.bo, bo!]
      ] as const) {
        const retry = { inputResponses: { who: { action: "accept" } }, requestState: first.result.requestState }
        const refused = yield* ask(hub.http, user, "tools/call", { ...call, ...retry }, elicits)
        assert.strictEqual(refused.error.code, -32602)
        // Anew, the name leads to where it belongs now.
        const anew = yield* ask(hub.http, user, "tools/call", call, elicits)
        assert.strictEqual(anew.result.resultType, "input_required")
      }
      assert.strictEqual(upstream.calls("tools/call").length, 2)
      const theirs = other.calls("tools/call").map(({ body }) => body!.params!)
      assert.strictEqual(theirs.length, 2)
      for (const params of theirs) assert.notProperty(params, "requestState")
    })
  )

  it.live(
    "which asks for what the request did not declare is refused with -32021, and what it refuses itself, too",
    () =>
      Effect.gen(function* () {
        const refusal = { code: -32021, message: "no", data: { requiredCapabilities: { sampling: { tools: {} } } } }
        const { hub } = yield* start({
          tools: {
            who: asksOnce,
            refuse: (call) =>
              call.body(400, "application/json", JSON.stringify({ jsonrpc: "2.0", id: call.id, error: refusal }))
          }
        })
        for (const [tool, required] of [
          ["who", { elicitation: { form: {} } }],
          ["refuse", { sampling: { tools: {} } }]
        ] as const) {
          const answer = yield* ask(hub.http, hub.ada, "tools/call", { name: `notes-${tool}` })
          assert.strictEqual(answer.status, 400)
          assert.strictEqual(answer.error.code, -32021)
          assert.deepStrictEqual(answer.error.data.requiredCapabilities, required)
        }
      })
  )

  it.live("what each request says about itself reaches the server with that request alone", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({ tools: { plain: (call) => call.content({}) } })
      const call = { name: "notes-plain", arguments: {} }
      const loud = { ...elicits, name: "ada-ide", meta: { [metaKeys.logLevel]: "debug", "x.test/own": 1 } }
      yield* ask(hub.http, hub.ada, "tools/call", call, loud)
      yield* ask(hub.http, hub.ada, "tools/call", call, { ...elicits, name: "ada-ide" })
      yield* ask(hub.http, hub.bo, "tools/call", call, { name: "bo-ide" })
      const metas = upstream.calls("tools/call").map(({ body }) => body!.params!["_meta"] as JsonObject)
      assert.deepStrictEqual(
        metas.map((meta) => [
          (meta[metaKeys.clientInfo] as JsonObject)["name"],
          meta[metaKeys.clientCapabilities],
          meta[metaKeys.logLevel],
          meta["x.test/own"]
        ]),
        [
          ["ada-ide", { elicitation: {} }, "debug", 1],
          ["ada-ide", { elicitation: {} }, undefined, undefined],
          ["bo-ide", {}, undefined, undefined]
        ]
      )
    })
  )

  it.live(
    "lists and resources are kept as long as the least patient server says, and are private whatever it says",
    () =>
      Effect.gen(function* () {
        const contents = [{ uri: "note://a", text: "x" }]
        const read = (call: ScriptedCall) =>
          call.result({ resultType: "complete", contents, ttlMs: 7_000, cacheScope: "public" })
        const long = yield* StatelessUpstream.make({ ttlMs: 90_000, methods: { "resources/read": read } })
        const short = yield* StatelessUpstream.make({ ttlMs: 30_000 })
        const hub = yield* TestHub.make({ servers: { long: { url: long.url }, short: { url: short.url } } })
        const both = (yield* ask(hub.http, hub.ada, "tools/list")).result
        assert.isAtMost(both.ttlMs, 30_000)
        assert.isAbove(both.ttlMs, 0)
        const one = (yield* ask(hub.http, hub.ada, "tools/list", {}, { path: "/mcp/long" })).result
        assert.isAbove(one.ttlMs, 30_000)
        const own = (yield* ask(hub.http, hub.ada, "resources/read", { uri: "note://a" }, { path: "/mcp/long" })).result
        assert.deepStrictEqual([own.contents, own.ttlMs], [contents, 7_000])
        assert.deepStrictEqual(
          [both, one, own].map(({ cacheScope, resultType }) => [cacheScope, resultType]),
          Array.from({ length: 3 }, () => ["private", "complete"])
        )
      })
  )

  it.live("tasks are neither declared to the server nor asked of it, nor taken from it", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({
        tools: { long: (call) => call.result({ resultType: "task", task: { taskId: "t-1", status: "working" } }) }
      })
      const extensions = { "io.modelcontextprotocol/tasks": {}, "x.test/own": {} }
      const options = { path: "/mcp/notes", capabilities: { extensions } }
      const called = yield* ask(hub.http, hub.ada, "tools/call", { name: "long", arguments: {} }, options)
      assert.strictEqual(called.error.code, 1502)
      const meta = upstream.calls("tools/call")[0]!.body!.params!["_meta"] as JsonObject
      assert.deepStrictEqual(meta[metaKeys.clientCapabilities], { extensions: { "x.test/own": {} } })
      for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
        const answer = yield* ask(hub.http, hub.bo, method, { taskId: "t-1" }, options)
        assert.deepStrictEqual([answer.status, answer.error.code], [404, -32601])
        assert.strictEqual(upstream.calls(method).length, 0)
      }
    })
  )

  it.live("going away closes the server's stream", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const { hub, upstream } = yield* start({
        tools: {
          hang: (call) => {
            call.response.once("close", () => Deferred.doneUnsafe(closed, Effect.void))
            call.event({
              jsonrpc: "2.0",
              method: "notifications/progress",
              params: { progressToken: call.progressToken, progress: 1 }
            })
          }
        }
      })
      const params = { name: "notes-hang", arguments: {} }
      const meta = { progressToken: "mine" }
      const answer = yield* hub.http.open(requestOf(hub.ada, "tools/call", params, { meta }))
      const progress = (yield* answer.next) as any
      assert.strictEqual(progress.params.progressToken, "mine")
      yield* answer.abandon
      yield* Deferred.await(closed)
      assert.strictEqual(upstream.calls("notifications/cancelled").length, 0)
    })
  )

  it.live("each listen stream hears of its own resources, under its own tag", () =>
    Effect.gen(function* () {
      const upstream = yield* StatelessUpstream.make()
      const hub = yield* TestHub.make({ servers: { notes: { url: upstream.url, isolation: "shared" } } })
      const listening = Effect.fnUntraced(function* (name: "ada" | "bo", uri: string) {
        const request = requestOf(hub[name], "subscriptions/listen", {
          notifications: { resourceSubscriptions: [uri] }
        })
        const stream = yield* hub.http.open(request)
        const { id } = JSON.parse(request.body) as { readonly id: number }
        const acknowledged = (yield* stream.next) as any
        assert.deepStrictEqual(acknowledged.params.notifications, { resourceSubscriptions: [uri] })
        return { id, stream }
      })
      const ada = yield* listening("ada", "note://a")
      const bo = yield* listening("bo", "note://b")
      yield* upstream.awaitSubscribed(["note://a", "note://b"])
      for (const uri of ["note://a", "note://b"]) upstream.updated(uri)
      for (const [{ id, stream }, uri] of [
        [ada, "note://a"],
        [bo, "note://b"]
      ] as const) {
        const { params } = (yield* stream.next) as any
        assert.deepStrictEqual(params, { uri, _meta: { [metaKeys.subscriptionId]: id } })
      }
      yield* ada.stream.abandon
      yield* upstream.awaitSubscribed(["note://b"])
    })
  )
})
