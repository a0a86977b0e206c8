import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Queue } from "effect"
import { BodyBytes } from "../../../src/actors/limits/BodyBytes.ts"
import {
  type McpClient,
  type ScriptedCall,
  ScriptedHttpUpstream,
  ScriptedStdioUpstream,
  TestHub
} from "../../../src/testkit/index.ts"
import { eventually } from "../../support/Eventually.ts"
import * as StatelessUpstream from "../../support/StatelessUpstream.ts"

const form = { method: "elicitation/create", params: { mode: "form", message: "?", requestedSchema: {} } }

const start = Effect.gen(function* () {
  /** Answers to the server's question, unanswered so far: a server may take its time. */
  const answered = yield* Queue.unbounded<ScriptedCall>()
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      ask: async (call) => {
        const id = `ask-${call.received.socket}-${call.id}`
        call.event({ jsonrpc: "2.0", id, ...form })
        const { body } = await Effect.runPromise(
          upstream.await((one) => one.body?.id === id && one.body.method === undefined)
        )
        call.content({ got: body!.result ?? body!.error })
      },
      /** Asks, and takes no answer before the test lets it. */
      slow: (call) => call.event({ jsonrpc: "2.0", id: "slow", ...form })
    },
    methods: {
      "": (call) => (call.received.body?.id === "slow" ? void Queue.offerUnsafe(answered, call) : call.status(202))
    }
  })
  const stateless = yield* StatelessUpstream.make({
    tools: {
      ask: (call) => {
        const given = call.params["inputResponses"] as { readonly who: unknown } | undefined
        if (given === undefined) call.result({ resultType: "input_required", inputRequests: { who: form } })
        else call.content({ got: given.who })
      },
      both: (call) => {
        const given = call.params["inputResponses"]
        if (given === undefined) call.result({ resultType: "input_required", inputRequests: { one: form, two: form } })
        else call.content({ given })
      }
    }
  })
  const hub = yield* TestHub.make({
    servers: {
      files: { url: upstream.url },
      fresh: { url: stateless.url },
      child: ScriptedStdioUpstream.config()
    }
  })
  const capabilities = { elicitation: {} }
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada, { capabilities }), hub.connect(hub.bo, { capabilities })])
  return { answered, ada, bo, hub, stateless, upstream, bodies: Context.get(hub.services, BodyBytes) }
})

/** Nothing of any body is held any more. */
const emptied = (bodies: BodyBytes["Service"]) =>
  Effect.map(
    eventually(Effect.sync(bodies.held), (held) => held === 0, { every: "5 millis" }),
    (held) => assert.strictEqual(held, 0)
  )

/** Calls the tool that asks: the question as its client gets it, and where the answer of the call comes. */
const asking = Effect.fnUntraced(function* (client: McpClient.McpClient, name: string, args: object = {}) {
  const params = { name, arguments: args }
  const call = yield* client.open({ jsonrpc: "2.0", id: name, method: "tools/call", params })
  const { id } = (yield* call.next) as { readonly id: string }
  return { id, outcome: Effect.map(call.next, ({ result }: any) => result) }
})

/** More than may be parsed in one go, and what a parser would change. */
const many = Object.fromEntries(Array.from({ length: 30_000 }, (_, at) => [`k${at}`, at]))
const written = `{\n "many":${JSON.stringify(many)},\r\n "n":[1e400, -0.0, "\\ud800\\n", {"a": 1, "a": 2}]}`

