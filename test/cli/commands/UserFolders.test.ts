/** Folders that servers have for each user, as an operator sees them: the settings, the running hub, a user who leaves. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { runtimeCommand } from "../../../src/cli/sample/RuntimeCommand.ts"
import { inFolder } from "../support/InFolder.ts"
import { json, mcphub, post, startHub } from "../support/Program.ts"

const { args = [], command } = runtimeCommand(new URL("../../http/mcp/servers/programs/remembers.mjs", import.meta.url))

const memory = { command, args, env: { MEMORY_FILE_PATH: "${MCPHUB_USER_DIR}/memory.txt" } }

describe("folders of users", () => {
  inFolder(
    "field A14: stand in the data folder, are named by config check, and stay when their user is removed",
    (cwd) =>
      Effect.gen(function* () {
        writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers: { memory } }))
        const place = (id: string) => join(cwd, ".mcphub", "users", id, "memory")
        const check = yield* mcphub(["config", "check"], { cwd })
        assert.strictEqual(check.code, 0)
        assert.include(check.stdout, `memory has one for each user: ${place("USER_ID")}`)
        const hub = yield* startHub([], { cwd })
        const people: Array<{ readonly id: string; readonly name: string }> = []
        for (const name of ["ada", "bo"]) {
          const { id, key } = yield* json(["user", "add", name, "--key"], { cwd })
          const params = { name: "memory-remember", arguments: { text: `of ${name}` } }
          const answer = yield* post(hub, key.key, "s", { id: 1, method: "tools/call", params })
          assert.notProperty(yield* Effect.promise(() => answer.json()), "error")
          people.push({ id, name })
        }
        for (const { id, name } of people) {
          assert.strictEqual(readFileSync(join(place(id), "memory.txt"), "utf8"), `of ${name}\n`)
        }
        const [ada, bo] = people as [(typeof people)[0], (typeof people)[0]]
        const gone = yield* mcphub(["user", "rm", "ada"], { cwd })
        assert.include(gone.stdout, join(cwd, ".mcphub", "users", ada.id))
        assert.isTrue(existsSync(place(ada.id)))
        // Who has the name next has nothing of it.
        const { id, key } = yield* json(["user", "add", "ada", "--key"], { cwd })
        assert.notStrictEqual(id, ada.id)
        const recall = yield* post(hub, key.key, "s", {
          id: 1,
          method: "tools/call",
          params: { name: "memory-recall" }
        })
        const { result } = (yield* Effect.promise(() => recall.json())) as { result: { structuredContent: unknown } }
        assert.deepStrictEqual(result.structuredContent, { text: "" })
        hub.signal("SIGTERM")
        yield* hub.ended
        assert.strictEqual((yield* json(["user", "rm", "bo"], { cwd })).files, join(cwd, ".mcphub", "users", bo.id))
        const none = yield* json(["user", "add", "cy"], { cwd })
        assert.isFalse(existsSync(place(none.id)))
        assert.isNull((yield* json(["user", "rm", "cy"], { cwd })).files)
      })
  )

  inFolder(
    "field A14: are what an import asks for where a server is known to keep files, and may be in what it reads",
    (cwd) =>
      Effect.gen(function* () {
        const program = "@modelcontextprotocol/server-memory"
        const plain = { command: "npx", args: ["-y", program] }
        writeFileSync(
          join(cwd, "claude.json"),
          JSON.stringify({
            mcpServers: { plain, apart: { ...plain, env: { MEMORY_FILE_PATH: "${MCPHUB_USER_DIR}/memory.jsonl" } } }
          })
        )
        const { warnings } = yield* json(["import", "--from", "claude", join(cwd, "claude.json")], { cwd })
        assert.deepStrictEqual(
          warnings.map(({ path }: { path: string }) => path),
          ["mcpServers.plain"]
        )
        assert.include(warnings[0].reason, "${MCPHUB_USER_DIR}/memory.jsonl")
        const written = JSON.parse(readFileSync(join(cwd, "mcp_settings.json"), "utf8"))
        assert.strictEqual(written.mcpServers.apart.env.MEMORY_FILE_PATH, "${MCPHUB_USER_DIR}/memory.jsonl")
        const check = yield* json(["config", "check"], { cwd })
        assert.deepStrictEqual(
          check.userFolders.map(({ server }: { server: string }) => server),
          ["apart"]
        )
      })
  )
})
