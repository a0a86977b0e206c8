import { assert, describe, it } from "@effect/vitest"
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema
} from "@modelcontextprotocol/sdk/types.js"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { sdk1 } from "../../support/OfficialClients.ts"

let questions = 0

/** An upstream whose tool `ask` puts a request to the client and returns what came back. */
const start = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      ask: async (call) => {
        const id = `question-${++questions}`
        call.event({ jsonrpc: "2.0", id, method: call.arguments["method"], params: call.arguments["params"] })
        const { body } = await Effect.runPromise(
          upstream.await((one) => one.body?.id === id && one.body.method === undefined)
        )
        call.content({ result: body!.result ?? null, error: body!.error ?? null })
      }
    }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  return { upstream, hub }
})

const elicit = {
  method: "elicitation/create",
  params: { message: "Which one?", requestedSchema: { type: "object", properties: { from: { type: "string" } } } }
}

const ask = (id: number | string, args: object) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "files-ask", arguments: args }
})

describe("a question of an upstream", () => {
  it.live(
    "defect 27: reaches the client of the official SDK and its answer comes back: elicitation, sampling, roots",
    () =>
      Effect.gen(function* () {
        const { hub, upstream } = yield* start
        const connect = (name: "ada" | "bo") =>
          sdk1(hub.url, hub[name], { elicitation: {}, sampling: {}, roots: { listChanged: true } }, (client) => {
            client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { from: name } }))
            client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
              model: "none",
              role: "assistant",
              content: { type: "text", text: `${name}: ${JSON.stringify(params.messages[0]!.content)}` }
            }))
            client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: `file:///${name}` }] }))
          })
        const clients = { ada: (yield* connect("ada")).client, bo: (yield* connect("bo")).client }
        const sampling = {
          method: "sampling/createMessage",
          params: { messages: [{ role: "user", content: { type: "text", text: "hi" } }], maxTokens: 5 }
        }
        yield* Effect.forEach(
          ["ada", "bo"] as const,
          Effect.fnUntraced(function* (name) {
            const put = (args: object) =>
              Effect.promise(() => clients[name].callTool({ name: "files-ask", arguments: { ...args } })).pipe(
                Effect.map((result) => result.structuredContent as any)
              )
            assert.deepStrictEqual((yield* put(elicit)).result, { action: "accept", content: { from: name } })
            assert.strictEqual((yield* put(sampling)).result.content.text, `${name}: {"type":"text","text":"hi"}`)
            assert.deepStrictEqual((yield* put({ method: "roots/list" })).result, {
              roots: [{ uri: `file:///${name}` }]
            })
          }),
          { concurrency: "unbounded" }
        )
        yield* Effect.promise(() => clients.ada.sendRootsListChanged())
        const told = yield* upstream.await(({ body }) => body?.method === "notifications/roots/list_changed")
        assert.strictEqual(told.headers["x-mcphub-user-id"], hub.ada.user.id)
        assert.strictEqual(upstream.calls("notifications/roots/list_changed").length, 1)
      })
  )

  it.live("A32: for which the client declared nothing is answered -32601 to the upstream and never shown", () =>
    Effect.gen(function* () {
      const { hub } = yield* start
      const ada = yield* hub.connect(hub.ada, { capabilities: { roots: {} } })
      for (const args of [elicit, { method: "sampling/createMessage", params: {} }, { method: "tools/list" }]) {
        const answer = yield* ada.open(ask(1, args))
        const messages = (yield* answer.rest) as ReadonlyArray<any>
        assert.strictEqual(messages.length, 1)
        assert.strictEqual(messages[0].result.structuredContent.error.code, -32601)
      }
      const pinged = yield* ada.callTool("files-ask", { method: "ping" })
      assert.deepStrictEqual(pinged, { result: {}, error: null })
    })
  )

  it.live("A18: is answered by the session it was put to; an answer from anyone else is dropped", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start
      const capabilities = { elicitation: {} }
      const ada = yield* hub.connect(hub.ada, { capabilities })
      const strangers = [yield* hub.connect(hub.bo, { capabilities }), yield* hub.connect(hub.ada, { capabilities })]
      const answer = yield* ada.open(ask(1, elicit))
      const question = (yield* answer.next) as { readonly id: string; readonly method: string }
      assert.strictEqual(question.method, "elicitation/create")
      // Random, and not the upstream's own id, which another user could guess.
      assert.match(question.id, /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
      for (const stranger of strangers) {
        for (const id of [question.id, `question-${questions}`, 1]) {
          assert.strictEqual(
            (yield* stranger.respond(id, { action: "accept", content: { by: "stranger" } })).status,
            202
          )
        }
      }
      assert.strictEqual((yield* ada.respond(question.id, { action: "decline" })).status, 202)
      assert.strictEqual((yield* ada.respond(question.id, { action: "accept" })).status, 202)
      const last = (yield* answer.rest).at(-1) as any
      assert.deepStrictEqual(last.result.structuredContent, { result: { action: "decline" }, error: null })
      assert.strictEqual(upstream.received.filter(({ body }) => body !== undefined && "result" in body).length, 1)
    })
  )

  it.effect("stops the clock of the call it belongs to while somebody thinks", () =>
    Effect.gen(function* () {
      const { hub } = yield* start
      const ada = yield* hub.connect(hub.ada, { capabilities: { elicitation: {} } })
      const answer = yield* ada.open(ask(1, elicit))
      const question = (yield* answer.next) as { readonly id: string }
      yield* TestClock.adjust("10 minutes")
      yield* ada.respond(question.id, { action: "accept", content: {} })
      const last = (yield* answer.rest).at(-1) as any
      assert.deepStrictEqual(last.result.structuredContent.result, { action: "accept", content: {} })
    })
  )

  it.live("that ends with its call is taken back from the client", () =>
    Effect.gen(function* () {
      const { hub } = yield* start
      const ada = yield* hub.connect(hub.ada, { capabilities: { elicitation: {} } })
      const answer = yield* ada.open(ask("asking", elicit))
      const question = (yield* answer.next) as { readonly id: string }
      yield* ada.notify("notifications/cancelled", { requestId: "asking" })
      const rest = (yield* answer.rest) as ReadonlyArray<any>
      const withdrawn = rest.find(({ method }) => method === "notifications/cancelled")
      assert.strictEqual(withdrawn?.params.requestId, question.id)
      assert.strictEqual(rest.find(({ id }) => id === "asking").error.code, 1499)
    })
  )

  it.live("outside any call goes to the GET stream of its session; without one the upstream hears that", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start
      const capabilities = { roots: {} }
      const [ada, bo] = yield* Effect.all([
        hub.connect(hub.ada, { capabilities }),
        hub.connect(hub.bo, { capabilities })
      ])
      const stream = yield* ada.stream
      yield* Effect.all([ada.callTool("files-echo"), bo.callTool("files-echo")])
      yield* upstream.await(() => upstream.calls("GET").length === 2)
      upstream.push({ jsonrpc: "2.0", id: "outside", method: "roots/list" })
      const question = (yield* stream.next) as any
      assert.strictEqual(question.method, "roots/list")
      yield* ada.respond(question.id, { roots: [] })
      yield* upstream.await(() => upstream.received.filter(({ body }) => body?.id === "outside").length === 2)
      const answers = upstream.received.filter(({ body }) => body?.id === "outside")
      const of = (user: string) => answers.find(({ headers }) => headers["x-mcphub-user-id"] === user)!.body
      assert.deepStrictEqual(of(hub.ada.user.id)!.result, { roots: [] })
      assert.strictEqual((of(hub.bo.user.id)!.error as any).code, 1503)
    })
  )

  it.live("outside any call is answered to the server that asked, also when several ask under one id", () =>
    Effect.gen(function* () {
      const [files, mail] = yield* Effect.all([ScriptedHttpUpstream.make(), ScriptedHttpUpstream.make()])
      const hub = yield* TestHub.make({ servers: { files: { url: files.url }, mail: { url: mail.url } } })
      const capabilities = { roots: {} }
      const [ada, bo] = yield* Effect.all([
        hub.connect(hub.ada, { capabilities }),
        hub.connect(hub.bo, { capabilities })
      ])
      const streams = yield* Effect.all([ada.stream, bo.stream])
      const servers = [files, mail]
      for (const client of [ada, bo]) for (const name of ["files", "mail"]) yield* client.callTool(`${name}-echo`)
      for (const server of servers) yield* server.await(() => server.calls("GET").length === 2)
      const asked: Array<() => Effect.Effect<unknown>> = []
      for (const [index, server] of servers.entries()) {
        assert.strictEqual(server.push({ jsonrpc: "2.0", id: "outside", method: "roots/list" }), 2)
        for (const [client, stream, user] of [
          [ada, streams[0], "ada"],
          [bo, streams[1], "bo"]
        ] as const) {
          const question = (yield* stream.next) as any
          const roots = [{ uri: `file:///${user}/${index}` }]
          asked.unshift(() => client.respond(question.id, { roots }))
        }
      }
      for (const answer of asked) yield* answer()
      for (const [index, server] of servers.entries()) {
        const answers = () => server.received.filter(({ body }) => body?.id === "outside")
        yield* server.await(() => answers().length === 2)
        for (const [user, name] of [
          [hub.ada, "ada"],
          [hub.bo, "bo"]
        ] as const) {
          const own = answers().filter(({ headers }) => headers["x-mcphub-user-id"] === user.user.id)
          assert.deepStrictEqual(
            own.map(({ body }) => body!.result),
            [{ roots: [{ uri: `file:///${name}/${index}` }] }]
          )
        }
      }
    })
  )

  it.effect("whose asker has gone leaves nothing behind", () =>
    Effect.gen(function* () {
      const { hub } = yield* start
      const ada = yield* hub.connect(hub.ada, { capabilities: { elicitation: {} } })
      const answer = yield* ada.open(ask(1, elicit))
      yield* answer.next
      const ended = yield* Effect.forkChild(ada.end)
      assert.strictEqual(yield* Fiber.join(ended), 204)
      const last = (yield* answer.rest).at(-1) as any
      assert.deepInclude(last.error.data, { kind: "session_closed" })
    })
  )
})
