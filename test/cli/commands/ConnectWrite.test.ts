/** `mcphub connect CLIENT --write`: the client's own file, after its user has seen what changes. */
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { parse } from "jsonc-parser"
import { parse as parseToml } from "smol-toml"
import { entries, type WritableClient } from "../../../src/domain/ClientEntries.ts"
import { foreignPrograms } from "../../../src/domain/settings/ForeignPrograms.ts"
import { inFolder } from "../support/InFolder.ts"
import { json, mcphub, program } from "../support/Program.ts"

const url = "https://hub.example.com/mcp"
/** Made up at run time, so that no file of the project holds something that looks like a key. */
const key = `mcphub_${"a".repeat(64)}`

const connect = (client: string, cwd: string, file: string, ...more: ReadonlyArray<string>) =>
  mcphub(["connect", client, "--url", url, "--write", "--file", file, ...more], { cwd })

describe("connect --write", () => {
  inFolder("shows what it would do and writes nothing until somebody agrees", (cwd) =>
    Effect.gen(function* () {
      const file = join(cwd, "mcp.json")
      const text = `{\n  "mcpServers": {\n    "mcphub": { "url": "http://old", "headers": { "Authorization": "Bearer ${key}" } },\n    "other": { "env": { "TOKEN": "canary-77" } }\n  }\n}\n`
      writeFileSync(file, text, { mode: 0o640 })
      const asked = yield* connect("cursor", cwd, file)
      assert.strictEqual(asked.code, 1)
      assert.include(asked.stderr, "add --yes to write this")
      assert.include(asked.stdout, `+       "url": "${url}"`)
      assert.strictEqual(readFileSync(file, "utf8"), text)
      const inJson = yield* connect("cursor", cwd, file, "--json")
      assert.deepStrictEqual([inJson.code, inJson.stdout, readFileSync(file, "utf8")], [1, "", text])
      const done = yield* connect("cursor", cwd, file, "--yes")
      assert.strictEqual(done.code, 0)
      for (const { stderr, stdout } of [asked, inJson, done]) {
        assert.notInclude(stdout + stderr, key)
        assert.notInclude(stdout + stderr, "canary-77")
      }
      assert.include(readFileSync(file, "utf8"), '\n    "other": { "env": { "TOKEN": "canary-77" } }\n')
      assert.notInclude(readFileSync(file, "utf8"), key)
      assert.strictEqual(statSync(file).mode & 0o777, 0o640)
      assert.deepStrictEqual(readdirSync(cwd), ["mcp.json"])
      assert.deepInclude(yield* json(["connect", "cursor", "--url", url, "--write", "--file", file], { cwd }), {
        changes: false,
        written: false
      })
    })
  )

  inFolder("writes for each client what it reads, without a key, and `import` reads it back", (cwd) =>
    Effect.gen(function* () {
      for (const client of Object.keys(entries) as ReadonlyArray<WritableClient>) {
        const file = join(cwd, client, "settings")
        assert.strictEqual((yield* connect(client, cwd, file, "--yes")).code, 0)
        const text = readFileSync(file, "utf8")
        const document = entries[client].syntax === "toml" ? parseToml(text) : parse(text)
        const { problems, servers } = foreignPrograms[client].read(document)
        assert.deepStrictEqual(problems, [])
        const { httpUrl, url: plain } = servers["mcphub"] as Record<string, unknown>
        assert.strictEqual(plain ?? httpUrl, url, client)
        assert.match(text, /MCPHUB_KEY|input:mcphub-key/)
      }
    })
  )

  inFolder("keeps a symbolic link, and says why it cannot write where it cannot", (cwd) =>
    Effect.gen(function* () {
      mkdirSync(join(cwd, "dotfiles"))
      writeFileSync(join(cwd, "dotfiles", "config.toml"), "# mine\n")
      symlinkSync(join("dotfiles", "config.toml"), join(cwd, "link.toml"))
      assert.strictEqual((yield* connect("codex", cwd, join(cwd, "link.toml"), "--yes")).code, 0)
      assert.deepStrictEqual(readdirSync(join(cwd, "dotfiles")), ["config.toml"])
      assert.match(readFileSync(join(cwd, "dotfiles", "config.toml"), "utf8"), /^# mine\n\n\[mcp_servers\.mcphub\]/)
      writeFileSync(join(cwd, "broken.json"), '{ "canary-77": ')
      for (const [file, said] of [
        ["dotfiles", "dotfiles is no file"],
        ["broken.json", "the file is not JSON from line 1, column"],
        [join("broken.json", "below.json"), "ENOTDIR"]
      ] as const) {
        const { code, stderr } = yield* connect("cursor", cwd, join(cwd, file), "--yes")
        assert.strictEqual(code, 2)
        assert.include(stderr, said)
        assert.notInclude(stderr, "canary-77")
      }
      assert.strictEqual(readFileSync(join(cwd, "broken.json"), "utf8"), '{ "canary-77": ')
    })
  )

  inFolder("takes no address with a key or a password in it, for a file or for a snippet", (cwd) =>
    Effect.gen(function* () {
      for (const url of [
        `http://h/mcp?key=${key}`,
        `http://h/${key}`,
        "http://ada:canary-77@h/mcp",
        "hub.example.com"
      ]) {
        for (const more of [[], ["--write", "--yes", "--file", join(cwd, "mcp.json")]]) {
          const { code, stderr, stdout } = yield* mcphub(["connect", "cursor", "--url", url, ...more], { cwd })
          assert.deepStrictEqual([code, stdout], [1, ""])
          assert.include(stderr, "--url")
          assert.notInclude(stderr, key)
          assert.notInclude(stderr, "canary-77")
        }
      }
      assert.deepStrictEqual(readdirSync(cwd), [])
    })
  )

  inFolder("finds the file where the client looks for it", (cwd) =>
    Effect.gen(function* () {
      const { code, stdout } = yield* program(["connect", "gemini", "--url", url, "--write", "--yes", "--json"], {
        cwd,
        env: { HOME: cwd }
      })
      assert.strictEqual(code, 0)
      assert.strictEqual(JSON.parse(stdout).file, join(cwd, ".gemini", "settings.json"))
      assert.include(readFileSync(join(cwd, ".gemini", "settings.json"), "utf8"), `"httpUrl": "${url}"`)
    })
  )
})
