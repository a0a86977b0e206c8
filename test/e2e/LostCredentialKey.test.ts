/** A hub that is started with another credential key than its users' tokens were sealed with. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream } from "../../src/testkit/ScriptedHttpUpstream.ts"
import { eventually } from "../support/Eventually.ts"
import { inFolder } from "../cli/support/InFolder.ts"
import { json, mcphub, post, startHub } from "../cli/support/Program.ts"

const key = (name: string) => ({ CREDENTIAL_KEY: `the ${name} credential key of these tests` })

inFolder(
  "field D5: says so at the start, in doctor, in metrics and to the clients it concerns, and serves all others",
  (cwd) =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const mcpServers = {
        // A default must not take the place of a token that is there and cannot be read.
        github: { url: server.url, headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN:-nobody}" } },
        plain: { url: server.url }
      }
      writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers }))
      const first = yield* startHub([], { cwd, env: key("first") })
      const [ada, bo] = [
        (yield* json(["user", "add", "ada", "--key"], { cwd })).key.key,
        (yield* json(["user", "add", "bo", "--key"], { cwd })).key.key
      ]
      yield* mcphub(["token", "set", "GITHUB_TOKEN", "--user", "ada"], { cwd, stdin: "canary-ada" })
      first.signal("SIGTERM")
      yield* first.ended

      const hub = yield* startHub([], { cwd, env: key("second") })
      const log = yield* eventually(Effect.sync(hub.stderr), (text) => text.includes("do not open"))
      const line = log.split("\n").find((text) => text.includes("do not open"))!
      assert.deepInclude(JSON.parse(line), { level: "error", checked: 1, unreadable: 1 })

      const call = (who: string, name: string) =>
        post(hub, who, "s", { id: 1, method: "tools/call", params: { name, arguments: {} } }).pipe(
          Effect.flatMap((answer) => Effect.promise((): Promise<any> => answer.json()))
        )
      const { error } = yield* call(ada, "github-echo")
      assert.deepInclude(error, { code: 1401 })
      assert.deepInclude(error.data, { kind: "credential_unreadable", server: "github" })
      assert.include(error.message, "CREDENTIAL_KEY")
      // Whoever has no token of that name gets the default, and what needs none works for everybody.
      for (const [who, name] of [
        [bo, "github-echo"],
        [ada, "plain-echo"],
        [bo, "plain-echo"]
      ] as const) {
        assert.isDefined((yield* call(who, name)).result)
      }
      const sent = server.received.map(({ headers }) => headers["authorization"])
      assert.isFalse(sent.some((value) => value?.includes("canary")))

      const metrics = yield* Effect.promise(() => fetch(hub.url.replace(/\/mcp$/, "/metrics")).then((r) => r.text()))
      assert.match(metrics, /^mcphub_tokens_unreadable\S* 1$/m)
      assert.match(metrics, /^mcphub_server_errors_total\{.*kind="credential_unreadable".*\} 1$/m)
      const doctor = yield* mcphub(["doctor"], { cwd })
      assert.strictEqual(doctor.code, 2)
      assert.match(doctor.stdout, /^FAIL {2}credential key: 1 of 1 stored service tokens do not open/m)

      // Setting it again mends it.
      yield* mcphub(["token", "set", "GITHUB_TOKEN", "--user", "ada"], { cwd, stdin: "canary-ada" })
      assert.isDefined((yield* eventually(call(ada, "github-echo"), ({ result }) => result !== undefined)).result)
      assert.match((yield* mcphub(["doctor"], { cwd })).stdout, /^ok {4}credential key: opens/m)
    })
)
