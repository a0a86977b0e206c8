/** Clients of the revisions with sessions on a server of 2026-07-28 alone, through the whole hub. */
import { assert, describe, it } from "@effect/vitest"
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { runtimeCommand } from "../../../../src/cli/sample/RuntimeCommand.ts"
import type { JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import { metaKeys } from "../../../../src/domain/protocol/eras/RequestMeta.ts"
import { type RawHttp, type ScriptedCall, TestHub } from "../../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import { sdk1 } from "../../support/OfficialClients.ts"

const asking = (call: ScriptedCall, inputRequests: JsonObject, requestState?: string): void =>
  call.result({ resultType: "input_required", inputRequests, ...(requestState === undefined ? {} : { requestState }) })

const form = { method: "elicitation/create", params: { mode: "form", message: "Who?", requestedSchema: {} } }

const start = (options: StatelessUpstream.StatelessOptions) =>
  Effect.gen(function* () {
    const upstream = yield* StatelessUpstream.make(options)
    const hub = yield* TestHub.make({ servers: { notes: { url: upstream.url } } })
    return { hub, upstream }
  })

const metaOf = (body: { readonly params?: JsonObject } | undefined): JsonObject => body!.params!["_meta"] as JsonObject

describe("a client with sessions on a server of 2026-07-28", () => {
  it.live("is asked for real, on its own call's stream, and each user's answers stay their own over every round", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({
        tools: {
          twice: (call) => {
            const answers = call.params["inputResponses"] as { readonly who?: JsonObject } | undefined
            const state = call.params["requestState"]
            if (answers === undefined) return asking(call, { who: form }, "first")
            if (state === "first") return asking(call, { who: form }, `second:${JSON.stringify(answers.who)}`)
            call.content({ state, last: answers.who })
          }
        }
      })
      const talk = Effect.fnUntraced(function* (name: "ada" | "bo") {
        const client = yield* hub.connect(hub[name], { capabilities: { elicitation: {} } })
        const answer = yield* client.open({
          jsonrpc: "2.0",
          id: 1,
          method: "tools/call",
          params: { name: "notes-twice", arguments: {} }
        })
        for (const round of [1, 2]) {
          const question = (yield* answer.next) as any
          assert.strictEqual(question.method, "elicitation/create")
          assert.strictEqual(question.params.message, "Who?")
          yield* client.respond(question.id, { action: "accept", content: { by: name, round } })
        }
        return ((yield* answer.next) as any).result
      })
      const results = yield* Effect.all([talk("ada"), talk("bo")], { concurrency: 2 })
      for (const [index, result] of results.entries()) {
        const [own, other] = index === 0 ? ["ada", "bo"] : ["bo", "ada"]
        assert.include(JSON.stringify(result), `"by":"${own}"`)
        assert.notInclude(JSON.stringify(result), `"by":"${other}"`)
        assert.deepStrictEqual(result.structuredContent.last, { action: "accept", content: { by: own, round: 2 } })
        assert.isUndefined(result.resultType)
      }
      const ids = upstream.calls("tools/call").map(({ body, remotePort }) => `${remotePort} ${body!.id}`)
      assert.strictEqual(new Set(ids).size, 6, "every round is a request of its own")
    })
  )

  it.effect(
    "may think for ten minutes: its call's time does not run while it is asked, and runs again afterwards",
    () =>
      Effect.gen(function* () {
        const answered = yield* Deferred.make<void>()
        const { hub } = yield* start({
          tools: {
            once: (call) => {
              if (call.params["inputResponses"] === undefined) return asking(call, { who: form })
              Deferred.doneUnsafe(answered, Effect.void)
            }
          }
        })
        const client = yield* hub.connect(hub.ada, { capabilities: { elicitation: {} } })
        const params = { name: "notes-once", arguments: {} }
        const answer = yield* client.open({ jsonrpc: "2.0", id: 1, method: "tools/call", params })
        const question = (yield* answer.next) as any
        assert.strictEqual(question.method, "elicitation/create")
        yield* TestClock.adjust("10 minutes")
        yield* client.respond(question.id, { action: "accept", content: {} })
        yield* Deferred.await(answered)
        yield* TestClock.adjust("30 seconds")
        const { error } = (yield* answer.rest).at(-1) as any
        assert.deepStrictEqual([error.code, error.data.kind], [1408, "timeout"])
      })
  )

  it.live("which asks for what was not declared fails with a typed error, and the client is never asked", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({
        tools: {
          visit: (call) =>
            asking(call, {
              v: { method: "elicitation/create", params: { mode: "url", message: "Go", url: "https://x.test" } }
            }),
          sample: (call) => asking(call, { s: { method: "sampling/createMessage", params: { messages: [] } } }),
          refuse: (call) =>
            call.body(
              400,
              "application/json",
              JSON.stringify({
                jsonrpc: "2.0",
                id: call.id,
                error: { code: -32021, message: "no", data: { requiredCapabilities: { roots: {} } } }
              })
            ),
          odd: (call) => asking(call, { o: { method: "tools/list" } }),
          flood: (call) => asking(call, Object.fromEntries(Array.from({ length: 101 }, (_, key) => [key, form])))
        }
      })
      const ada = yield* hub.connect(hub.ada, { capabilities: { elicitation: {} } })
      for (const [tool, required] of [
        ["visit", { elicitation: { url: {} } }],
        ["sample", { sampling: {} }],
        ["refuse", { roots: {} }]
      ] as const) {
        const error = yield* Effect.flip(ada.callTool(`notes-${tool}`))
        assert.strictEqual(error.code, 1403)
        assert.deepInclude(error.data as object, {
          kind: "client_capability_missing",
          requiredCapabilities: required,
          server: "notes"
        })
      }
      for (const tool of ["odd", "flood"]) {
        assert.strictEqual((yield* Effect.flip(ada.callTool(`notes-${tool}`))).code, 1502)
      }
      const before = upstream.calls("tools/call").length
      const task = yield* Effect.flip(ada.request("tools/call", { name: "notes-visit", arguments: {}, task: {} }))
      assert.strictEqual(task.code, -32602)
      assert.include(task.message, "tasks of 2025-11-25")
      assert.strictEqual(upstream.calls("tools/call").length, before)
    })
  )

  it.live("a visit to an address gets the id that the older revisions want", () =>
    Effect.gen(function* () {
      const { hub } = yield* start({
        tools: {
          visit: (call) =>
            call.params["inputResponses"] === undefined
              ? asking(call, {
                  v: { method: "elicitation/create", params: { mode: "url", message: "Go", url: "https://x.test" } }
                })
              : call.content({ answered: call.params["inputResponses"] })
        }
      })
      const ada = yield* hub.connect(hub.ada, { capabilities: { elicitation: { url: {} } } })
      const answer = yield* ada.open({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "notes-visit" } })
      const question = (yield* answer.next) as any
      assert.match(question.params.elicitationId, /^[0-9a-f-]{36}$/)
      assert.strictEqual(question.params.url, "https://x.test")
      yield* ada.respond(question.id, { action: "accept" })
      const { result } = (yield* answer.next) as any
      assert.deepStrictEqual(result.structuredContent, { answered: { v: { action: "accept" } } })
    })
  )

  it.live("that is a child process: each user has one of their own, which asks its own user", () =>
    Effect.gen(function* () {
      const program = runtimeCommand(new URL("../../../actors/upstream/stdio/programs/stdio-eras.ts", import.meta.url))
      const notes = { type: "stdio", ...program, env: { LEGACY: "reject" } } as const
      const hub = yield* TestHub.make({ servers: { notes } })
      const pids = yield* Effect.forEach(
        ["ada", "bo"] as const,
        Effect.fnUntraced(function* (name) {
          const { client } = yield* sdk1(hub.url, hub[name], { elicitation: {} }, (own) =>
            own.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name } }))
          )
          const call = (tool: string) =>
            Effect.map(
              Effect.promise(() => client.callTool({ name: `notes-${tool}`, arguments: {} })),
              ({ content }) => JSON.parse((content as ReadonlyArray<{ readonly text: string }>)[0]!.text)
            )
          assert.strictEqual(yield* call("ask"), name)
          const { era, pid } = yield* call("pid")
          assert.strictEqual(era, "modern")
          return pid
        }),
        { concurrency: 2 }
      )
      assert.strictEqual(new Set(pids).size, 2)
    })
  )

  it.live("that never stops asking is given up", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({ tools: { again: (call) => asking(call, {}, "again") } })
      const ada = yield* hub.connect(hub.ada)
      const error = yield* Effect.flip(ada.callTool("notes-again"))
      assert.strictEqual(error.code, 1502)
      assert.strictEqual(upstream.calls("tools/call").length, 8)
    })
  )

  it.live("gets tools and results in the shape it knows", () =>
    Effect.gen(function* () {
      const { hub } = yield* start({
        ttlMs: 60_000,
        listed: [
          {
            name: "list",
            inputSchema: { type: "object" },
            outputSchema: { type: "array", items: { type: "integer" } }
          },
          { name: "any", inputSchema: { type: "object", properties: { all: true } } }
        ],
        tools: {
          list: (call) => call.result({ resultType: "complete", content: [], structuredContent: [1, 2] }),
          any: (call) => call.result({ resultType: "complete", content: [], extra: { kept: true } })
        }
      })
      const ada = yield* hub.connect(hub.ada)
      const listed = yield* ada.request("tools/list")
      assert.deepStrictEqual(Object.keys(listed), ["tools"])
      const [list, any] = listed["tools"] as ReadonlyArray<any>
      assert.strictEqual(list.outputSchema.type, "object")
      assert.deepStrictEqual(list.outputSchema.properties.result, { type: "array", items: { type: "integer" } })
      assert.deepStrictEqual(any.inputSchema.properties, { all: {} })
      assert.deepStrictEqual(yield* ada.request("tools/call", { name: "notes-list", arguments: {} }), {
        content: [{ type: "text", text: "[1,2]" }],
        structuredContent: { result: [1, 2] }
      })
      assert.deepStrictEqual(yield* ada.request("tools/call", { name: "notes-any", arguments: {} }), {
        content: [],
        extra: { kept: true }
      })
    })
  )

  it.live("gets errors in the words it knows", () =>
    Effect.gen(function* () {
      const { hub } = yield* start({
        methods: {
          "resources/read": (call) => call.error(-32602, "Not found", { uri: call.params["uri"] }),
          "completion/complete": (call) => call.error(-32020, "Header mismatch"),
          "prompts/list": (call) => call.result({ resultType: "complete", prompts: [{ name: "p" }] })
        }
      })
      const ada = yield* hub.connect(hub.ada)
      const read = yield* Effect.flip(ada.request("resources/read", { uri: "note://a" }))
      assert.strictEqual(read.code, -32002)
      const completion = yield* Effect.flip(
        ada.request("completion/complete", { ref: { type: "ref/prompt", name: "notes-p" }, argument: {} })
      )
      assert.strictEqual(completion.code, 1502)
    })
  )

  it.live("is described to the server in every request, by what it declared and can be carried there", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({ tools: { plain: (call) => call.content({ ok: true }) } })
      const capabilities = { elicitation: {}, roots: { listChanged: true }, tasks: { list: {} } }
      const ada = yield* hub.connect(hub.ada, { capabilities, clientInfo: { name: "ada-ide", version: "3" } })
      const bo = yield* hub.connect(hub.bo, { clientInfo: { name: "bo-ide", version: "4" } })
      yield* ada.request("logging/setLevel", { level: "warning" })
      for (const client of [ada, bo]) yield* client.callTool("notes-plain")
      const [adas, bos] = upstream.calls("tools/call")
      assert.deepStrictEqual(metaOf(adas!.body), {
        [metaKeys.protocolVersion]: "2026-07-28",
        [metaKeys.clientCapabilities]: { elicitation: {}, roots: {} },
        [metaKeys.clientInfo]: { name: "ada-ide", version: "3" },
        [metaKeys.logLevel]: "warning"
      })
      assert.deepStrictEqual(metaOf(bos!.body), {
        [metaKeys.protocolVersion]: "2026-07-28",
        [metaKeys.clientCapabilities]: {},
        [metaKeys.clientInfo]: { name: "bo-ide", version: "4" }
      })
      assert.strictEqual(adas!.headers["mcp-name"], "plain")
      assert.strictEqual(adas!.headers["x-mcphub-protocol-version"], "2026-07-28")
      assert.isUndefined(adas!.headers["mcp-session-id"])
      assert.strictEqual(upstream.calls("logging/setLevel").length, 0)
    })
  )

  it.live("cancels by name, and the server sees its stream close", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const { hub, upstream } = yield* start({
        tools: { hang: (call) => void call.response.once("close", () => Deferred.doneUnsafe(closed, Effect.void)) }
      })
      const ada = yield* hub.connect(hub.ada)
      const call = { jsonrpc: "2.0", id: "c", method: "tools/call", params: { name: "notes-hang" } }
      const hanging = yield* Effect.forkChild(ada.send(call))
      yield* upstream.await(({ body }) => body?.method === "tools/call")
      yield* ada.notify("notifications/cancelled", { requestId: "c" })
      yield* Deferred.await(closed)
      assert.strictEqual(upstream.calls("notifications/cancelled").length, 0)
      yield* Fiber.join(hanging)
    })
  )

  it.live("a tool whose x-mcp-header is invalid is left out, and the rest stays; arguments travel as headers", () =>
    Effect.gen(function* () {
      const annotated = (header: string) => ({
        type: "object",
        properties: { region: { type: "string", "x-mcp-header": header } }
      })
      const { hub, upstream } = yield* start({
        listed: [
          { name: "good", inputSchema: annotated("Region") },
          { name: "bad", inputSchema: annotated("not a token") }
        ],
        tools: { good: (call) => call.content({ ok: true }), bad: (call) => call.content({ ok: false }) }
      })
      const ada = yield* hub.connect(hub.ada)
      assert.deepStrictEqual(yield* ada.toolNames, ["notes-good"])
      assert.strictEqual((yield* Effect.flip(ada.callTool("notes-bad"))).code, -32602)
      yield* ada.callTool("notes-good", { region: "Zürich" })
      const [call] = upstream.calls("tools/call")
      const encoded = `=?base64?${Buffer.from("Zürich").toString("base64")}?=`
      assert.strictEqual(call!.headers["mcp-param-region"], encoded)
      assert.strictEqual(upstream.calls("tools/call").length, 1)
    })
  )
})

