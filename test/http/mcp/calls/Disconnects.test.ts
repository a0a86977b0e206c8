/**
 * A client of revision 2026-07-28 that closes its connection before the first byte of its answer: that is how it
 * cancels, however large its request was. Sockets are opened by hand, because no HTTP client leaves that way on demand.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { connect } from "node:net"
import type { HubUser, RunningHub, ScriptedCall } from "../../../../src/testkit/index.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import { ask, requestOf } from "../../support/StatelessClient.ts"

/** Below, at and above the sizes at which servers stop to watch a connection. */
const sizes = [40, 700, 1_400, 20_000, 1_000_000]

/** An upstream whose tool `hang` says nothing until it is told to answer, and what became of each call by its text. */
const upstreamOf = Effect.fnUntraced(function* (era: "stateful" | "stateless") {
  const calls = new Map<string, { readonly begun: Deferred.Deferred<ScriptedCall>; closed: Deferred.Deferred<void> }>()
  const of = (who: string) => {
    const known = calls.get(who) ?? { begun: Deferred.makeUnsafe<ScriptedCall>(), closed: Deferred.makeUnsafe<void>() }
    calls.set(who, known)
    return known
  }
  const hang = (call: ScriptedCall): void => {
    const { begun, closed } = of(String((call.params["arguments"] as { readonly who: string }).who))
    call.response.once("close", () => Deferred.doneUnsafe(closed, Effect.void))
    Deferred.doneUnsafe(begun, Effect.succeed(call))
  }
  const make = era === "stateful" ? ScriptedHttpUpstream.make : StatelessUpstream.make
  const server = yield* make({ tools: { hang } })
  const told = (who: string) =>
    Effect.gen(function* () {
      const { id } = yield* Deferred.await(of(who).begun)
      if (era === "stateless") return yield* Deferred.await(of(who).closed)
      yield* server.await(({ body }) => body?.method === "notifications/cancelled" && body.params!["requestId"] === id)
    })
  return { url: server.url, begun: (who: string) => Deferred.await(of(who).begun), told, server }
})

const callOf = (user: HubUser, who: string, size: number) =>
  requestOf(user, "tools/call", { name: "files-hang", arguments: { who, padding: "x".repeat(size) } })

/** Sends the whole request on a connection of its own; the result closes it. */
const leaving = Effect.fnUntraced(function* (hub: RunningHub, { body, headers, path }: ReturnType<typeof requestOf>) {
  const { hostname, port } = new URL(hub.url)
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => connect(Number(port), hostname)),
    (open) => Effect.sync(() => void open.destroy())
  )
  let received = 0
  socket.on("data", (chunk: Uint8Array) => (received += chunk.length)).on("error", () => {})
  const lines = Object.entries({ ...headers, host: `${hostname}:${port}`, "content-length": Buffer.byteLength(body) })
  socket.write(`POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`)
  return { leave: Effect.sync(() => void socket.destroy()), received: () => received }
})

for (const era of ["stateful", "stateless"] as const) {
  describe(`a 2026-07-28 client that goes away before its answer has begun, on a ${era} server`, () => {
    for (const size of sizes) {
      it.live(`B14: cancels its call of ${size} bytes and more, and nobody else's`, () =>
        Effect.gen(function* () {
          const upstream = yield* upstreamOf(era)
          const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
          const { path, headers, body } = callOf(hub.bo, "bo", size)
          const bos = yield* Effect.forkChild(
            Effect.flatMap(hub.http.open({ path, headers, body }), ({ rest }) => rest)
          )
          const ada = yield* leaving(hub, callOf(hub.ada, "ada", size))
          yield* Effect.all([upstream.begun("ada"), upstream.begun("bo")])
          assert.strictEqual(ada.received(), 0)
          yield* ada.leave
          yield* upstream.told("ada")
          const cancelled = upstream.server.calls("notifications/cancelled").length
          assert.strictEqual(cancelled, era === "stateful" ? 1 : 0)
          const call = yield* upstream.begun("bo")
          assert.isFalse(call.response.destroyed)
          call.content({ still: "there" })
          const answer = (yield* Fiber.join(bos)).at(-1) as any
          assert.deepStrictEqual(answer.result.structuredContent, { still: "there" })
          assert.isDefined((yield* ask(hub.http, hub.ada, "tools/list")).result)
        })
      )
    }
  })
}
