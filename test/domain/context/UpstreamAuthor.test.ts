import { assert, describe, it } from "@effect/vitest"
import { sign } from "../../../src/domain/context/ContextSignature.ts"
import { readContext, verifyContext } from "../../../src/domain/context/UpstreamAuthor.ts"

const secret = "s".repeat(32)
const now = 1_790_000_000_000
const unsigned = {
  "X-MCPHub-User-Id": "ada-id",
  "X-MCPHub-User-Session-Id": "us",
  "X-MCPHub-Session-Id": "s",
  "X-MCPHub-Request-Id": "user-ada-id-s-tools/call-1790000000000-r",
  "X-MCPHub-Timestamp": String(now),
  "X-MCPHub-Protocol-Version": "2025-06-18",
  "X-MCPHub-Source-Server": "github",
  "X-MCPHub-User-Groups": "dev,a%2Cb,%EA%B0%9C%EB%B0%9C",
  "X-MCPHub-GitHub-Token": "ghp"
}
const body = '{"jsonrpc":"2.0"}'
const signed = (headers: Record<string, string>, key = secret, text: string | undefined = body) => ({
  ...headers,
  "X-MCPHub-Signature": sign(key, (name) => headers[name], text)
})
const verify = (headers: Record<string, string>, options = {}) =>
  verifyContext(headers, { secret, audience: "github", body, now, ...options })
const reason = (headers: Record<string, string>, options = {}) => {
  const result = verify(headers, options)
  return result.ok ? "accepted" : result.reason
}

describe("UpstreamAuthor", () => {
  it("reads the context in any case, from fetch headers and from a node record", () => {
    const expected = {
      userId: "ada-id",
      userSessionId: "us",
      sessionId: "s",
      requestId: "user-ada-id-s-tools/call-1790000000000-r",
      timestamp: now,
      protocolVersion: "2025-06-18",
      sourceServer: "github",
      userGroups: ["dev", "a,b", "개발"],
      tokens: { github: "ghp" }
    }
    const lower = Object.fromEntries(Object.entries(unsigned).map(([name, value]) => [name.toLowerCase(), [value]]))
    for (const headers of [unsigned, new Headers(unsigned), lower]) {
      const context = readContext(headers)!
      assert.deepEqual({ ...context, tokens: { ...context.tokens } } as object, expected)
    }
  })

  it("gives no context where there is none, where it is malformed, or where a header came twice", () => {
    assert.strictEqual(readContext({}), undefined)
    assert.strictEqual(readContext({ ...unsigned, "X-MCPHub-Timestamp": "soon" }), undefined)
    assert.strictEqual(readContext({ ...unsigned, "X-MCPHub-User-Id": ["ada-id", "bo-id"] }), undefined)
    assert.strictEqual(readContext({ ...unsigned, "x-mcphub-user-id": "bo-id" }), undefined)
  })

  it("accepts what the hub signed for this server and this body", () => {
    const result = verify(signed(unsigned))
    assert.isTrue(result.ok)
    if (result.ok) assert.strictEqual(result.context.userId, "ada-id")
    assert.strictEqual(reason(signed(unsigned), { body: new TextEncoder().encode(body) }), "accepted")
    assert.strictEqual(reason(signed(unsigned, secret, ""), { body: undefined }), "accepted")
  })

  it("refuses any change to what was signed", () => {
    for (const name of Object.keys(unsigned)) {
      if (name === "X-MCPHub-GitHub-Token") continue
      const changed = name === "X-MCPHub-Timestamp" ? String(now + 1) : "bo"
      assert.strictEqual(reason({ ...signed(unsigned), [name]: changed }), "signature", name)
    }
    assert.strictEqual(reason(signed(unsigned), { body: "other" }), "signature")
    assert.strictEqual(reason(signed(unsigned, "x".repeat(32))), "signature")
    assert.strictEqual(reason({ ...unsigned, "X-MCPHub-Signature": "v1=" }), "signature")
  })

  it("refuses a replay at another server, and after a minute", () => {
    assert.strictEqual(reason(signed(unsigned), { audience: "jira" }), "audience")
    assert.strictEqual(reason(signed(unsigned), { now: now + 60_000 }), "accepted")
    assert.strictEqual(reason(signed(unsigned), { now: now + 60_001 }), "expired")
    assert.strictEqual(reason(signed(unsigned), { now: now - 60_001 }), "expired")
  })

  it("tells headers that are missing, unsigned or malformed apart", () => {
    assert.strictEqual(reason({}), "missing")
    assert.strictEqual(reason(unsigned), "unsigned")
    assert.strictEqual(reason(signed({ ...unsigned, "X-MCPHub-Timestamp": "1" })), "malformed")
  })
})
