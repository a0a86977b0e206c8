/**
 * mcp-remote, as published: it brings a remote hub to clients that only know stdio. It speaks the 2025 revisions and
 * asks for well-known documents before it sends anything.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { createRequire } from "node:module"
import { overEvents, type Person } from "./Answering.ts"
import { served } from "../conformance/Served.ts"
import { ClientHub, node } from "./ClientHub.ts"
import { converse } from "./Programs.ts"

const program = createRequire(import.meta.url).resolve("mcp-remote/dist/proxy.js")

/** mcp-remote with a person's key, after `initialize`. */
const open = Effect.fnUntraced(function* (url: string, { key }: Person, transport = "http-only") {
  const flags = ["--allow-http", "--transport", transport, "--header", `Authorization: Bearer ${key}`]
  const remote = yield* converse(node, [program, url, ...flags])
  const clientInfo = { name: "stdio-only", version: "1.0.0" }
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo }
  yield* remote.send({ id: 0, method: "initialize", params })
  const { result } = yield* remote.answer(0)
  yield* remote.send({ method: "notifications/initialized" })
  return { remote, serverInfo: result.serverInfo }
})

layer(ClientHub.layer, { excludeTestServices: true, timeout: "60 seconds" })("mcp-remote", (it) => {
  for (const server of served.statelessUpstreams ? (["old", "new"] as const) : (["old"] as const)) {
    describe(`on the upstream "${server}"`, () => {
      it.effect("carries a stdio client's tool list and calls to the hub", () =>
        Effect.gen(function* () {
          const { ada, endpoint } = yield* ClientHub
          const { remote } = yield* open(endpoint(server), ada)
          yield* remote.send({ id: 1, method: "tools/list" })
          const listed = yield* remote.answer(1)
          assert.include(
            listed.result.tools.map(({ name }: { name: string }) => name),
            "echo"
          )
          yield* remote.send({ id: 2, method: "tools/call", params: { name: "echo", arguments: { text: "hello" } } })
          assert.strictEqual((yield* remote.answer(2)).result.content[0].text, "hello")
        })
      )
    })
  }

  for (const transport of ["http-only", "sse-only"]) {
    it.effect(`keeps two users with the same request ids apart (${transport})`, () =>
      Effect.gen(function* () {
        const { ada, bo, endpoint } = yield* ClientHub
        const url = transport === "sse-only" ? overEvents(endpoint("old")) : endpoint("old")
        const answers = yield* Effect.forEach(
          [ada, bo],
          (person) =>
            Effect.gen(function* () {
              const { remote } = yield* open(url, person, transport)
              const params = { name: "echo", arguments: { text: person.name } }
              yield* remote.send({ id: 7, method: "tools/call", params })
              return (yield* remote.answer(7)).result.content[0].text
            }),
          { concurrency: 2 }
        )
        assert.deepEqual(answers, ["ada", "bo"])
      })
    )
  }
})
