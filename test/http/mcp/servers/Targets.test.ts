import { assert, describe, it } from "@effect/vitest"
import type { Redacted } from "effect"
import { Context, Effect } from "effect"
import { Groups } from "../../../../src/domain/identity/Groups.ts"
import { McpClient, type RawHttp, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

const fingerprint = ({ headers, status, text }: RawHttp.RawAnswer) => {
  const { date: _date, ...others } = headers
  return { status, headers: others, text }
}

const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
})

const start = Effect.gen(function* () {
  const files = yield* ScriptedHttpUpstream.make()
  const mail = yield* ScriptedHttpUpstream.make({ tools: { send: (call) => call.content({ sent: true }) } })
  const secrets = yield* ScriptedHttpUpstream.make()
  const hub = yield* TestHub.make({
    servers: { files: { url: files.url }, mail: { url: mail.url }, secrets: { url: secrets.url } },
    groups: [
      { name: "office", servers: ["files", "mail"] },
      { name: "vault", servers: ["secrets"] }
    ]
  })
  const groups = Context.get(hub.services, Groups)
  const post = (path: string, key: Redacted.Redacted<string>) =>
    hub.http.send({ path, headers: McpClient.clientHeaders(key), body: initialize })
  return { files, mail, secrets, hub, groups, post }
})

/** The error of a call, as the client sees it. */
const refusal = (client: McpClient.McpClient, name: string) =>
  Effect.map(Effect.flip(client.callTool(name)), ({ code, message }) => ({ code, message: message.replace(name, "…") }))

describe("the target of an endpoint", () => {
  it.live("defect 25: names a group or one server; a server's endpoint shows its own names", () =>
    Effect.gen(function* () {
      const { groups, hub, mail } = yield* start
      yield* groups.create({ userId: hub.ada.user.id, name: "work", servers: ["mail", "files"] })
      const work = yield* hub.connect(hub.ada, { path: "/mcp/work" })
      const names = yield* work.toolNames
      assert.isTrue(names.every((name) => name.startsWith("mail-") || name.startsWith("files-")))
      assert.deepStrictEqual(yield* work.callTool("mail-send"), { sent: true })

      const direct = yield* hub.connect(hub.ada, { path: "/mcp/mail" })
      assert.deepStrictEqual(yield* direct.toolNames, ["echo", "get-data", "send", "set-context", "whoami"])
      assert.deepStrictEqual(yield* direct.callTool("send"), { sent: true })
      assert.strictEqual(direct.welcome["instructions"], "Say what you expect")
      assert.strictEqual(mail.calls("tools/call").length, 2)

      const bo = yield* hub.connect(hub.bo, { path: "/bo/mcp/mail" })
      assert.deepStrictEqual(yield* bo.callTool("send"), { sent: true })
    })
  )

  it.live("a group wins over a server of the same name", () =>
    Effect.gen(function* () {
      const { groups, hub } = yield* start
      yield* groups.create({ userId: hub.ada.user.id, name: "mail", servers: ["files"] })
      yield* groups.create({ userId: hub.ada.user.id, name: "rest", servers: ["mail"] })
      const ada = yield* hub.connect(hub.ada, { path: "/mcp/mail" })
      assert.isTrue((yield* ada.toolNames).every((name) => name.startsWith("files-")))
      const bo = yield* hub.connect(hub.bo, { path: "/mcp/mail" })
      assert.include(yield* bo.toolNames, "send")
    })
  )

  it.live("A07: what a user may not reach is the same 404 as what does not exist", () =>
    Effect.gen(function* () {
      const { groups, hub, post, secrets } = yield* start
      yield* groups.create({ userId: hub.ada.user.id, name: "work", servers: ["files"] })
      yield* groups.create({ userId: hub.bo.user.id, name: "bos", servers: ["secrets"] })
      // Once, so that from now on the key is known: an answer that had to wait for the look-up came after the body.
      yield* post("/mcp/files", hub.ada.key)
      const unknown = yield* post("/mcp/nothing-at-all", hub.ada.key)
      assert.strictEqual(unknown.status, 404)
      for (const path of ["/mcp/secrets", "/mcp/vault", "/mcp/bos", "/bo/mcp", "/bo/mcp/bos", "/ada/mcp/secrets"]) {
        assert.deepStrictEqual(fingerprint(yield* post(path, hub.ada.key)), fingerprint(unknown), path)
      }
      assert.strictEqual((yield* post("/mcp/bos", hub.bo.key)).status, 200)
      assert.strictEqual(secrets.received.length, 0)
    })
  )

  it.live("a group of the settings names a part of what the user may reach, and never more", () =>
    Effect.gen(function* () {
      const { groups, hub } = yield* start
      yield* groups.create({ userId: hub.ada.user.id, name: "work", servers: ["files"] })
      const ada = yield* hub.connect(hub.ada, { path: "/mcp/office" })
      assert.isTrue((yield* ada.toolNames).every((name) => name.startsWith("files-")))
      const bo = yield* hub.connect(hub.bo, { path: "/mcp/office" })
      assert.include(yield* bo.toolNames, "mail-send")
      assert.notInclude((yield* bo.toolNames).join(), "secrets-")
    })
  )
})

