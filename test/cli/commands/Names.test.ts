/** Names that fit nothing: servers that a group names and nobody has, and tools whose names models refuse. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sampleCommand } from "../../../src/cli/sample/SampleCommand.ts"
import { expose, fittingServer, isWidelyTaken } from "../../../src/domain/protocol/ExposedNames.ts"
import { checkSettings } from "../../../src/domain/settings/SettingsCheck.ts"
import { inFolder } from "../support/InFolder.ts"
import { json, mcphub } from "../support/Program.ts"

describe("names", () => {
  inFolder("field C5: of servers that are not there are refused in a group, and nobody's group changes", (cwd) =>
    Effect.gen(function* () {
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers: { files: sampleCommand() } }))
      for (const name of ["ada", "bo"]) yield* json(["user", "add", name], { cwd })
      yield* json(["group", "create", "work", "--user", "bo", "--server", "files"], { cwd })
      const group = (verb: string, ...servers: ReadonlyArray<string>) =>
        mcphub(
          [
            "group",
            verb,
            "work",
            "--user",
            verb === "set" ? "bo" : "ada",
            ...servers.flatMap((one) => ["--server", one])
          ],
          { cwd }
        )
      for (const verb of ["create", "set"]) {
        for (const wrong of ["file", "constructor", "Files"]) {
          const refused = yield* group(verb, "files", wrong)
          assert.strictEqual(refused.code, 1)
          assert.include(refused.stderr, `no server "${wrong}"; there are: files`)
        }
      }
      assert.deepStrictEqual(
        (yield* json(["group", "ls"], { cwd })).map(({ servers, username }: any) => [username, servers]),
        [["bo", ["files"]]]
      )
      // A server that goes later takes no change of the group with it.
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers: { other: sampleCommand() } }))
      const set = yield* group("set", "files", "other")
      assert.strictEqual(set.code, 0)
      assert.match(set.stdout, /^warning: the settings have no server files;/m)
    })
  )

  inFolder("field C5: of tools that models refuse are named when a server is tried, with one that fits", (cwd) =>
    Effect.gen(function* () {
      const long = `a.${"long".repeat(15)}`
      const mcpServers = { files: sampleCommand(), [long]: sampleCommand() }
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers }))
      const good = yield* json(["server", "test", "files"], { cwd })
      assert.deepStrictEqual([good.refusedNames, good.namesRemedy], [[], null])
      const odd = yield* json(["server", "test", long], { cwd })
      assert.include(odd.refusedNames, `${long}-echo`)
      const offered = /rename the server to "([^"]+)"/.exec(odd.namesRemedy)![1]!
      assert.isTrue(odd.tools.every(({ name }: { name: string }) => isWidelyTaken(expose(offered, name, "-"))))
      assert.include((yield* mcphub(["server", "test", long], { cwd })).stdout, odd.namesRemedy)
      const { warnings } = yield* json(["config", "check"], { cwd })
      assert.lengthOf(warnings, 1)
      assert.include(warnings[0].path, "a.long")
      assert.match(warnings[0].reason, /rename it to "a-long/)
    })
  )

  it("field C5: that are warned of have one that fits in the warning, and it does fit", () => {
    const warned = (name: string, separator = "-") =>
      checkSettings({ mcpServers: { [name]: { command: "x" } } }, {}, separator).warnings.map(({ reason }) => reason)
    for (const name of ["files", "a_b-c", "x".repeat(39)]) assert.deepStrictEqual(warned(name), [])
    for (const name of ["a.b", "x".repeat(40), `${"y".repeat(38)}.z`]) {
      const fitting = /rename it to "([^"]+)"/.exec(warned(name)[0]!)![1]!
      assert.deepStrictEqual(warned(fitting), [])
    }
    assert.include(warned("files", ".")[0], "NAME_SEPARATOR")
    assert.isUndefined(fittingServer("files", ["t".repeat(64)], "-"))
    assert.isUndefined(fittingServer("files", ["a.b"], "-"))
    assert.strictEqual(fittingServer("files", ["t".repeat(60)], "-"), "fil")
  })
})