describe("a large answer of a client", () => {
  it.live(
    "A93: arrives as the client wrote it over HTTP, over stdio and across revisions; the other user's server sees none",
    () =>
      Effect.gen(function* () {
        const { ada, bo, bodies, hub, upstream } = yield* start
        const expected = JSON.parse(written) as object
        for (const [name, gotten] of [
          ["files-ask", ({ structuredContent }: any) => structuredContent.got],
          ["fresh-ask", ({ structuredContent }: any) => structuredContent.got],
          ["child-ask", ({ content: [{ text }] }: any) => JSON.parse(text)]
        ] as const) {
          const question = yield* asking(ada, name)
          const other = yield* asking(bo, name)
          const body = `{"jsonrpc":"2.0","result":${written},"id":"${question.id}"}`
          const taken = yield* hub.http.send({ path: "/mcp", headers: ada.headers, body })
          assert.strictEqual(taken.status, 202, taken.text)
          assert.deepStrictEqual(gotten(yield* question.outcome), JSON.parse(JSON.stringify(expected)), name)
          yield* bo.respond(other.id, { action: "decline" })
          assert.deepStrictEqual(gotten(yield* other.outcome), { action: "decline" }, name)
        }
        const arrived = upstream.received.flatMap(({ body }) =>
          body?.method === undefined && body?.result !== undefined ? [body.result] : []
        )
        assert.deepStrictEqual(arrived, [expected, { action: "decline" }])
        yield* emptied(bodies)
      })
  )

  it.live("A93: is kept until a stateless server that has asked more than one question is asked again", () =>
    Effect.gen(function* () {
      const { ada, bo, bodies } = yield* start
      const call = yield* ada.open({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "fresh-both" } })
      const [one, two] = [(yield* call.next) as { readonly id: string }, (yield* call.next) as { readonly id: string }]
      yield* ada.respond(one.id, { many })
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { small: 1 }), { small: 1 })
      assert.isAbove(bodies.held(), 100_000)
      yield* ada.respond(two.id, { action: "decline" })
      const { result } = (yield* call.next) as any
      assert.deepStrictEqual(result.structuredContent.given, { one: { many }, two: { action: "decline" } })
      yield* emptied(bodies)
    })
  )

  it.live("A93: that is an error keeps its large data as well, and goes no further than its server", () =>
    Effect.gen(function* () {
      const { ada, bo, bodies, hub } = yield* start
      const refuse = (id: string) =>
        hub.http.send({
          path: "/mcp",
          headers: ada.headers,
          body: `{"jsonrpc":"2.0","id":"${id}","error":{"code":-7,"message":"no","data":${written}}}`
        })
      const question = yield* asking(ada, "files-ask")
      assert.strictEqual((yield* refuse(question.id)).status, 202)
      const { got } = (yield* question.outcome).structuredContent
      assert.deepStrictEqual([got.code, got.message, got.data.many], [-7, "no", many])
      // A stateless server has no way to hear of it: the client's call fails of it, without what the client knows.
      const call = yield* ada.open({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "fresh-ask" } })
      const { id } = (yield* call.next) as { readonly id: string }
      yield* refuse(id)
      const { error } = (yield* call.next) as any
      assert.deepStrictEqual([error.code, error.message, error.data], [-7, "no", undefined])
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { small: 1 }), { small: 1 })
      yield* emptied(bodies)
    })
  )

  it.live(
    "A93: counts for its user until its server has it, or never will; one that nobody asked for, not at all",
    () =>
      Effect.gen(function* () {
        const { ada, answered, bo, bodies, hub } = yield* start
        const send = (id: string) =>
          hub.http.send({
            path: "/mcp",
            headers: ada.headers,
            body: `{"jsonrpc":"2.0","id":"${id}","result":${written}}`
          })
        assert.strictEqual((yield* send("nobody asked")).status, 202)
        yield* emptied(bodies)
        // Written at once, though the server answers late.
        const question = yield* asking(ada, "files-slow")
        yield* send(question.id)
        const late = yield* Queue.take(answered)
        yield* emptied(bodies)
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { small: 1 }), { small: 1 })
        late.status(202)
        // Its session ends while the answer of another one is on its way.
        const again = yield* asking(ada, "files-slow")
        yield* send(again.id)
        yield* Queue.take(answered)
        assert.strictEqual(yield* ada.end, 204)
        assert.strictEqual(bodies.held(), 0)
      })
  )
})
