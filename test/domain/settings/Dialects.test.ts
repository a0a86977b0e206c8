import { assert, describe, it } from "@effect/vitest"
import { checkSettings } from "../../../src/domain/settings/SettingsCheck.ts"

const check = (entry: object, environment: Record<string, string> = {}) =>
  checkSettings({ mcpServers: { one: entry } }, environment, "-")
const inForce = (entry: object, environment?: Record<string, string>) => {
  const { problems, value } = check(entry, environment)
  assert.deepStrictEqual(problems, [])
  return value?.mcpServers["one"]
}
const problems = (entry: object, environment?: Record<string, string>) =>
  check(entry, environment).problems.map(({ path, reason }) => `${path}: ${reason}`)

describe("Words of other programs' settings", () => {
  it("C1: types of a server are read by every name that is in use", () => {
    for (const type of ["http", "streamableHttp", "streamable_http", "http-stream", "remote"]) {
      assert.deepStrictEqual(inForce({ type, url: "https://one.example/mcp" }), {
        type: "streamable-http",
        url: "https://one.example/mcp"
      })
    }
    assert.deepStrictEqual(inForce({ type: "local", command: "tool" }), { type: "stdio", command: "tool" })
    assert.deepStrictEqual(inForce({ transport: "http", url: "https://one.example/mcp" }), {
      type: "streamable-http",
      url: "https://one.example/mcp"
    })
    assert.strictEqual(problems({ type: "carrier-pigeon", url: "https://one.example/mcp" }).length, 1)
  })

  it("C1: a server that is switched off there is off here, and a contradiction is refused", () => {
    assert.deepStrictEqual(inForce({ command: "tool", disabled: true }), { command: "tool", enabled: false })
    assert.deepStrictEqual(inForce({ command: "tool", disabled: false }), { command: "tool", enabled: true })
    assert.deepStrictEqual(problems({ command: "tool", disabled: true, enabled: true }), [
      "mcpServers.one.disabled: This contradicts enabled; keep one of them"
    ])
    assert.deepStrictEqual(problems({ command: "tool", disabled: "yes" }), [
      "mcpServers.one.disabled: Expected true or false"
    ])
  })

  it("C1: an address under another name is one, but two addresses are not", () => {
    for (const key of ["serverUrl", "httpUrl"]) {
      assert.deepStrictEqual(inForce({ [key]: "https://one.example/mcp" }), { url: "https://one.example/mcp" })
    }
    assert.deepStrictEqual(problems({ url: "https://one.example/mcp", serverUrl: "https://two.example/mcp" }), [
      "mcpServers.one.serverUrl: The server has two addresses; keep url and remove this one"
    ])
  })

  it("C1: tools that are excluded there are hidden here, and a list of the only ones is refused", () => {
    const tools = { read: { description: "Reads" } }
    assert.deepStrictEqual(inForce({ command: "tool", tools, excludeTools: ["read"], disabledTools: ["write"] }), {
      command: "tool",
      tools: { read: { description: "Reads", enabled: false }, write: { enabled: false } }
    })
    assert.match(problems({ command: "tool", includeTools: ["read"] })[0]!, /^mcpServers\.one\.includeTools: .*group/)
    assert.match(problems({ command: "tool", excludeTools: "read" })[0]!, /^mcpServers\.one\.excludeTools: Expected/)
  })

  it("C1: a command that is a list and an environment under its whole name are read, and nothing is lost", () => {
    assert.deepStrictEqual(inForce({ type: "local", command: ["bun", "x"], environment: { A: "1" } }), {
      type: "stdio",
      command: "bun",
      args: ["x"],
      env: { A: "1" }
    })
    assert.deepStrictEqual(inForce({ command: ["bun", "x"], args: ["it"] }), { command: "bun", args: ["x", "it"] })
    assert.match(problems({ command: "tool", env: {}, environment: {} })[0]!, /^mcpServers\.one\.environment: .*two/)
  })

  it("C4: a server that this version does not connect to is warned of, unless it is off", () => {
    const entry = { type: "sse", url: "https://one.example/sse" }
    assert.match(check(entry).warnings[0]!.reason, /does not connect .*streamable-http/)
    assert.match(check({ openapi: { url: "https://one.example/s.json" } }).warnings[0]!.reason, /does not connect/)
    assert.deepStrictEqual(check({ ...entry, enabled: false }).warnings, [])
  })

  it("C1: what a client asks its user before a call is no setting of the hub, and no warning", () => {
    const { problems, warnings } = check({ command: "tool", alwaysAllow: ["read"], autoApprove: [], trust: true })
    assert.deepStrictEqual([problems, warnings], [[], []])
  })

  it("C1: a file of variables is refused with a remedy", () => {
    assert.match(problems({ command: "tool", envFile: ".env" })[0]!, /^mcpServers\.one\.envFile: .*\$\{NAME\}/)
  })

  it("C1: variables in another program's writing are expanded, never as a user's token", () => {
    const environment = { REGION: "eu", USER_REGION: "theirs" }
    for (const text of ["${env:REGION}", "${env:USER_REGION}", "${env:MISSING:-eu}", "sh -c 'echo ${X:0:3}'"]) {
      assert.deepStrictEqual(problems({ command: "tool", env: { A: text } }, environment), [])
    }
    assert.match(problems({ command: "tool", env: { A: "${env:MISSING}" } })[0]!, /MISSING is not set/)
  })

  it("C1: a placeholder that only another program can fill is refused, wherever it stands", () => {
    const foreign = [
      "${input:token}",
      "${workspaceFolder}/x",
      "${userHome}",
      "${command:pick}",
      "{env:T}",
      "{file:~/t}"
    ]
    for (const text of foreign) {
      const places = [
        { command: "tool", env: { A: text } },
        { command: "tool", args: [text] },
        { command: "tool", cwd: text },
        { url: "https://one.example/mcp", headers: { A: text } }
      ]
      for (const entry of places) {
        const found = problems(entry)
        assert.strictEqual(found.length, 1, text)
        assert.include(found[0]!, "placeholder of another program")
        assert.notInclude(found[0]!, text)
      }
    }
  })

  it("C1: servers of a whole file of another program are not silently none", () => {
    for (const key of ["servers", "mcp", "mcp_servers", "context_servers"]) {
      const { problems } = checkSettings({ [key]: { one: { command: "tool" } } }, {}, "-")
      assert.deepStrictEqual(
        problems.map(({ path }) => path),
        [key]
      )
    }
  })
})
