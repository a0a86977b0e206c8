/** The first settings file of a hub that has served its sample until then. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { sampleCommand } from "../../../src/cli/sample/SampleCommand.ts"
import { eventually } from "../../support/Eventually.ts"
import { inFolder } from "../support/InFolder.ts"
import { json, mcphub, post, type RunningHub, startHub } from "../support/Program.ts"

const toolNames = Effect.fnUntraced(function* (hub: RunningHub, key: string) {
  const answer = yield* post(hub, key, "s", { id: 1, method: "tools/list" })
  const { result } = (yield* Effect.promise(() => answer.json())) as { result: { tools: Array<{ name: string }> } }
  return result.tools.map(({ name }) => name)
})

describe("the first settings file", () => {
  inFolder("field C2: takes the sample server away from everybody, and the log says so, once", (cwd) =>
    Effect.gen(function* () {
      const hub = yield* startHub([], { cwd })
      const keys: Array<string> = []
      for (const name of ["ada", "bo"]) keys.push((yield* json(["user", "add", name, "--key"], { cwd })).key.key)
      for (const key of keys) assert.include(yield* toolNames(hub, key), "sample-echo")
      const save = (servers: object) =>
        writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers: servers }))
      const own = sampleCommand()
      save({ mine: own })
      for (const key of keys) {
        const names = yield* eventually(toolNames(hub, key), (all) => all.includes("mine-echo"))
        assert.include(names, "mine-echo")
        assert.notInclude(names, "sample-echo")
      }
      save({ mine: own, other: own })
      yield* eventually(toolNames(hub, keys[0]!), (all) => all.includes("other-echo"))
      const said = hub.stderr().match(/does not name the server sample, which is gone/g)
      assert.deepStrictEqual(said, ["does not name the server sample, which is gone"])
    })
  )

  inFolder("field C2: says the same when an import writes it, and nothing when the file was there", (cwd) =>
    Effect.gen(function* () {
      writeFileSync(join(cwd, "claude.json"), JSON.stringify({ mcpServers: { one: sampleCommand() } }))
      const importing = (...more: ReadonlyArray<string>) =>
        mcphub(["import", "--from", "claude", join(cwd, "claude.json"), ...more], { cwd })
      assert.notInclude((yield* importing("--dry-run")).stderr, "sample server")
      assert.include((yield* importing()).stderr, "the hub's sample server is gone")
      assert.notInclude((yield* importing("--replace")).stderr, "sample server")
    })
  )
})
