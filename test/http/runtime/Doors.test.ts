/** What a connection may not do to the doors of the hub, or to what came by it before. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Socket } from "node:net"
import { RudeClients, ScriptedHttpUpstream, TestHub } from "../../../src/testkit/index.ts"

const start = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { ada, bo, hub, upstream }
})

const requestText = (line: string, headers: Readonly<Record<string, string>>, body = "") => {
  const all = { ...headers, ...(body === "" ? {} : { "content-length": String(Buffer.byteLength(body)) }) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${line} HTTP/1.1\r\n${lines.join("")}\r\n${body}`
}

/** All that comes on a socket until the hub closes it. */
const untilClosed = (socket: Socket): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let text = ""
    socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk))
    socket.on("close", () => resume(Effect.succeed(text)))
  })

const say = (url: string, text: string) =>
  Effect.flatMap(RudeClients.socketTo(new URL(url).origin), (socket) => {
    socket.write(text)
    return untilClosed(socket)
  })

describe("a request on the wire", () => {
  it.live("A86: with two different Host headers is refused, on every route; the same one twice is one", () =>
    Effect.gen(function* () {
      const { ada, bo, hub } = yield* start
      const ping = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })
      const { host: _, ...headers } = ada.headers as Record<string, string>
      for (const [line, body] of [
        ["POST /mcp", ping],
        ["GET /livez", ""]
      ] as const) {
        const both = { ...headers, host: "127.0.0.1", Host: "elsewhere.test", connection: "close" }
        assert.match(yield* say(hub.url, requestText(line, both, body)), /^HTTP\/1.1 400 [^]*conflicting_hosts/)
      }
      const once = requestText("GET /livez", { host: "127.0.0.1", connection: "close" })
      assert.match(yield* say(hub.url, once), /^HTTP\/1.1 200 /)
      assert.deepStrictEqual(yield* bo.request("ping"), {})
    })
  )

  it.live("A87: whose body never comes is answered and closed at once where no route reads one", () =>
    Effect.gen(function* () {
      const { bo, hub } = yield* start
      for (const line of ["POST /livez", "POST /nowhere", "GET /readyz"]) {
        const begun = requestText(line, { host: "127.0.0.1", "content-length": "1000" })
        assert.match(yield* say(hub.url, `${begun}half`), /^HTTP\/1.1 \d\d\d [^]*connection: close/i)
      }
      assert.deepStrictEqual(yield* bo.request("ping"), {})
    })
  )
})

describe("a DELETE behind a POST on one connection", () => {
  it.live("A88: ends the session when the call has been answered, in order; bo's goes on", () =>
    Effect.gen(function* () {
      const { ada, bo, hub } = yield* start
      yield* Effect.all([ada.callTool("files-echo"), bo.callTool("files-echo")])
      const call = JSON.stringify({
        jsonrpc: "2.0",
        id: "of-ada",
        method: "tools/call",
        params: { name: "files-echo", arguments: { text: "still there" } }
      })
      const headers = { host: "127.0.0.1", ...(ada.headers as Record<string, string>) }
      const answers = yield* say(
        hub.url,
        requestText("POST /mcp", headers, call) + requestText("DELETE /mcp", { ...headers, connection: "close" })
      )
      const [first, second] = answers.split(/(?=HTTP\/1.1 )/)
      assert.match(first!, /^HTTP\/1.1 200 [^]*"id":"of-ada"[^]*still there/)
      assert.match(second!, /^HTTP\/1.1 204 /)
      assert.strictEqual((yield* Effect.flip(ada.request("ping"))).status, 404)
      assert.deepStrictEqual(yield* bo.request("ping"), {})
    })
  )
})
