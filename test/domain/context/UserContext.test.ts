import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { GroupId, KeyId, RequestId, SessionId, UserId } from "../../../src/domain/Ids.ts"
import type { Principal } from "../../../src/domain/identity/Principal.ts"
import { Standing } from "../../../src/domain/identity/Standing.ts"
import {
  contextEnvironment,
  contextHeaders,
  groupText,
  headerText,
  isHeaderValue
} from "../../../src/domain/context/UserContext.ts"

const principal = (groups: ReadonlyArray<readonly [string, boolean]>): Principal => ({
  userId: UserId.make("ada-id"),
  username: "ada",
  isAdmin: false,
  keyId: KeyId.make("k"),
  keyName: "laptop",
  expiresAt: 0,
  groups: groups.map(([name, isActive]) => ({ id: GroupId.make(name), name, isActive, servers: [] })),
  serviceTokens: new Map(),
  standing: Standing.ofNoKey
})

const ids = (method: string) => ({
  principal: principal([["dev", true]]),
  sessionId: SessionId.make("s"),
  userSessionId: "us",
  requestId: RequestId.make(`user-ada-id-s-${method}-1-r`)
})

describe("UserContext", () => {
  it("the groups are the names of the active ones, a comma in a name encoded", () => {
    assert.strictEqual(
      groupText(
        principal([
          ["dev", true],
          ["old", false],
          ["a,b", true],
          ["개발", true]
        ])
      ),
      "dev,a%2Cb,%EA%B0%9C%EB%B0%9C"
    )
    assert.strictEqual(groupText(principal([])), "")
  })

  it("a request id with a method that no header can carry is encoded", () => {
    const headers = contextHeaders(ids("tools/call\r\nX-MCPHub-User-Id: bo"), "github", "2025-06-18", 1_790_000_000_000)
    assert.strictEqual(headers["X-MCPHub-Request-Id"], "user-ada-id-s-tools/call%0D%0AX-MCPHub-User-Id: bo-1-r")
  })

  it("the timestamp has thirteen digits whatever the clock says", () => {
    assert.strictEqual(contextHeaders(ids("ping"), "s", "v", 1_790_000_000_000)["X-MCPHub-Timestamp"], "1790000000000")
    assert.strictEqual(contextHeaders(ids("ping"), "s", "v", 0)["X-MCPHub-Timestamp"], "0000000000000")
  })

  it("a child that serves several sessions or users is told of none of them", () => {
    const names = (isolation: "session" | "user" | "shared") =>
      Object.keys(contextEnvironment(ids("ping"), "github", "2025-06-18", isolation)).sort()
    assert.deepStrictEqual(names("shared"), ["MCPHUB_PROTOCOL_VERSION", "MCPHUB_SOURCE_SERVER"])
    assert.deepStrictEqual(names("user"), [
      "MCPHUB_PROTOCOL_VERSION",
      "MCPHUB_SOURCE_SERVER",
      "MCPHUB_USER_GROUPS",
      "MCPHUB_USER_ID"
    ])
    assert.deepStrictEqual(names("session"), [
      "MCPHUB_PROTOCOL_VERSION",
      "MCPHUB_SESSION_ID",
      "MCPHUB_SOURCE_SERVER",
      "MCPHUB_USER_GROUPS",
      "MCPHUB_USER_ID",
      "MCPHUB_USER_SESSION_ID"
    ])
  })

  it.prop("any text becomes a legal header value and can be read back", { text: Schema.String }, ({ text }) => {
    const encoded = headerText(text)
    assert.isTrue(isHeaderValue(encoded), JSON.stringify(encoded))
    assert.strictEqual(decodeURIComponent(encoded), text.toWellFormed())
  })

  it("line breaks, NUL, non-ASCII and white space at the ends cannot be sent", () => {
    for (const value of ["a\rb", "a\nb", "a\0b", "ä", "a\n", " a", "a ", "\x7f", "a\u2028b"])
      assert.isFalse(isHeaderValue(value))
    for (const value of ["", "a", "a b", "a\tb", "~!{}"]) assert.isTrue(isHeaderValue(value))
  })
})
