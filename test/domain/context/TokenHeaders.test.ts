import { assert, describe, it } from "@effect/vitest"
import type { ServerConfig } from "../../../src/domain/servers/ServerConfig.ts"
import { entitledTokens, serverTokenName, tokenHeader } from "../../../src/domain/context/TokenHeaders.ts"

const names = (server: string, config: ServerConfig) =>
  entitledTokens(server, config)
    .map(({ name }) => name)
    .sort()

describe("TokenHeaders", () => {
  it("the release notes' tokens have the release notes' headers", () => {
    const headers = Object.fromEntries(
      ["GITHUB", "ATLASSIAN", "FIRECRAWL", "JIRA", "JIRA_API", "CONFLUENCE"].map((service) => [
        service,
        tokenHeader(`${service}_TOKEN`, "any")
      ])
    )
    assert.deepStrictEqual(headers, {
      GITHUB: "X-MCPHub-GitHub-Token",
      ATLASSIAN: "X-MCPHub-Atlassian-Token",
      FIRECRAWL: "X-MCPHub-Firecrawl-Token",
      JIRA: "X-MCPHub-Jira-Token",
      JIRA_API: "X-MCPHub-Jira-Token",
      CONFLUENCE: "X-MCPHub-Confluence-Token"
    })
  })

  it("a token named after the server has the server's name in its header", () => {
    assert.strictEqual(serverTokenName("my-db.v2"), "MY_DB_V2_TOKEN")
    assert.strictEqual(tokenHeader("MY_DB_V2_TOKEN", "my-db.v2"), "X-MCPHub-my-db.v2-Token")
    assert.strictEqual(tokenHeader("GITHUB_TOKEN", "github"), "X-MCPHub-GitHub-Token")
  })

  it("any other token has a header made of its words", () => {
    assert.strictEqual(tokenHeader("LINEAR_API_KEY", "tracker"), "X-MCPHub-Linear-Api-Key-Token")
  })

  it("defect 3: a server is entitled to what it refers to, lists, or is named after, and to nothing else", () => {
    assert.deepStrictEqual(names("github", { url: "https://x" }), ["GITHUB_TOKEN"])
    assert.deepStrictEqual(
      names("tools", {
        url: "https://x/${USER_A}",
        headers: { Authorization: "Bearer ${USER_B}" },
        env: { K: "${USER_C}", L: "${D}" },
        args: ["${USER_E:-none}"],
        openapi: { security: { http: { credentials: "${USER_F}" } }, schema: { info: "${USER_NOT_A_TEMPLATE}" } },
        contextTokens: ["G", "USER_H"]
      }),
      ["A", "B", "C", "E", "F", "G", "H", "TOOLS_TOKEN"]
    )
  })

  it("a shared server is entitled to no token at all", () => {
    assert.deepStrictEqual(names("github", { url: "https://x", isolation: "shared", contextTokens: ["A"] }), [])
  })
})
