/** `mcphub import`: other programs' settings, as their documents show them. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { inFolder } from "../support/InFolder.ts"
import { mcphub, program } from "../support/Program.ts"

const put = (cwd: string, file: string, text: string | object): string => {
  const path = join(cwd, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, typeof text === "string" ? text : JSON.stringify(text))
  return path
}

const settingsOf = (cwd: string) => JSON.parse(readFileSync(join(cwd, "mcp_settings.json"), "utf8"))

const url = "https://one.example/mcp"

describe("field C1: import", () => {
  inFolder("reads the servers of each program, in its place and its words", (cwd) =>
    Effect.gen(function* () {
      put(cwd, ".mcp.json", {
        mcpServers: { claude: { type: "http", url, headers: { A: "${TOKEN:-none}", B: "${USER_B:-x}" } } }
      })
      put(cwd, ".cursor/mcp.json", { mcpServers: { cursor: { command: "npx", args: ["-y", "a"], disabled: true } } })
      put(
        cwd,
        ".vscode/mcp.json",
        `{ // asks for the key
          "inputs": [{ "type": "promptString", "id": "api-key", "password": true }],
          "servers": { "vscode": { "type": "http", "url": "${url}", "headers": { "A": "\${input:api-key}" } } },
        }`
      )
      const windsurf = put(cwd, "windsurf.json", { mcpServers: { windsurf: { serverUrl: url } } })
      const cline = put(cwd, "cline.json", {
        mcpServers: { cline: { type: "streamableHttp", url, timeout: 30, autoApprove: ["read"] } }
      })
      put(cwd, ".gemini/settings.json", {
        theme: "dark",
        mcpServers: { gemini: { httpUrl: url, timeout: 5000, headers: { A: "Bearer $PATH", B: "${USER_B:-x}" } } }
      })
      put(cwd, "opencode.json", {
        mcp: {
          opencode: { type: "local", command: ["bun", "x", "it"], environment: { A: "{env:PATH}" }, enabled: true }
        }
      })
      put(
        cwd,
        ".codex/config.toml",
        `model = "x"\n[mcp_servers.codex]\nurl = "${url}"\nbearer_token_env_var = "PATH"\ntool_timeout_sec = 20\n`
      )
      put(cwd, "server.json", {
        name: "com.example/registry",
        packages: [
          {
            registryType: "npm",
            identifier: "@example/weather",
            version: "1.2.3",
            transport: { type: "stdio" },
            environmentVariables: [{ name: "API_KEY", isSecret: true, isRequired: true }]
          }
        ]
      })
      const sources = [
        ["claude"],
        ["cursor"],
        ["vscode"],
        ["windsurf", windsurf],
        ["cline", cline],
        ["gemini"],
        ["opencode"],
        ["codex"],
        ["registry"]
      ]
      for (const [name, ...file] of sources) {
        const done = yield* program(["import", "--from", name!, ...file], { cwd })
        assert.strictEqual(done.code, 0, `${name}: ${done.stdout}${done.stderr}`)
      }
      assert.deepStrictEqual(settingsOf(cwd).mcpServers, {
        claude: { type: "http", url, headers: { A: "${TOKEN:-none}", B: "${env:USER_B:-x}" } },
        cursor: { command: "npx", args: ["-y", "a"], disabled: true },
        vscode: { type: "http", url, headers: { A: "${USER_API_KEY}" } },
        windsurf: { serverUrl: url },
        cline: { type: "streamableHttp", url, autoApprove: ["read"], options: { timeout: 30_000 } },
        gemini: { httpUrl: url, headers: { A: "Bearer ${PATH}", B: "${env:USER_B:-x}" }, options: { timeout: 5_000 } },
        opencode: { type: "local", command: ["bun", "x", "it"], environment: { A: "${env:PATH}" }, enabled: true },
        codex: { url, headers: { Authorization: "Bearer ${env:PATH}" }, options: { timeout: 20_000 } },
        registry: { command: "npx", args: ["-y", "@example/weather@1.2.3"], env: { API_KEY: "${USER_API_KEY}" } }
      })
      const checked = yield* mcphub(["config", "check"], { cwd })
      assert.strictEqual(checked.code, 0, checked.stdout)
    })
  )

  inFolder("refuses what the hub cannot do, with file, server, field and remedy, and writes nothing of it", (cwd) =>
    Effect.gen(function* () {
      const file = put(cwd, "mcp.json", {
        mcpServers: {
          good: { command: "tool" },
          bad: { command: "tool", args: ["${workspaceFolder}/secret-canary"] }
        }
      })
      const refused = yield* mcphub(["import", "--from", "cursor", file], { cwd })
      assert.strictEqual(refused.code, 2)
      assert.include(
        refused.stdout,
        `problem  ${file}: mcpServers.bad.args[0]: This is a placeholder of another program`
      )
      assert.notInclude(refused.stdout + refused.stderr, "secret-canary")
      assert.isFalse(existsSync(join(cwd, "mcp_settings.json")))
      const good = yield* mcphub(["import", "--from", "cursor", "--only", "good", file], { cwd })
      assert.strictEqual(good.code, 0, good.stdout)
      assert.deepStrictEqual(settingsOf(cwd), { mcpServers: { good: { command: "tool" } } })
    })
  )

  inFolder(
    "field D14: warns of variables that are set only where the hub is started, and says that the hub rejects the file until then",
    (cwd) =>
      Effect.gen(function* () {
        const first = put(cwd, "one.json", {
          mcpServers: { one: { command: "tool", env: { A: "${ONLY_ELSEWHERE}" } } }
        })
        const warned = yield* mcphub(["import", "--from", "claude", first], { cwd })
        assert.strictEqual(warned.code, 0, warned.stdout)
        assert.match(warned.stdout, /^warning {2}.*one\.json: mcpServers\.one\.env\.A: .*ONLY_ELSEWHERE is not set/m)
        // The hub rejects the whole file until then: it says so, and is right.
        const file = join(cwd, "mcp_settings.json")
        assert.include(warned.stderr, `A hub without these variables rejects ${file} as a whole`)
        assert.match(warned.stderr, /: The environment variable ONLY_ELSEWHERE is not set; set it, or write \$\{/)
        assert.strictEqual((yield* mcphub(["config", "check"], { cwd })).code, 2)
        const set = { ONLY_ELSEWHERE: "x" }
        assert.strictEqual((yield* program(["config", "check"], { cwd, env: set })).code, 0)
        const told = yield* mcphub(["import", "--from", "claude", "--replace", "--json", first], { cwd })
        assert.isFalse(JSON.parse(told.stdout).loads)
        const there = yield* program(["import", "--from", "claude", "--replace", "--json", first], { cwd, env: set })
        assert.isTrue(JSON.parse(there.stdout).loads)
        assert.notInclude(there.stderr, "without these variables")
        const second = put(cwd, "two.json", { mcpServers: { two: { command: "tool" } } })
        const done = yield* mcphub(["import", "--from", "claude", second], { cwd })
        assert.strictEqual(done.code, 0, done.stderr)
        assert.deepStrictEqual(Object.keys(settingsOf(cwd).mcpServers), ["one", "two"])
      })
  )

  inFolder("replaces no server unasked, and a dry run writes nothing", (cwd) =>
    Effect.gen(function* () {
      const before = { mcpServers: { one: { command: "mine" } }, groups: [{ name: "dev", servers: ["one"] }] }
      put(cwd, "mcp_settings.json", before)
      const file = put(cwd, "mcp.json", { mcpServers: { one: { command: "theirs" } } })
      const taken = yield* mcphub(["import", "--from", "claude", file], { cwd })
      assert.strictEqual(taken.code, 2)
      assert.include(taken.stderr, "add --replace")
      const dry = yield* mcphub(["import", "--from", "claude", "--replace", "--dry-run", file], { cwd })
      assert.strictEqual(dry.code, 0)
      assert.deepStrictEqual(settingsOf(cwd), before)
      const replaced = yield* mcphub(["import", "--from", "claude", "--replace", file], { cwd })
      assert.strictEqual(replaced.code, 0, replaced.stderr)
      assert.deepStrictEqual(settingsOf(cwd), { ...before, mcpServers: { one: { command: "theirs" } } })
    })
  )

  inFolder("names what is no settings file of that program, and quotes none of it", (cwd) =>
    Effect.gen(function* () {
      const broken = put(cwd, "broken.json", '{"mcpServers": {"a": {"env": {"K": "secret-canary"} }')
      const toml = put(cwd, "broken.toml", 'model = "secret-canary\n')
      const empty = put(cwd, "empty.json", { other: {} })
      const deep = put(cwd, "deep.json", `{"mcpServers":{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}}`)
      const parent = put(cwd, "parent.json", `{"mcpServers":{"a":{"command":"tool"},"__proto__":{"command":"tool"}}}`)
      const many = put(cwd, "many.json", {
        mcpServers: Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`s${n}`, { command: "tool" }]))
      })
      const pipe = join(cwd, "pipe")
      execFileSync("mkfifo", [pipe])
      const said = yield* Effect.forEach(
        [
          ["claude", broken],
          ["codex", toml],
          ["vscode", empty],
          ["claude", join(cwd, "none.json")],
          ["cline"],
          ["claude", deep],
          ["claude", pipe],
          ["claude", parent],
          ["claude", many]
        ],
        ([name, ...file]) => mcphub(["import", "--from", name!, ...file], { cwd })
      )
      assert.deepStrictEqual(
        said.map(({ code }) => code),
        [2, 2, 2, 2, 2, 2, 2, 2, 2]
      )
      const text = said.map(({ stderr }) => stderr)
      assert.match(text[0]!, /broken\.json: the file is not JSON from line 1, column/)
      assert.match(text[1]!, /broken\.toml: the file is not TOML at line/)
      assert.match(text[2]!, /empty\.json: it holds no MCP servers where Visual Studio Code keeps them/)
      assert.match(text[3]!, /none\.json cannot be read/)
      assert.match(text[4]!, /name the file: mcphub import --from cline FILE/)
      assert.match(text[5]!, /deep\.json: it is nested deeper than 100 levels/)
      assert.match(text[6]!, /pipe is no file/)
      assert.match(text[7]!, /parent\.json: it has a member named __proto__/)
      assert.match(text[8]!, /many\.json: it holds 1001 servers; up to 1000 can be imported/)
      assert.notInclude(text.join(), "secret-canary")
    })
  )
})
