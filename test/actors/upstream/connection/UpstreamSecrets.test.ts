import { assert, describe, it } from "@effect/vitest"
import { scrubberOf } from "../../../../src/actors/upstream/connection/UpstreamSecrets.ts"
import { contextOf } from "../support/StdioCalls.ts"

const { principal } = contextOf("ada", { GITHUB_TOKEN: "canary-token", SHORT_TOKEN: "abc" })

describe("the secrets of a server", () => {
  it("are a child's own variables and what templates became in its arguments, with the user's tokens", () => {
    const entry = {
      command: "server",
      args: ["--port", "8080808", "--key=${USER_GITHUB_TOKEN};", "${HUB_SECRET}"],
      env: { URL: "https://x/?t=${USER_GITHUB_TOKEN}", FIXED: "canary-fixed" }
    }
    const started = {
      args: ["--port", "8080808", "--key=canary-token;", "canary-hub"],
      env: { URL: "https://x/?t=canary-token", FIXED: "canary-fixed", PATH: "/usr/bin" }
    }
    assert.strictEqual(
      scrubberOf(entry, principal, started).text(
        "canary-token canary-fixed canary-hub https://x/?t=canary-token 8080808 /usr/bin abc"
      ),
      "<redacted> <redacted> <redacted> <redacted> 8080808 /usr/bin abc"
    )
  })

  it("are what templates became in headers and in the url, and not the words around it", () => {
    const entry = {
      url: "https://example.test/mcp?key=${HUB_KEY}&mode=standard",
      headers: { Authorization: "Bearer ${HUB_SECRET}", "X-Client": "a-hub-of-ours" }
    }
    const expanded = {
      url: "https://example.test/mcp?key=canary-key&mode=standard",
      headers: { Authorization: "Bearer canary-hub", "X-Client": "a-hub-of-ours" }
    }
    assert.strictEqual(
      scrubberOf(entry, principal, expanded).text("Bearer canary-hub a-hub-of-ours key=canary-key&mode=standard"),
      "Bearer <redacted> a-hub-of-ours key=<redacted>&mode=standard"
    )
  })
})
