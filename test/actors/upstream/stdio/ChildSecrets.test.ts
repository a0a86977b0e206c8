import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ChildSecrets from "../../../../src/actors/upstream/stdio/ChildSecrets.ts"
import * as StderrTail from "../../../../src/actors/upstream/stdio/StderrTail.ts"
import { contextOf } from "../support/StdioCalls.ts"

describe("ChildSecrets", () => {
  it.effect("knows the user's tokens, the server's own variables and what templates became in arguments", () =>
    Effect.sync(() => {
      const context = contextOf("ada", { GITHUB_TOKEN: "canary-token", SHORT_TOKEN: "abc" })
      const entry = {
        command: "server",
        args: ["--port", "8080808", "--key=${USER_GITHUB_TOKEN};", "${HUB_SECRET}"],
        env: { URL: "https://x/?t=${USER_GITHUB_TOKEN}", FIXED: "canary-fixed" }
      }
      const started = {
        args: ["--port", "8080808", "--key=canary-token;", "canary-hub"],
        env: { URL: "https://x/?t=canary-token", FIXED: "canary-fixed", PATH: "/usr/bin" }
      }
      const secrets = ChildSecrets.collect(entry, context, started)
      const said = "canary-token canary-fixed canary-hub https://x/?t=canary-token 8080808 /usr/bin abc"
      assert.strictEqual(
        ChildSecrets.scrub(said, secrets),
        "<redacted> <redacted> <redacted> <redacted> 8080808 /usr/bin abc"
      )
    })
  )

  it.effect("leaves no remainder of a secret that contains another", () =>
    Effect.sync(() => {
      const context = contextOf("ada", { A_TOKEN: "canary", B_TOKEN: "canary-longer" })
      const secrets = ChildSecrets.collect({ command: "server" }, context, { args: [], env: {} })
      assert.strictEqual(ChildSecrets.scrub("canary-longer", secrets), "<redacted>")
    })
  )
})

describe("StderrTail", () => {
  it.effect("keeps the last 64 lines and never more than 16 kB, the unfinished line included", () =>
    Effect.sync(() => {
      const bytes = (text: string) => new TextEncoder().encode(text)
      const tail = StderrTail.make()
      for (let line = 1; line <= 1_000; line++) tail.push(bytes(`line ${line}\n`))
      tail.push(bytes("Error: half a li"))
      const lines = tail.lines()
      assert.lengthOf(lines, 64)
      assert.deepStrictEqual(lines.slice(-2), ["line 1000", "Error: half a li"])
      for (let line = 1; line <= 100; line++) tail.push(bytes(`${"x".repeat(5_000)}\n`))
      assert.isAtMost(tail.lines().join("").length, 16 * 1024)
    })
  )
})
