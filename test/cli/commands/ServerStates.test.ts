/** Servers that are absent, hang, die or answer rubbish, as an operator sees them, and the errors their callers get. */
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { config } from "../../../src/testkit/ScriptedStdioUpstream.ts"
import { eventually } from "../../support/Eventually.ts"
import { inFolder } from "../support/InFolder.ts"
import { json, post, startHub } from "../support/Program.ts"

/** Answers every POST with a web page, and under `/hang` not at all. */
const webServer = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer((request, response) => {
      request.resume()
      if (request.url === "/hang") return
      response.setHeader("content-type", "text/html").end("<html>Welcome</html>")
    })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

inFolder(
  "servers that fail in every way are typed errors to their caller alone, and server ls names each reason",
  (cwd) =>
    Effect.gen(function* () {
      const web = yield* webServer
      const mcpServers = {
        absent: { url: "http://127.0.0.1:1/mcp" },
        hangs: { url: `${web}/hang` },
        rubbish: { url: `${web}/page` },
        missing: { command: "no-such-program-anywhere" },
        // A process has four times as long for its start as its callers wait.
        silent: { ...config({ silent: true }), options: { initTimeout: 2_000 } },
        exits: config({ exitAtStart: 7, lastWords: "no licence" }),
        dies: config()
      }
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers }))
      const hub = yield* startHub([], { cwd, env: { INIT_TIMEOUT: "8000", LIST_TIMEOUT: "8000" } })
      const ada = (yield* json(["user", "add", "ada", "--key"], { cwd })).key.key
      const bo = (yield* json(["user", "add", "bo", "--key"], { cwd })).key.key
      const call = (key: string, name: string, args: object = {}) =>
        post(hub, key, "s", { id: 1, method: "tools/call", params: { name, arguments: args } }).pipe(
          Effect.flatMap((answer) => Effect.promise((): Promise<any> => answer.json()))
        )
      // Bo's own server process is what must outlive ada's.
      const set = call(bo, "dies-set-context", { project: "bo's" })
      assert.isDefined((yield* eventually(set, ({ result }) => result !== undefined)).result)

      const began = Date.now()
      const answers = yield* Effect.forEach(Object.keys(mcpServers), (name) => call(ada, `${name}-exit`, { code: 3 }), {
        concurrency: "unbounded"
      })
      assert.isBelow(Date.now() - began, 30_000)
      for (const [index, { error }] of answers.entries()) {
        const name = Object.keys(mcpServers)[index]
        // The one that dies of its call has had it, whatever it has done with it.
        assert.include(name === "dies" ? [1409] : [1502, 1503], error.code, JSON.stringify(error))
        assert.strictEqual(error.data.server, name)
      }
      const kept = yield* call(bo, "dies-get-data")
      assert.include(JSON.stringify(kept.result), "bo's")

      // A caller may have had the answer before the hub gave up a server that never answers.
      const states = yield* eventually(json(["server", "ls"], { cwd }), (all) =>
        all.every(({ state }: any) => state !== "connecting")
      )
      const shown = Object.fromEntries(states.map((one: any) => [one.name, one]))
      const expected = {
        absent: /refused the connection/,
        hangs: /within 8000 ms/,
        rubbish: /something else than JSON/,
        missing: /ENOENT/,
        silent: /within 8000 ms/,
        exits: /exited with code 7; it wrote: no licence/
      }
      for (const [name, reason] of Object.entries(expected)) {
        assert.strictEqual(shown[name].state, "failed", name)
        assert.match(shown[name].reason, reason)
      }
      // Hers has gone, bo's is there.
      assert.deepInclude(shown["dies"], { state: "connected", connections: 1 })
      assert.include(shown["dies"].reason, "exited with code 3")
    })
)
