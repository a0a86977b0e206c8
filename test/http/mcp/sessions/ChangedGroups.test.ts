/** What a session has to do with a server that its user's groups, or the settings, no longer admit: nothing more. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Queue, Redacted } from "effect"
import { Groups } from "../../../../src/domain/identity/Groups.ts"
import { Principals } from "../../../../src/domain/identity/Principals.ts"
import { type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { eventually } from "../../../support/Eventually.ts"
import { halfSent } from "../../support/HalfSent.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"
import { ask } from "../../support/StatelessClient.ts"

const asks = (asking: ScriptedCall): void =>
  asking.event({
    jsonrpc: "2.0",
    id: "q",
    method: "elicitation/create",
    params: { message: "Sure?", requestedSchema: { type: "object", properties: {} } }
  })

/** ada is in one group, with both servers; bo is in none, and reaches everything. */
const start = Effect.fnUntraced(function* (more: Partial<ServerConfig> = {}) {
  const { hold, upstream: files } = yield* holdingUpstream({ asks })
  const mail = yield* ScriptedHttpUpstream.make()
  const servers = { files: { url: files.url, ...more }, mail: { url: mail.url } }
  const hub = yield* TestHub.make({ servers })
  const groups = Context.get(hub.services, Groups)
  const { id } = yield* groups.create({ userId: hub.ada.user.id, name: "team", servers: ["files", "mail"] })
  const change = (fields: { servers?: ReadonlyArray<string>; tools?: ReadonlyArray<string> }) =>
    groups.update(id, fields)
  return { change, files, groups, hold, hub, id, mail, servers }
})

const say = (data: string) => ({ jsonrpc: "2.0", method: "notifications/words", params: { data } })
const changed = "notifications/tools/list_changed"