interface Listening {
  readonly stream: RawHttp.OpenAnswer
}

describe("subscriptions of clients with sessions to a server of 2026-07-28", () => {
  const changes = Effect.fnUntraced(function* (isolation: "session" | "shared") {
    const upstream = yield* StatelessUpstream.make()
    const hub = yield* TestHub.make({ servers: { notes: { url: upstream.url, isolation } } })
    const listening = Effect.fnUntraced(function* (name: "ada" | "bo", uri: string) {
      const client = yield* hub.connect(hub[name])
      const stream = yield* client.stream
      assert.deepStrictEqual(yield* client.request("resources/subscribe", { uri }), {})
      return { client, stream }
    })
    return { upstream, listening }
  })

  /** Both hear of their own resource only: the update of the other's, which came before, is not what arrives. */
  const eachTheirOwn = Effect.fnUntraced(function* (
    upstream: StatelessUpstream.StatelessUpstream,
    ada: Listening,
    bo: Listening
  ) {
    for (const uri of ["note://a", "note://b", "note://a"]) assert.isAbove(upstream.updated(uri), 0)
    const heard = [yield* ada.stream.next, yield* ada.stream.next, yield* bo.stream.next] as ReadonlyArray<any>
    assert.deepStrictEqual(
      heard.map(({ method, params }) => [method, params]),
      ["note://a", "note://a", "note://b"].map((uri) => ["notifications/resources/updated", { uri }])
    )
  })

  it.live("on a shared connection: one subscription to the union, each user hears of their own resources", () =>
    Effect.gen(function* () {
      const { listening, upstream } = yield* changes("shared")
      const ada = yield* listening("ada", "note://a")
      const bo = yield* listening("bo", "note://b")
      yield* upstream.awaitSubscribed(["note://a", "note://b"])
      yield* eachTheirOwn(upstream, ada, bo)
      yield* bo.client.request("resources/unsubscribe", { uri: "note://b" })
      yield* upstream.awaitSubscribed(["note://a"])
      yield* bo.client.request("resources/subscribe", { uri: "note://c" })
      yield* upstream.awaitSubscribed(["note://a", "note://c"])
      // A session that ends takes its wishes with it, and nobody else's.
      assert.strictEqual(yield* ada.client.end, 204)
      yield* upstream.awaitSubscribed(["note://c"])
    })
  )

  it.live("on connections of their own: each user's subscription names their own resources alone", () =>
    Effect.gen(function* () {
      const { listening, upstream } = yield* changes("session")
      const ada = yield* listening("ada", "note://a")
      const bo = yield* listening("bo", "note://b")
      yield* upstream.awaitSubscribed(["note://a"])
      yield* upstream.awaitSubscribed(["note://b"])
      yield* eachTheirOwn(upstream, ada, bo)
      assert.isFalse(upstream.subscribed().some((uris) => uris.length > 1))
    })
  )
})
