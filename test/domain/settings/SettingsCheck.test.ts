import { assert, describe, it } from "@effect/vitest"
import { checkSettings } from "../../../src/domain/settings/SettingsCheck.ts"

const check = (document: unknown, environment: Record<string, string> = {}) => checkSettings(document, environment, "-")
const problems = (document: unknown, environment?: Record<string, string>) =>
  check(document, environment).problems.map(({ path, reason }) => `${path}: ${reason}`)
const server = (config: unknown, environment?: Record<string, string>) =>
  problems({ mcpServers: { one: config } }, environment)

describe("SettingsCheck", () => {
  it("a group requires the audit trail, or the key is misspelt and refused", () => {
    const groups = (audit: unknown) =>
      problems({ mcpServers: {}, groups: [{ name: "dev" }, { name: "finance", audit }] })
    assert.deepStrictEqual(groups("required"), [])
    for (const wrong of ["require", true, null]) {
      assert.deepStrictEqual(groups(wrong), ['groups[1].audit: Expected "required", or no such key'])
    }
  })

  it("A40: a stdio server that holds users' tokens is warned of until it has a sandbox", () => {
    const warned = (config: object) =>
      check({ mcpServers: { one: config } }).warnings.filter(({ reason }) => reason.includes('"sandboxed": true'))
    const referring = { command: "tool", env: { HELD: "${USER_HELD}" } }
    for (const exposing of [referring, { command: "tool", context: "full" }]) {
      assert.deepStrictEqual(
        warned(exposing).map(({ path }) => path),
        ["mcpServers.one"]
      )
      assert.deepStrictEqual(warned({ ...exposing, sandboxed: true }), [])
      assert.deepStrictEqual(warned({ ...exposing, enabled: false }), [])
    }
    assert.deepStrictEqual(warned({ command: "tool", env: { REGION: "eu" } }), [])
    assert.deepStrictEqual(warned({ url: "https://one.example/mcp", headers: { A: "${USER_HELD}" } }), [])
  })

  it("field A14: keeps users apart where the settings say so, and nothing of a user stands where all are served", () => {
    const local = (more: object) => server({ command: "tool", ...more })
    const places = ["${MCPHUB_USER_ID}", "${MCPHUB_USERNAME}", "x${MCPHUB_USER_DIR}/y"]
    for (const text of places) {
      assert.deepStrictEqual(local({ args: [text], env: { A: text } }), [])
      // Never the environment's, whatever stands there.
      assert.deepStrictEqual(server({ command: "tool", args: [text] }, { MCPHUB_USER_DIR: "${USER_A}" }), [])
      const shared =
        'mcpServers.one.args[0]: A server with isolation "shared" serves all users and can have no user\'s token, name or folder; use "user" or "session"'
      assert.deepStrictEqual(local({ isolation: "shared", args: [text] }), [shared])
      assert.lengthOf(server({ command: `${text}/bin` }), 1)
      assert.lengthOf(local({ args: [text.replace("}", ":-x}")] }), 1)
    }
    assert.deepStrictEqual(local({ cwd: "${MCPHUB_USER_DIR}" }), [])
    assert.deepStrictEqual(local({ cwd: "/srv/${MCPHUB_USER_ID}" }), [])
    assert.lengthOf(local({ cwd: "/srv/${MCPHUB_USERNAME}" }), 1)
    const remote = (url: string, headers = {}) => server({ url, headers })
    assert.deepStrictEqual(remote("https://a.example/${MCPHUB_USER_ID}", { N: "${MCPHUB_USERNAME}" }), [])
    assert.lengthOf(remote("https://${MCPHUB_USERNAME}.example"), 1)
    assert.lengthOf(remote("https://a.example/${MCPHUB_USER_DIR}"), 1)
    assert.lengthOf(remote("https://a.example", { N: "${MCPHUB_USER_DIR}" }), 1)
    // Misspelt, it is a variable that is not set, and not text.
    assert.lengthOf(local({ args: ["${MCPHUB_USER_FOLDER}"] }), 1)
    assert.lengthOf(local({ args: ["${X:-$}{MCPHUB_USER_DIR}"] }), 1)
  })

  it("field A14: known to keep files in one place, is warned of until users have one each, or share on purpose", () => {
    const warned = (config: object) =>
      check({ mcpServers: { one: config } }).warnings.filter(({ reason }) => reason.includes("all users share")).length
    const npx = (...args: ReadonlyArray<string>) => ({ command: "npx", args: ["-y", ...args] })
    const memory = npx("@modelcontextprotocol/server-memory")
    const keepers = [
      memory,
      { ...memory, env: { MEMORY_FILE_PATH: "/srv/memory.json" } },
      npx("@modelcontextprotocol/server-memory@2026.1.1"),
      { command: "node", args: ["./node_modules/@modelcontextprotocol/server-memory/dist/index.js"] },
      { command: "docker", args: ["run", "-i", "-v", "mem:/app", "mcp/memory:latest"] },
      { command: "/bin/sh", args: ["-c", "exec mcp-server-memory"] },
      npx("@modelcontextprotocol/server-filesystem", "/srv/files"),
      { command: "uvx", args: ["mcp-server-sqlite", "--db-path", "/srv/data.db"] },
      npx("@playwright/mcp@latest")
    ]
    for (const config of keepers) {
      assert.strictEqual(warned(config), 1, JSON.stringify(config))
      assert.strictEqual(warned({ ...config, isolation: "shared" }), 0)
      assert.strictEqual(warned({ ...config, enabled: false }), 0)
      assert.strictEqual(warned({ ...config, args: [...config.args, "${MCPHUB_USER_DIR}"] }), 0)
      assert.strictEqual(warned({ ...config, env: { MEMORY_FILE_PATH: "${USER_PLACE}/memory.json" } }), 0)
    }
    assert.strictEqual(warned(npx("@playwright/mcp", "--isolated")), 0)
    assert.strictEqual(warned(npx("@modelcontextprotocol/server-everything")), 0)
    assert.strictEqual(warned(npx("@somebody/server-memory-of-their-own")), 0)
    assert.strictEqual(warned({ url: "https://a.example/@modelcontextprotocol/server-memory" }), 0)
  })

  it("a file of the old hub is accepted as it is, keys it adds included", () => {
    const document = {
      mcpServers: {
        github: {
          type: "streamable-http",
          name: "GitHub",
          description: "Repositories",
          url: "http://127.0.0.1:9000/mcp",
          headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" },
          enabled: true,
          keepAliveInterval: 60000,
          tools: { search: { enabled: false, description: "x" } },
          options: { timeout: 60000, resetTimeoutOnProgress: true, maxTotalTimeout: 90000, maxInflight: 8 }
        },
        firecrawl: { command: "npx", args: ["-y", "firecrawl-mcp"], env: { KEY: "${USER_FIRECRAWL_TOKEN}" } },
        petstore: {
          type: "openapi",
          openapi: { url: "https://petstore.example/spec.json", security: { type: "none" } }
        },
        events: { type: "sse", url: "https://${HOST_NAME:-localhost}/sse" }
      },
      users: [{ username: "admin", password: "x", isAdmin: true }],
      groups: [{ id: "1", name: "dev", servers: ["github"] }],
      systemConfig: { routing: { enableGlobalRoute: true } }
    }
    const report = check(document)
    assert.deepStrictEqual(report.problems, [])
    // What has become news to an operator.
    assert.deepStrictEqual(
      report.warnings.map(({ path, reason }) => [path, /"sandboxed": true|does not connect/.exec(reason)?.[0]]),
      [
        ["mcpServers.firecrawl", '"sandboxed": true'],
        ["mcpServers.petstore.type", "does not connect"],
        ["mcpServers.events.type", "does not connect"]
      ]
    )
    assert.deepStrictEqual(JSON.parse(JSON.stringify(report.value)), document)
  })

  it("unknown keys are kept and each one is a warning with its path", () => {
    const document = { mcpServers: { one: { url: "https://x", colour: "red", options: { speed: 1 } } }, theme: {} }
    const report = check(document)
    assert.deepStrictEqual(report.warnings.map(({ path }) => path).sort(), [
      "mcpServers.one.colour",
      "mcpServers.one.options.speed",
      "theme"
    ])
    assert.deepStrictEqual(JSON.parse(JSON.stringify(report.value)), document)
  })

  it("every problem is reported with its path, and none with a value", () => {
    const found = problems({
      mcpServers: {
        "bad name": { url: "https://x" },
        empty: {},
        typed: { type: "carrier-pigeon", url: 7 },
        local: { type: "stdio", args: ["a"] },
        late: { url: "https://x", options: { timeout: -1 } },
        narrow: { url: "https://x", options: { maxInflight: 0 } },
        half: { url: "https://x", options: { maxInflight: 1.5 } },
        secretive: { url: "https://x", headers: { A: "canary\nB: c" }, env: { K: "${NOT_SET}" } }
      },
      users: "canary"
    })
    assert.deepStrictEqual(found.map((line) => line.slice(0, line.indexOf(": "))).sort(), [
      "mcpServers.empty",
      "mcpServers.half.options.maxInflight",
      "mcpServers.late.options.timeout",
      "mcpServers.local.command",
      "mcpServers.narrow.options.maxInflight",
      "mcpServers.secretive.env.K",
      "mcpServers.secretive.headers.A",
      "mcpServers.typed.type",
      "mcpServers.typed.url",
      'mcpServers["bad name"]',
      "users"
    ])
    assert.notInclude(found.join("\n"), "canary")
    assert.include(
      found.join("\n"),
      "The environment variable NOT_SET is not set; set it, or write ${NOT_SET:-default}"
    )
  })

  it("something that is no settings document at all is a problem, not a crash", () => {
    for (const document of [null, [], "x", 1, {}, { mcpServers: [] }, { mcpServers: { one: null } }]) {
      assert.isNotEmpty(problems(document), JSON.stringify(document))
      assert.strictEqual(check(document).value, undefined)
    }
  })

  it("a server of every kind needs what it runs on", () => {
    assert.lengthOf(server({ type: "sse" }), 1)
    assert.lengthOf(server({ type: "streamable-http", command: "x" }), 1)
    assert.lengthOf(server({ type: "openapi", openapi: { security: {} } }), 1)
    assert.lengthOf(server({ openapi: { schema: {} } }), 0)
    assert.lengthOf(server({ command: "x" }), 0)
  })

  it("a shared server with anything of one user's is refused", () => {
    const shared = { url: "https://x", isolation: "shared" }
    assert.lengthOf(server(shared), 0)
    assert.include(server({ ...shared, context: "full" })[0], "mcpServers.one.context: ")
    assert.include(server({ ...shared, contextTokens: ["A"] })[0], "mcpServers.one.contextTokens: ")
    assert.include(server({ ...shared, headers: { A: "${USER_A}" } })[0], "mcpServers.one.headers.A: ")
    assert.include(server({ ...shared, url: "https://x/${USER_A}" })[0], "mcpServers.one.url: ")
  })

  it("a user's token chooses neither the program nor the host", () => {
    assert.include(server({ command: "${USER_A}" })[0], "cannot choose the program")
    for (const url of [
      "${USER_A}",
      "https://${USER_A}/mcp",
      "https://h:${USER_A}/",
      "https://h${USER_A}",
      "ftp://h",
      "not a url"
    ]) {
      assert.include(server({ url })[0] ?? "", "mcpServers.one.url: ", url)
    }
    for (const url of ["https://h/${USER_A}", "https://h/?k=${USER_A}", "https://h/#${USER_A}"]) {
      assert.deepStrictEqual(server({ url }), [], url)
    }
    assert.deepStrictEqual(server({ url: "${BASE}/mcp" }, { BASE: "http://127.0.0.1:1" }), [])
  })

  it("defect 18: a template that reads a secret of the hub is refused, even of a disabled server", () => {
    const found = server({ command: "x", env: { A: "${JWT_SECRET}" }, enabled: false }, { JWT_SECRET: "canary" })
    assert.lengthOf(found, 1)
    assert.include(found[0], "mcpServers.one.env.A: ${JWT_SECRET} is a secret of the hub itself")
    assert.lengthOf(server({ url: "https://x", contextTokens: ["DATABASE_URL"] }), 1)
  })

  it("a variable that is not set is a problem, and only a warning while the server is disabled", () => {
    assert.lengthOf(server({ command: "x", env: { A: "${NOPE}" } }), 1)
    const report = check({ mcpServers: { one: { command: "x", env: { A: "${NOPE}" }, enabled: false } } })
    assert.deepStrictEqual([report.problems.length, report.warnings.length], [0, 1])
  })

  it("headers that are the hub's own are warned about, and impossible names refused", () => {
    const report = check({
      mcpServers: { one: { url: "https://x", headers: { "x-mcphub-user-id": "bo", "X-MCPHub-GitHub-Token": "t" } } }
    })
    assert.deepStrictEqual(
      report.warnings.map(({ path }) => path),
      ["mcpServers.one.headers.x-mcphub-user-id"]
    )
    assert.lengthOf(server({ url: "https://x", headers: { "A B": "c" } }), 1)
  })

  it("names that make exposed tool names or tokens ambiguous are warned about", () => {
    const two = (a: string, b: string) =>
      check({ mcpServers: { [a]: { url: "https://x" }, [b]: { url: "https://x" } } }).warnings.map(
        ({ reason }) => reason
      )
    assert.deepStrictEqual(two("git", "git-hub"), [
      "A tool of git and one of git-hub can have the same exposed name; rename one"
    ])
    assert.include(two("a_b", "a.b"), "The servers a_b and a.b both receive the token A_B_TOKEN")
    assert.deepStrictEqual(two("git", "github"), [])
  })

  it("A69: a group's members and servers that nobody knows are warned of, and a wrong shape is a problem", () => {
    const found = check({
      mcpServers: { notes: { url: "https://x" } },
      groups: [
        { name: "fine", servers: ["notes", { name: "notes", tools: ["read"] }], tools: "all", id: "1", owner: "ada" },
        { name: "misspelt", servers: ["nots", { name: "notes", tols: ["read"] }], tool: [] },
        { name: "fine", servers: [] },
        { name: 1, servers: "notes", tools: "read" },
        { name: "entries", servers: [1, {}, { name: "notes", tools: [1] }] }
      ]
    })
    assert.deepStrictEqual(
      found.warnings.map(({ path }) => path),
      ["groups[1].servers[0]", "groups[1].servers[1].tols", "groups[1].tool", "groups[2]"]
    )
    assert.include(found.warnings[2]!.reason, "admits nothing")
    assert.deepStrictEqual(
      found.problems.map(({ path }) => path),
      [
        "groups[3].name",
        "groups[3].tools",
        "groups[3].servers",
        "groups[4].servers[0]",
        "groups[4].servers[1]",
        "groups[4].servers[2].tools"
      ]
    )
  })

  it("a name of JavaScript's own finds no server that is not there", () => {
    const { value } = check({ mcpServers: { one: { url: "https://x" } } })
    assert.strictEqual(value?.mcpServers["constructor"], undefined)
    assert.strictEqual(value?.mcpServers["__proto__"], undefined)
    assert.isNotEmpty(problems(JSON.parse('{"mcpServers":{"__proto__":{"url":"https://x"}}}')))
  })
})