describe("the groups of a user", () => {
  it.live("A28, defect 32: filter what is listed and what is called; a tool out of reach is as unknown as none", () =>
    Effect.gen(function* () {
      const { files, groups, hub, mail, secrets } = yield* start
      yield* groups.create({
        userId: hub.ada.user.id,
        name: "work",
        servers: ["files", "mail"],
        tools: ["files-echo", "send"]
      })
      const ada = yield* hub.connect(hub.ada)
      assert.deepStrictEqual(yield* ada.toolNames, ["files-echo", "mail-send"])
      const nothing = yield* refusal(ada, "no-such-tool")
      for (const name of ["secrets-echo", "files-whoami", "mail-echo", "whoami", "get-data", "files-nothing"]) {
        assert.deepStrictEqual(yield* refusal(ada, name), nothing, name)
      }
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { yes: 1 }), { yes: 1 })
      assert.strictEqual(secrets.received.length, 0)
      assert.strictEqual(files.calls("tools/call").length + mail.calls("tools/call").length, 1)
      const direct = yield* hub.connect(hub.ada, { path: "/mcp/files" })
      assert.deepStrictEqual(yield* direct.toolNames, ["echo"])
      assert.strictEqual((yield* Effect.flip(direct.callTool("whoami"))).code, -32602)
      const bo = yield* hub.connect(hub.bo)
      assert.deepStrictEqual(yield* bo.callTool("secrets-echo", { bo: 1 }), { bo: 1 })
    })
  )

  it.live("fail closed: with groups but none active there is nothing, without groups there is everything", () =>
    Effect.gen(function* () {
      const { groups, hub } = yield* start
      const bo = yield* hub.connect(hub.bo)
      assert.include((yield* bo.toolNames).join(), "secrets-")
      const group = yield* groups.create({ userId: hub.ada.user.id, name: "work", servers: ["files"] })
      const ada = yield* hub.connect(hub.ada)
      assert.isAbove((yield* ada.toolNames).length, 0)
      yield* groups.setActive(group.id, false)
      assert.deepStrictEqual(yield* ada.toolNames, [])
      assert.strictEqual((yield* Effect.flip(ada.callTool("files-echo"))).code, -32602)
      assert.isAbove((yield* bo.toolNames).length, 0)
    })
  )

  it.live("A36: a change reaches a session that is open, from the next request on", () =>
    Effect.gen(function* () {
      const { groups, hub } = yield* start
      const group = yield* groups.create({ userId: hub.ada.user.id, name: "work", servers: ["files"] })
      const ada = yield* hub.connect(hub.ada, { path: "/mcp/work" })
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { n: 1 }), { n: 1 })
      yield* groups.update(group.id, { servers: ["mail"] })
      assert.strictEqual((yield* Effect.flip(ada.callTool("files-echo"))).code, -32602)
      assert.deepStrictEqual(yield* ada.callTool("mail-send"), { sent: true })
      yield* groups.remove(group.id)
      const gone = yield* ada.send({ jsonrpc: "2.0", id: 1, method: "tools/list" })
      assert.strictEqual(gone.status, 404)
    })
  )
})
