import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { BodyBytes } from "../../../src/actors/limits/BodyBytes.ts"
import { ScriptedHttpUpstream, ScriptedStdioUpstream, TestHub } from "../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../support/StatelessUpstream.ts"
import { eventually } from "../../support/Eventually.ts"
import { untilClosed, begin, open } from "../support/HalfBodies.ts"

const start = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      hang: () => {},
      asks: (call) =>
        call.event({
          jsonrpc: "2.0",
          id: "q",
          method: "elicitation/create",
          params: { message: "?", requestedSchema: {} }
        })
    }
  })
  const stateless = yield* StatelessUpstream.make({
    tools: { echo: (call) => call.content({ got: call.params["arguments"] }) }
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
  return { upstream, stateless, hub, ada, bo, bodies: Context.get(hub.services, BodyBytes) }
})

const large = "x".repeat(200_000)

describe("large arguments", () => {
  it.live(
    "A80: arrive as the client wrote them over HTTP, over stdio and across revisions; the other user sees none",
    () =>
      Effect.gen(function* () {
        const { ada, bo, bodies, hub, stateless, upstream } = yield* start
        const written = `{\n  "text": "${large}",\r\n "n":[1e400, -0.0, "\\ud800\\n", {"a": 1, "a": 2}]}`
        const post = (name: string) =>
          hub.http.send({
            path: "/mcp",
            headers: ada.headers,
            body: `{"jsonrpc":"2.0","id":"${name}","method":"tools/call","params":{"arguments":${written},"name":"${name}"}}`
          })
        const expected = JSON.parse(written) as object
        for (const name of ["files-echo", "fresh-echo", "child-echo"]) {
          const answer = yield* post(name)
          assert.notInclude(answer.text, '"error"', name)
          assert.include(answer.text, large)
        }
        const [call] = upstream.calls("tools/call")
        assert.deepStrictEqual(call!.body!.params, { name: "echo", arguments: expected })
        assert.deepStrictEqual(stateless.calls("tools/call")[0]!.body!.params!["arguments"], expected)
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { small: 1 }), { small: 1 })
        assert.notInclude(JSON.stringify(upstream.calls("tools/call")[1]!.body), "xxx")
        yield* eventually(Effect.sync(bodies.held), (held) => held === 0, { every: "5 millis" })
      })
  )

  it.live(
    "A81: are let go of as soon as the server has them, however long it takes; the other user's count for nobody else",
    () =>
      Effect.gen(function* () {
        const { ada, bo, bodies, upstream } = yield* start
        const calls = yield* Effect.forkChild(
          Effect.all(
            [ada, bo, ada].map((client) => client.callTool("files-hang", { large })),
            { concurrency: 3 }
          )
        )
        yield* eventually(
          Effect.sync(() => upstream.calls("tools/call").length),
          (count) => count === 3,
          { every: "5 millis" }
        )
        yield* eventually(Effect.sync(bodies.held), (held) => held === 0, { every: "5 millis" })
        assert.strictEqual(bodies.held(), 0)
        assert.isUndefined(calls.pollUnsafe())
        yield* Fiber.interrupt(calls)
      })
  )

  it.live(
    "A81: a server that has forgotten its session is not sent them twice; the call says so, and the next one is served",
    () =>
      Effect.gen(function* () {
        const { ada, bo, bodies, upstream } = yield* start
        yield* Effect.all([ada.callTool("files-echo", {}), bo.callTool("files-echo", {})])
        upstream.forgetSessions()
        const failure = yield* Effect.flip(ada.callTool("files-echo", { large }))
        assert.match(failure.message, /no longer knows the session/)
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { large }), { large })
        // Small ones are sent again, as ever.
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { small: 2 }), { small: 2 })
        yield* eventually(Effect.sync(bodies.held), (held) => held === 0, { every: "5 millis" })
      })
  )
})

describe("many large bodies", () => {
  it.live(
    "A82: wait in their sockets beyond their user's room; an answer goes beside them, and so does the other user",
    () =>
      Effect.gen(function* () {
        const { ada, bo, bodies, hub } = yield* start
        const question = yield* ada.open({
          jsonrpc: "2.0",
          id: 1,
          method: "tools/call",
          params: { name: "files-asks" }
        })
        const asked = (yield* question.next) as { readonly id: string }
        const half = Buffer.alloc(200_000, " ")
        const rest = 3_900_000
        const held = half.length + rest
        const sockets = yield* Effect.replicateEffect(open(hub.url, begin(ada.headers, rest, half)), 16)
        yield* eventually(Effect.sync(bodies.held), (bytes) => bytes === 16 * held, { every: "5 millis" })
        const next = yield* open(hub.url, begin(ada.headers, rest, half))
        let answered = ""
        next.setEncoding("latin1").on("data", (text: string) => (answered += text))
        yield* eventually(Effect.sync(bodies.waiting), (count) => count === 1, { every: "5 millis" })

        assert.deepStrictEqual(yield* bo.callTool("files-echo", { large }), { large })
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { small: 1 }), { small: 1 })
        const liar = `{"result":{"pad":"${large}"},"jsonrpc":"2.0","id":9,"method":"ping"}`
        const refused = yield* hub.http.send({ path: "/mcp", headers: ada.headers, body: liar })
        assert.strictEqual(refused.status, 429)
        const taken = yield* ada.respond(asked.id, { action: "accept", content: { large } })
        assert.strictEqual(taken.status, 202)
        assert.strictEqual(answered, "")
        assert.strictEqual(bodies.waiting(), 1)

        sockets[0]!.destroy()
        yield* eventually(Effect.sync(bodies.waiting), (count) => count === 0, { every: "5 millis" })
        next.write(Buffer.alloc(rest, " "))
        yield* eventually(
          Effect.sync(() => answered),
          (text) => text !== "",
          { every: "5 millis" }
        )
        assert.match(answered, /^HTTP\/1.1 400 [^]*parse_error/)
        for (const socket of sockets) socket.destroy()
        yield* eventually(Effect.sync(bodies.held), (bytes) => bytes === 0, { every: "5 millis" })
      })
  )

  it.live("A82: that have waited too long for their turn are told to come again", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config: { bodyTimeout: 1_500 } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const bodies = Context.get(hub.services, BodyBytes)
      const half = Buffer.alloc(200_000, " ")
      const sockets = yield* Effect.replicateEffect(open(hub.url, begin(ada.headers, 3_900_000, half)), 16)
      yield* eventually(Effect.sync(bodies.held), (bytes) => bytes === 16 * 4_100_000, { every: "5 millis" })
      // Byte by byte they are not too slow yet.
      const drip = setInterval(() => sockets.forEach((socket) => socket.write(" ")), 50)
      const text = yield* Effect.flatMap(open(hub.url, begin(ada.headers, 3_900_000, half)), untilClosed).pipe(
        Effect.ensuring(Effect.sync(() => clearInterval(drip)))
      )
      assert.match(text, /^HTTP\/1.1 429 [^]*retry-after: \d+[^]*"kind":"too_many_bodies"/i)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { large }), { large })
      for (const socket of sockets) socket.destroy()
      yield* eventually(Effect.sync(bodies.held), (bytes) => bytes === 0, { every: "5 millis" })
    })
  )
})
