import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { runtimeCommand } from "../../../../src/cli/sample/RuntimeCommand.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { Users } from "../../../../src/domain/identity/Users.ts"
import { eventually } from "../../../support/Eventually.ts"
import { ask } from "../../support/StatelessClient.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

const { args = [], command } = runtimeCommand(new URL("./programs/remembers.mjs", import.meta.url))

const memory: ServerConfig = {
  command,
  args: [...args, "${MCPHUB_USER_ID}", "--name=${MCPHUB_USERNAME}", "${MCPHUB_USER_DIR}"],
  cwd: "${MCPHUB_USER_DIR}/work",
  env: { MEMORY_FILE_PATH: "${MCPHUB_USER_DIR}/memory.txt", WHO: "${MCPHUB_USERNAME}" }
}

const dataFolder = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "mcphub-folders-")))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

describe("a server that keeps files", () => {
  for (const isolation of ["session", "user"] as const) {
    it.live(`field A14: has a folder for each user, that stays, isolation ${isolation}`, () =>
      Effect.gen(function* () {
        const folder = yield* dataFolder
        const servers = { memory: { ...memory, isolation }, other: { ...memory, isolation } }
        const hub = yield* TestHub.make({ servers, dataFolder: folder })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        yield* ada.callTool("memory-remember", { text: "of ada" })
        yield* bo.callTool("memory-remember", { text: "of bo" })
        // Another session of each, when the first is gone.
        for (const client of [ada, bo]) assert.isBelow(yield* client.end, 300)
        for (const name of ["ada", "bo"] as const) {
          const { id, username } = hub[name].user
          const client = yield* hub.connect(hub[name])
          assert.deepStrictEqual(yield* client.callTool("memory-recall"), { text: `of ${name}\n` })
          const own = join(folder, "users", id, "memory")
          assert.deepStrictEqual(yield* client.callTool("memory-where"), {
            file: join(own, "memory.txt"),
            cwd: join(own, "work"),
            args: [id, `--name=${username}`, own],
            who: username
          })
          assert.deepStrictEqual([own, dirname(own), dirname(dirname(own))].map(mode), ["700", "700", "700"])
          // Another server of the same user has nothing of it.
          assert.deepStrictEqual(yield* client.callTool("other-recall"), { text: "" })
        }
      })
    )
  }

  it.live("field A14: is sent neither to another user's folder by a name or a link, nor to one it did not name", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const named: ServerConfig = { command, args: [...args, "${MCPHUB_USERNAME}"] }
      const hub = yield* TestHub.make({ servers: { memory, named }, dataFolder: folder })
      const place = (name: "ada" | "bo") => join(folder, "users", hub[name].user.id)
      // Whoever could put a link into the data folder.
      mkdirSync(join(place("ada"), "memory"), { recursive: true })
      mkdirSync(place("bo"))
      symlinkSync(join(place("ada"), "memory"), join(place("bo"), "memory"))
      const ada = yield* hub.connect(hub.ada)
      yield* ada.callTool("memory-remember", { text: "of ada" })
      const bo = yield* hub.connect(hub.bo)
      const refused = yield* Effect.flip(bo.callTool("memory-recall"))
      assert.include(refused.message, "leads to another folder")
      assert.deepStrictEqual(yield* ada.callTool("memory-recall"), { text: "of ada\n" })

      const [users, keys] = [Context.get(hub.services, Users), Context.get(hub.services, HubKeys)]
      for (const username of ["..", "--root"]) {
        const odd = yield* users.add({ username })
        const { key } = yield* keys.create({ userId: odd.id, name: "first" })
        const client = yield* hub.connect({ key })
        assert.include((yield* Effect.flip(client.callTool("named-where"))).message, "read as a path or an option")
        // The folder goes by the id, so the name is no matter.
        yield* hub.setSettings({
          mcpServers: { memory: { ...memory, args, env: { MEMORY_FILE_PATH: memory.env!["MEMORY_FILE_PATH"]! } } }
        })
        yield* client.callTool("memory-remember", { text: "odd" })
        assert.deepStrictEqual(readdirSync(join(folder, "users", odd.id, "memory")).sort(), ["memory.txt", "work"])
        yield* hub.setSettings({ mcpServers: { memory, named } })
      }
      assert.isFalse(existsSync(join(folder, "memory.txt")))
    })
  )

  it.live("field A14: runs in no folder to which a link in its user's folder leads, and makes none there", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const deep: ServerConfig = { ...memory, cwd: "${MCPHUB_USER_DIR}/a/b/work" }
      const hub = yield* TestHub.make({ servers: { memory, deep }, dataFolder: folder })
      const place = (name: "ada" | "bo", server: string) => join(folder, "users", hub[name].user.id, server)
      const ada = yield* hub.connect(hub.ada)
      yield* ada.callTool("memory-remember", { text: "of ada" })
      const [adas, bos] = [place("ada", "memory"), place("bo", "memory")]
      // A server that keeps files can make links, which it finds again when it is next started.
      for (const own of [bos, place("bo", "deep")]) mkdirSync(own, { recursive: true })
      symlinkSync(join(adas, "work"), join(bos, "work"))
      symlinkSync(adas, join(place("bo", "deep"), "a"))
      const bo = yield* hub.connect(hub.bo)
      for (const server of ["memory", "deep"]) {
        const refused = yield* Effect.flip(bo.callTool(`${server}-where`))
        assert.include(refused.message, `The folder in cwd of server "${server}" is not there or cannot be read`)
      }
      assert.deepStrictEqual(readdirSync(adas).sort(), ["memory.txt", "work"])
      const own = yield* ada.callTool("deep-where")
      assert.strictEqual(own["cwd"], join(place("ada", "deep"), "a", "b", "work"))
    })
  )

  it.live("field A14: is not started where the hub has no data folder, nor for all users at once", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const shared: ServerConfig = { ...memory, isolation: "shared" }
      const named: ServerConfig = { command, args: [...args, "${MCPHUB_USERNAME}"], isolation: "shared" }
      const hubs = [
        yield* TestHub.make({ servers: { memory } }),
        yield* TestHub.make({ servers: { memory: shared }, dataFolder: folder }),
        yield* TestHub.make({ servers: { memory: named }, dataFolder: folder })
      ]
      for (const hub of hubs) {
        for (const user of [hub.ada, hub.bo]) {
          const client = yield* hub.connect(user)
          const refused = yield* Effect.flip(client.callTool("memory-recall"))
          assert.match(refused.message, /and gets none|has no value/)
          assert.notInclude(JSON.stringify(refused), "${")
        }
      }
      assert.deepStrictEqual(readdirSync(folder), [])
    })
  )

  it.live("field A14: or one over HTTP learns of each user in its url and headers what the settings name", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({ tools: { which: (call) => call.content({}) } })
      const server: ServerConfig = {
        url: `${upstream.url}?user=\${MCPHUB_USER_ID}&name=\${MCPHUB_USERNAME}`,
        headers: { "X-Name": "${MCPHUB_USERNAME}", "X-Id": "${MCPHUB_USER_ID}" },
        context: "none"
      }
      const hub = yield* TestHub.make({ servers: { server } })
      const odd = yield* Context.get(hub.services, Users).add({ username: "Zoë & bo" })
      const { key } = yield* Context.get(hub.services, HubKeys).create({ userId: odd.id, name: "first" })
      const people = [
        { key: hub.ada.key, id: hub.ada.user.id, inUrl: "ada", inHeader: "ada" },
        { key: hub.bo.key, id: hub.bo.user.id, inUrl: "bo", inHeader: "bo" },
        { key, id: odd.id, inUrl: "Zo%C3%AB%20%26%20bo", inHeader: "Zo%C3%AB & bo" }
      ]
      for (const { id, inHeader, inUrl, key } of people) {
        assert.notInclude(JSON.stringify(upstream.received), id)
        const client = yield* hub.connect({ key: Redacted.make(Redacted.value(key)) })
        yield* client.callTool("server-which")
        const call = yield* upstream.await(
          ({ body, headers }) => body?.method === "tools/call" && headers["x-id"] === id
        )
        assert.strictEqual(call.headers["x-name"], inHeader)
        assert.include(call.path, `?user=${id}&name=${inUrl}`)
      }
    })
  )

  it.live("field A14: is told nothing of the client's own places, which would lead out of its folder", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const plain: ServerConfig = { command, args, env: { MEMORY_FILE_PATH: join(folder, "all.txt") } }
      const hub = yield* TestHub.make({ servers: { memory, plain }, dataFolder: folder })
      const capabilities = { roots: { listChanged: true }, elicitation: {} }
      const ada = yield* hub.connect(hub.ada, { capabilities })
      yield* ada.callTool("memory-recall")
      yield* ada.callTool("plain-recall")
      const changed = "notifications/roots/list_changed"
      yield* ada.notify(changed)
      const heard = (server: string) => ada.callTool(`${server}-heard`)
      const told = yield* eventually(heard("plain"), ({ notified }) => (notified as Array<string>).includes(changed))
      assert.deepStrictEqual(told["capabilities"], capabilities)
      const untold = yield* heard("memory")
      assert.deepStrictEqual(untold["capabilities"], { elicitation: {} })
      assert.notInclude(untold["notified"], changed)
      // It asks all the same: bo's client, of the revision without sessions, is not asked either.
      assert.containSubset(yield* ada.callTool("memory-roots"), { answer: { error: { code: -32601 } } })
      const asked = (server: string) =>
        ask(hub.http, hub.bo, "tools/call", { name: `${server}-roots`, arguments: {} }, { capabilities: { roots: {} } })
      const { result } = yield* asked("memory")
      assert.containSubset(result.structuredContent, { answer: { error: { code: -32601 } } })
      assert.strictEqual((yield* asked("plain")).result.resultType, "input_required")
    })
  )
})
