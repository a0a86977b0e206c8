import { assert, describe, it } from "@effect/vitest"
import { serversIn } from "../../../src/http/dashboard/app/data/Paste.ts"

const read = (document: unknown) => serversIn(JSON.stringify(document))

describe("what is pasted from another program", () => {
  it("of Claude and Cursor is taken as it is, templates and unknown keys included", () => {
    const mcpServers = {
      files: { command: "npx", args: ["-y", "files"], env: { HOME: "${HOME}" }, note: 1 },
      far: { url: "https://mcp.example/mcp", headers: { Authorization: "Bearer ${FAR}" } }
    }
    assert.deepStrictEqual(read({ mcpServers, other: true }), mcpServers)
  })

  it("of VS Code has its own place and word for HTTP", () => {
    const servers = { far: { type: "http", url: "https://mcp.example/mcp" }, near: { type: "stdio", command: "a" } }
    assert.deepStrictEqual(read({ inputs: [], servers }), {
      far: { type: "streamable-http", url: "https://mcp.example/mcp" },
      near: { type: "stdio", command: "a" }
    })
  })

  it("of opencode has a command in one list, and an environment", () => {
    const mcp = {
      near: { type: "local", command: ["npx", "-y", "near"], environment: { A: "1" }, enabled: false },
      far: { type: "remote", url: "https://mcp.example/mcp", headers: { A: "1" } }
    }
    assert.deepStrictEqual(read({ mcp }), {
      near: { command: "npx", args: ["-y", "near"], env: { A: "1" }, enabled: false },
      far: { type: "streamable-http", url: "https://mcp.example/mcp", headers: { A: "1" } }
    })
  })

  it("may be the entries alone; what is no entry is left out, and what is no JSON is said to be none", () => {
    assert.deepStrictEqual(read({ files: { command: "a" }, version: 1, list: [], empty: {} }), {
      files: { command: "a" }
    })
    for (const nothing of [[], "text", 1, null, {}]) assert.deepStrictEqual(read(nothing), {})
    assert.throws(() => serversIn("{ command"), SyntaxError)
  })
})