describe("a server that a user's groups no longer admit", () => {
  for (const isolation of ["session", "shared"] as const) {
    it.live(
      `A52: (${isolation}) tells that user nothing more within a second, hears nothing more, and goes on with bo`,
      () =>
        Effect.gen(function* () {
          const { change, files, hub, mail } = yield* start({ isolation })
          const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
          const [adas, bos] = yield* Effect.all([ada.stream, bo.stream])
          for (const client of [ada, bo]) {
            for (const server of ["files", "mail"]) yield* client.callTool(`${server}-echo`)
          }
          const links = isolation === "session" ? 2 : 1
          yield* eventually(
            Effect.sync(() => files.calls("GET").length + mail.calls("GET").length),
            (n) => n === links + 2
          )
          const before = performance.now()
          yield* change({ servers: ["mail"] })
          let next: any = yield* adas.next
          while (next.method !== changed) next = yield* adas.next
          if (isolation === "session") yield* files.await(() => files.calls("DELETE").length === 1)
          assert.isBelow(performance.now() - before, 1_000)
          files.push(say("of files"))
          yield* bo.notify("notifications/roots/list_changed")
          yield* ada.notify("notifications/roots/list_changed")
          yield* mail.await(
            ({ body, headers }) =>
              body?.method === "notifications/roots/list_changed" && headers["x-mcphub-user-id"] === hub.ada.user.id
          )
          const heardBy = files
            .calls("notifications/roots/list_changed")
            .map(({ headers }) => headers["x-mcphub-user-id"])
          assert.deepStrictEqual(heardBy, [hub.bo.user.id])
          mail.push(say("of mail"))
          const heard = []
          for (next = yield* adas.next; next.params?.data !== "of mail"; next = yield* adas.next)
            heard.push(next.method)
          assert.notInclude(heard, "notifications/words")
          for (next = yield* bos.next; next.params?.data !== "of files";) next = yield* bos.next
          assert.strictEqual((yield* Effect.flip(ada.callTool("files-echo"))).code, -32602)
          assert.deepStrictEqual(yield* bo.callTool("files-echo", { n: 1 }), { n: 1 })
        })
    )
  }

  it.live("A52: ends that user's calls there, running or parked, and not bo's", () =>
    Effect.gen(function* () {
      const { change, files, hold, hub } = yield* start({ isolation: "shared" })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const [adas, bos] = [yield* hold(ada), yield* hold(bo)]
      const options = { capabilities: { elicitation: {} } }
      const params = { name: "files-asks", arguments: {} }
      const parked = yield* ask(hub.http, hub.ada, "tools/call", params, options)
      const before = performance.now()
      yield* change({ servers: ["mail"] })
      assert.strictEqual((yield* adas.answer).error.data.kind, "cancelled")
      yield* files.await(() => files.calls("notifications/cancelled").length === 2)
      assert.isBelow(performance.now() - before, 1_000)
      yield* change({ servers: ["files", "mail"] })
      const inputResponses = { [Object.keys(parked.result.inputRequests)[0]!]: { action: "accept", content: {} } }
      const again = { ...params, inputResponses, requestState: parked.result.requestState }
      assert.match((yield* ask(hub.http, hub.ada, "tools/call", again, options)).error.message, /has ended/)
      bos.call.content({ fine: true })
      assert.deepStrictEqual((yield* bos.answer).result.structuredContent, { fine: true })
    })
  )

  it.live("A55: ends calls of a tool that is no longer granted, and leaves the connection to the others", () =>
    Effect.gen(function* () {
      const { change, files, hold, hub } = yield* start()
      const ada = yield* hub.connect(hub.ada)
      const held = yield* hold(ada)
      yield* change({ servers: ["files"], tools: ["files-echo"] })
      assert.strictEqual((yield* held.answer).error.data.kind, "cancelled")
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { n: 1 }), { n: 1 })
      assert.strictEqual(files.calls("initialize").length, 1)
    })
  )

  it.live("A55: is not called by who waited for a connection to it", () =>
    Effect.gen(function* () {
      const opened = yield* Queue.unbounded<ScriptedCall>()
      const { change, files, hub } = yield* start()
      files.script("initialize", (held) => void Queue.offerUnsafe(opened, held))
      const ada = yield* hub.connect(hub.ada)
      const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "files-echo", arguments: {} } }
      const waiting = yield* Effect.forkChild(ada.send(message), { startImmediately: true })
      const held = yield* Queue.take(opened)
      yield* change({ servers: ["mail"] })
      assert.property(JSON.parse((yield* Fiber.join(waiting)).text), "error")
      held.result({ protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "late", version: "1" } })
      assert.deepStrictEqual(files.calls("tools/call"), [])
    })
  )

  it.live("A55: is not called with a tool that was taken from who waited for its list", () =>
    Effect.gen(function* () {
      const listed = yield* Queue.unbounded<ScriptedCall>()
      const { change, files, hub } = yield* start()
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* bo.callTool("files-echo")
      files.script("tools/list", (held) => void Queue.offerUnsafe(listed, held))
      const adas = yield* ada.stream
      const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "files-hold", arguments: {} } }
      const waiting = yield* Effect.forkChild(ada.send(message), { startImmediately: true })
      const held = yield* Queue.take(listed)
      yield* change({ servers: ["files"], tools: ["files-echo"] })
      for (let next: any = yield* adas.next; next.method !== changed;) next = yield* adas.next
      held.result({ tools: [{ name: "hold", inputSchema: { type: "object" } }] })
      assert.property(JSON.parse((yield* Fiber.join(waiting)).text), "error")
      assert.lengthOf(files.calls("tools/call"), 1)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { n: 1 }), { n: 1 })
    })
  )

  it.live("A55: is out of reach for a body that was under way meanwhile, as is a target that is gone", () =>
    Effect.gen(function* () {
      const { change, files, groups, hub, id } = yield* start()
      const principals = Context.get(hub.services, Principals)
      const team = yield* hub.connect(hub.ada, { path: "/mcp/team" })
      const all = yield* hub.connect(hub.ada)
      yield* all.callTool("files-echo")
      const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "files-echo", arguments: {} } }
      const before = files.calls("tools/call").length
      const half = yield* halfSent(hub, { path: "/mcp", headers: all.headers, message })
      const stale = yield* principals.authenticate(hub.ada.key)
      yield* change({ servers: ["mail"] })
      yield* eventually(
        Effect.sync(() => stale.standing.isCurrent),
        (current) => !current,
        { every: "1 millis" }
      )
      assert.match(yield* half.finish, /^HTTP\/1.1 200 /)
      assert.strictEqual(files.calls("tools/call").length, before)
      const other = yield* halfSent(hub, { path: "/mcp/team", headers: team.headers, message })
      yield* groups.remove(id)
      yield* eventually(
        Effect.sync(() => principals.peek(Redacted.value(hub.ada.key), true)),
        (known) => known === undefined,
        { every: "1 millis" }
      )
      assert.match(yield* other.finish, /^HTTP\/1.1 404 /)
    })
  )

  it.live("A52: the same when a group of the settings loses it", () =>
    Effect.gen(function* () {
      const { files, hub, servers } = yield* start()
      const group = (...names: ReadonlyArray<string>) => ({
        mcpServers: servers,
        groups: [{ name: "all", servers: names }]
      })
      yield* hub.setSettings(group("files", "mail"))
      const bo = yield* hub.connect(hub.bo, { path: "/mcp/all" })
      const stream = yield* bo.stream
      yield* bo.callTool("files-echo")
      yield* hub.setSettings(group("mail"))
      yield* files.await(() => files.calls("DELETE").length === 1)
      let next: any = yield* stream.next
      while (next.method !== changed) next = yield* stream.next
      assert.notInclude(yield* bo.toolNames, "files-echo")
    })
  )
})
