/** The command line without a running hub: each command opens the database itself. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { inFolder } from "../support/InFolder.ts"
import { keyPattern, mcphub, program } from "../support/Program.ts"

/** Made up at run time, so that no file of the project holds something that looks like a key. */
const someKey = (letter: string): string => `mcphub_${letter.repeat(64)}`

describe("without a running hub", () => {
  inFolder(
    "users, keys and tokens are kept in the data directory, readable by the owner only, secrets not in clear",
    (cwd) =>
      Effect.gen(function* () {
        const added = yield* program(["user", "add", "ada", "--json"], { cwd })
        assert.strictEqual(added.code, 0)
        assert.strictEqual(JSON.parse(added.stdout).username, "ada")
        const created = yield* mcphub(["key", "create", "--user", "ada", "--json"], { cwd })
        const key = JSON.parse(created.stdout)
        assert.match(key.key, keyPattern)
        assert.isAbove(Date.parse(key.expiresAt), Date.now() + 89 * 86_400_000)
        const set = yield* program(["token", "set", "JIRA_TOKEN", "--user", "ada"], { cwd, stdin: "canary-77ab" })
        assert.deepInclude(set, { code: 0, stdout: "Set JIRA_TOKEN of ada\n" })
        const list = yield* mcphub(["key", "ls"], { cwd })
        assert.match(list.stdout, /^ada +MCPHub Key +yes .*JIRA_TOKEN/m)
        assert.notMatch(list.stdout, keyPattern)

        const data = join(cwd, ".mcphub")
        assert.strictEqual(statSync(data).mode & 0o777, 0o700)
        assert.strictEqual(statSync(join(data, "credential-key")).mode & 0o777, 0o600)
        const dump = yield* Effect.promise(() => bytesBelow(data))
        assert.include(dump, "JIRA_TOKEN")
        assert.notInclude(dump, "canary-77ab")
        assert.notInclude(dump, key.key)
      })
  )

  inFolder("a provisioning file is applied twice to the same effect, and a wrong one changes nothing", (cwd) =>
    Effect.gen(function* () {
      const file = join(cwd, "users.json")
      const users = [
        {
          username: "ada",
          keys: [{ name: "laptop", key: someKey("a") }],
          serviceTokens: { GITHUB_TOKEN: "canary-ada" }
        },
        { username: "bo", groups: [{ name: "work", servers: ["sample"] }], keys: [{ name: "ci" }] }
      ]
      writeFileSync(file, JSON.stringify({ users }))
      const first = yield* program(["provision", file, "--json"], { cwd })
      assert.strictEqual(first.code, 0, first.stderr)
      const done = JSON.parse(first.stdout)
      assert.deepInclude(done.users, { created: 2 })
      assert.strictEqual(done.minted.length, 1)
      assert.match(done.minted[0].key, keyPattern)
      assert.notInclude(first.stdout, "canary-ada")
      const second = yield* mcphub(["provision", file], { cwd })
      assert.match(second.stdout, /^users +0 created, 0 updated, 2 unchanged$/m)
      assert.notMatch(second.stdout, keyPattern)

      writeFileSync(file, JSON.stringify({ users: [{ username: "cleo" }, { username: "dan", keys: "none" }] }))
      const wrong = yield* mcphub(["provision", file], { cwd })
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.stderr, file)
      assert.include(wrong.stderr, "users[1].keys")
      const left = yield* mcphub(["user", "ls", "--json"], { cwd })
      assert.deepStrictEqual(
        JSON.parse(left.stdout).map((user: { username: string }) => user.username),
        ["ada", "bo"]
      )
    })
  )

  inFolder("a server that needs a user's token is tried as that user with MCPHUB_KEY, and not as another", (cwd) =>
    Effect.gen(function* () {
      const github = { url: "http://127.0.0.1:9/mcp", headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" } }
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers: { github } }))
      const ada = JSON.parse((yield* mcphub(["user", "add", "ada", "--key", "--json"], { cwd })).stdout)
      const bo = JSON.parse((yield* mcphub(["user", "add", "bo", "--key", "--json"], { cwd })).stdout)
      yield* mcphub(["token", "set", "GITHUB_TOKEN", "--user", "ada"], { cwd, stdin: "canary-gh" })
      const test = (key?: string) =>
        mcphub(["server", "test", "github", "--json"], { cwd, env: key === undefined ? {} : { MCPHUB_KEY: key } })
      const asNobody = yield* test()
      assert.strictEqual(asNobody.code, 2)
      const { outcome, reason } = JSON.parse(asNobody.stdout)
      assert.strictEqual(outcome, "needs-credential")
      assert.match(reason, /^Server github needs the service token GITHUB_TOKEN, .* MCPHUB_KEY /)
      const asBo = JSON.parse((yield* test(bo.key.key)).stdout)
      assert.strictEqual(asBo.outcome, "needs-credential")
      assert.include(asBo.reason, "`mcphub token set GITHUB_TOKEN --user bo`")
      const asAda = yield* test(ada.key.key)
      assert.strictEqual(JSON.parse(asAda.stdout).outcome, "failed")
      assert.notInclude(asAda.stdout + asAda.stderr, "canary-gh")
      const unknown = yield* test(someKey("c"))
      assert.strictEqual(unknown.code, 1)
      assert.notInclude(unknown.stderr, someKey("c"))
    })
  )

  inFolder("field D15: the last admin stays, an ended key is not active, and advice is given once", (cwd) =>
    Effect.gen(function* () {
      const github = { url: "http://127.0.0.1:9/mcp", headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" } }
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers: { github } }))
      const day = 86_400_000
      const ended = { name: "old", key: someKey("d"), expiresAt: new Date(Date.now() - day).toISOString() }
      const users = [
        { username: "root", admin: true, keys: [ended, { name: "new", key: someKey("e") }] },
        { username: "bo" }
      ]
      writeFileSync(join(cwd, "users.json"), JSON.stringify({ users }))
      assert.strictEqual((yield* mcphub(["provision", join(cwd, "users.json")], { cwd })).code, 0)

      const list = yield* mcphub(["key", "ls"], { cwd })
      assert.match(list.stdout, /^root +old +no +/m)
      assert.match(list.stdout, /^root +new +yes +/m)

      for (const verb of ["rm", "disable"]) {
        const refused = yield* mcphub(["user", verb, "root"], { cwd })
        assert.strictEqual(refused.code, 1)
        assert.include(refused.stderr, "root is the only active admin of this hub; make another one first")
      }
      assert.strictEqual((yield* mcphub(["user", "add", "second", "--admin"], { cwd })).code, 0)
      assert.strictEqual((yield* mcphub(["user", "disable", "second"], { cwd })).code, 0)
      assert.strictEqual((yield* mcphub(["user", "rm", "root"], { cwd })).code, 1, "one who is disabled does not count")
      assert.strictEqual((yield* mcphub(["user", "enable", "second"], { cwd })).code, 0)
      assert.strictEqual((yield* mcphub(["user", "rm", "root"], { cwd })).code, 0)

      const doctor = (yield* mcphub(["doctor"], { cwd })).stdout
      assert.lengthOf(doctor.match(/MCPHUB_KEY/g) ?? [], 1)
    })
  )

  inFolder("what needs a running hub ends with 3 and says how to start one", (cwd) =>
    Effect.gen(function* () {
      const text = yield* program(["session", "ls"], { cwd })
      assert.strictEqual(text.code, 3)
      assert.strictEqual(text.stdout, "")
      assert.include(text.stderr, "mcphub start")
      const status = yield* program(["status", "--json"], { cwd })
      assert.strictEqual(status.code, 3)
      assert.strictEqual(JSON.parse(status.stderr).error.kind, "HubNotRunning")
    })
  )

  inFolder("field D2: doctor says that no hub runs on the data folder, and what to do", (cwd) =>
    Effect.gen(function* () {
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers: {} }))
      const doctor = yield* mcphub(["doctor"], { cwd, env: { PORT: "0" } })
      assert.strictEqual(doctor.code, 0, doctor.stdout)
      assert.match(
        doctor.stdout,
        /^warn {2}hub: none runs on this data folder; 127\.0\.0\.1:0 is free\n {6}→ start it: mcphub start$/m
      )
    })
  )

  inFolder("a database that cannot be reached ends with 3, without its password", (cwd) =>
    Effect.gen(function* () {
      const env = { DATABASE_URL: "postgres://hub:canary-pw@127.0.0.1:1/hub" }
      const list = yield* program(["user", "ls"], { cwd, env })
      assert.strictEqual(list.code, 3)
      assert.include(list.stderr, "DATABASE_URL")
      assert.notInclude(list.stderr, "canary-pw")
      assert.notInclude(list.stderr, "    at ")
    })
  )

  inFolder("field D7: wrong use ends with 1, says first what is wrong, then how the command is called", (cwd) =>
    Effect.gen(function* () {
      const wrong = yield* mcphub(["user", "add", "ada", "--frob"], { cwd })
      const [first, second, third] = wrong.stderr.split("\n")
      assert.match(first!, /^mcphub: .*--frob/)
      assert.match(second!, /^usage: mcphub user add /)
      assert.strictEqual(third, "help: mcphub user add --help")
      assert.strictEqual(wrong.stdout, "")
      const asJson = yield* mcphub(["key", "create", "--json"], { cwd })
      assert.deepInclude(JSON.parse(asJson.stderr).error, { kind: "WrongUse" })
      assert.include(JSON.parse(asJson.stderr).error.message, "--user")
      const unknown = yield* program(["user", "add", "ada", "--frob"], { cwd })
      assert.strictEqual(unknown.code, 1)
      assert.include(unknown.stderr, "--frob")
      const missing = yield* program(["key", "create"], { cwd })
      assert.strictEqual(missing.code, 1)
      assert.include(missing.stderr, "--user")
      // Nothing was opened for it.
      assert.isFalse(existsSync(join(cwd, ".mcphub")))
    })
  )

  inFolder("config check names file, path and reason; print and schema tell no secret", (cwd) =>
    Effect.gen(function* () {
      const settings = join(cwd, "mcp_settings.json")
      writeFileSync(settings, JSON.stringify({ mcpServers: { broken: { type: "stdio" } } }))
      const bad = yield* program(["config", "check", "--json"], { cwd })
      assert.strictEqual(bad.code, 2)
      const report = JSON.parse(bad.stdout)
      assert.deepInclude(report, { ok: false, file: settings })
      assert.strictEqual(report.problems[0].path, "mcpServers.broken.command")
      writeFileSync(settings, `{"mcpServers":{},"z":${"[".repeat(5000)}${"]".repeat(5000)}}`)
      const deep = yield* program(["config", "check"], { cwd })
      assert.strictEqual(deep.code, 2)
      assert.include(deep.stdout, "problem  z[0][0][0][0]: This is nested deeper than 100 levels")
      writeFileSync(settings, JSON.stringify({ mcpServers: { remote: { url: "http://127.0.0.1:9/mcp" } } }))
      const good = yield* program(["config", "check"], { cwd })
      assert.deepInclude(good, { code: 0, stderr: "" })
      const env = { CREDENTIAL_KEY: "canary-credential-key-of-forty-characters" }
      const print = yield* program(["config", "print", "--json"], { cwd, env })
      assert.deepInclude(JSON.parse(print.stdout).servers[0], { name: "remote", type: "streamable-http" })
      assert.isTrue(JSON.parse(print.stdout).secretsGiven.credentialKey)
      assert.notInclude(print.stdout, "canary")
      const schema = yield* program(["config", "schema"], { cwd })
      assert.property(JSON.parse(schema.stdout).properties, "mcpServers")
      const port = yield* program(["config", "check"], { cwd, env: { PORT: "eighty" } })
      assert.strictEqual(port.code, 2)
      assert.include(port.stderr, "PORT")
      assert.notInclude(port.stderr, "eighty")
    })
  )
})

/** Every byte of a folder as latin-1 text, to look for what must not be there. */
const bytesBelow = async (root: string): Promise<string> => {
  const { readdir } = await import("node:fs/promises")
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n")
}
