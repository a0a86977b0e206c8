/** What a key opened is looked at again where the effect is: for whatever was under way when it was revoked or changed. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import type { Socket } from "node:net"
import { BodyBytes } from "../../../../src/actors/limits/BodyBytes.ts"
import { Groups } from "../../../../src/domain/identity/Groups.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { RudeClients, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"

const start = Effect.gen(function* () {
  const files = yield* ScriptedHttpUpstream.make()
  const mail = yield* ScriptedHttpUpstream.make()
  const hub = yield* TestHub.make({ servers: { files: { url: files.url }, mail: { url: mail.url } } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  const callsOf = (user: typeof hub.ada) =>
    files.calls("tools/call").filter(({ headers }) => headers["x-mcphub-user-id"] === user.user.id).length
  return { ada, bo, callsOf, files, hub, mail }
})

const textUntilClosed = (socket: Socket): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let text = ""
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk
      if (text.includes("}")) resume(Effect.succeed(text))
    })
    socket.on("close", () => resume(Effect.succeed(text)))
  })

const call = JSON.stringify({
  jsonrpc: "2.0",
  id: 7,
  method: "tools/call",
  params: { name: "files-echo", arguments: { padding: "x".repeat(1_000) } }
})

/** Sends a request but for the end of its body, and comes back when the hub has begun to read it. */
const halfSent = Effect.fnUntraced(function* (
  hub: Effect.Success<ReturnType<typeof TestHub.make>>,
  headers: Readonly<Record<string, string>>,
  body: string
) {
  const socket = yield* RudeClients.socketTo(new URL(hub.url).origin)
  const all = { host: "127.0.0.1", ...headers, "content-length": String(body.length) }
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`POST /mcp HTTP/1.1\r\n${head.join("")}\r\n${body.slice(0, 100)}`)
  yield* eventually(Effect.sync(Context.get(hub.services, BodyBytes).held), (held) => held > 0)
  return { answer: textUntilClosed(socket), finish: Effect.sync(() => void socket.write(body.slice(100))) }
})

describe("a key that is revoked", () => {
  for (const [what, isOpen] of [
    ["a call", true],
    ["the opening of a session", false]
  ] as const) {
    it.live(`A51: while the body of ${what} is under way: it is answered 401, and nothing of it is done`, () =>
      Effect.gen(function* () {
        const { ada, bo, callsOf, files, hub } = yield* start
        yield* bo.callTool("files-echo", { bo: 1 })
        const opening = {
          protocolVersion: "2025-11-25",
          capabilities: {},
          clientInfo: { name: "test", version: "1", padding: "x".repeat(200) }
        }
        const initialize = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: opening })
        const { "mcp-session-id": _, ...headers } = ada.headers
        const late = yield* halfSent(hub, isOpen ? ada.headers : headers, isOpen ? call : initialize)
        const heard = yield* Effect.forkChild(late.answer, { startImmediately: true })
        yield* Context.get(hub.services, HubKeys).revoke(hub.ada.row.id)
        yield* eventually(ada.send({ jsonrpc: "2.0", id: 8, method: "ping" }), ({ status }) => status === 401)
        yield* late.finish
        assert.match(yield* Fiber.join(heard), /^HTTP\/1.1 401 /)
        assert.strictEqual(callsOf(hub.ada), 0)
        assert.strictEqual(
          files.calls("initialize").filter(({ headers }) => headers["x-mcphub-user-id"] === hub.ada.user.id).length,
          0
        )
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 2 }), { bo: 2 })
      })
    )
  }
})

describe("a group that loses a server", () => {
  it.live("A52: while a body is under way: the call gets no further than the group admits by then", () =>
    Effect.gen(function* () {
      const { ada, bo, callsOf, hub } = yield* start
      const groups = Context.get(hub.services, Groups)
      const { id } = yield* groups.create({ userId: hub.ada.user.id, name: "work", servers: ["files", "mail"] })
      yield* eventually(ada.toolNames, (names) => names.includes("files-echo"))
      const late = yield* halfSent(hub, ada.headers, call)
      const heard = yield* Effect.forkChild(late.answer, { startImmediately: true })
      yield* groups.update(id, { servers: ["mail"] })
      yield* eventually(ada.toolNames, (names) => !names.includes("files-echo"))
      yield* late.finish
      assert.match(yield* Fiber.join(heard), /^HTTP\/1.1 200 [^]*"code":-32602/)
      assert.strictEqual(callsOf(hub.ada), 0)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
    })
  )

  it.live("A52: has its sessions' links to it closed within a second; nobody else's", () =>
    Effect.gen(function* () {
      const { ada, bo, files, hub } = yield* start
      const groups = Context.get(hub.services, Groups)
      const { id } = yield* groups.create({ userId: hub.ada.user.id, name: "work", servers: ["files", "mail"] })
      yield* eventually(ada.toolNames, (names) => names.includes("files-echo"))
      yield* Effect.all([ada.callTool("files-echo", { ada: 1 }), bo.callTool("files-echo", { bo: 1 })])
      const stream = yield* ada.stream
      assert.strictEqual(files.sessions.size, 2)
      const begun = performance.now()
      yield* groups.update(id, { servers: ["mail"] })
      yield* eventually(
        Effect.sync(() => files.sessions.size),
        (sessions) => sessions === 1,
        { every: "10 millis" }
      )
      assert.isBelow(performance.now() - begun, 1_000)
      assert.deepInclude(yield* stream.next, { method: "notifications/tools/list_changed" })
      assert.strictEqual((yield* Effect.flip(ada.callTool("files-echo"))).code, -32602)
      assert.deepStrictEqual(yield* ada.callTool("mail-echo", { ada: 2 }), { ada: 2 })
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 2 }), { bo: 2 })
    })
  )
})
