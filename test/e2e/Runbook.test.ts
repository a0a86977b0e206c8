/** What the runbook finds in the log, in doctor and in metrics, on a real hub. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream } from "../../src/testkit/ScriptedHttpUpstream.ts"
import { inFolder } from "../cli/support/InFolder.ts"
import { json, mcphub, post, startHub } from "../cli/support/Program.ts"
import { eventually } from "../support/Eventually.ts"

inFolder("field D2: each of three places alone says what is wrong with servers and settings, and for whom", (cwd) =>
  Effect.gen(function* () {
    const denies = yield* ScriptedHttpUpstream.make({
      methods: {
        "tools/call": (call) =>
          call.received.headers["authorization"] === "Bearer nobody" ? call.status(401) : call.content({ done: true })
      }
    })
    const mcpServers = {
      gone: { url: "http://127.0.0.1:1/mcp" },
      denies: { url: denies.url, headers: { Authorization: "Bearer ${USER_DENIES_TOKEN:-nobody}" } }
    }
    const settings = join(cwd, "mcp_settings.json")
    writeFileSync(settings, JSON.stringify({ mcpServers }))
    const hub = yield* startHub([], { cwd })
    const [ada, bo] = [
      (yield* json(["user", "add", "ada", "--key"], { cwd })).key.key,
      (yield* json(["user", "add", "bo", "--key"], { cwd })).key.key
    ]
    yield* mcphub(["token", "set", "DENIES_TOKEN", "--user", "bo"], { cwd, stdin: "canary-bo" })
    const call = (who: string, name: string) =>
      Effect.flatMap(post(hub, who, "s", { id: 1, method: "tools/call", params: { name, arguments: {} } }), (answer) =>
        Effect.promise(() => answer.text())
      )
    yield* call(ada, "gone-echo")
    yield* call(ada, "denies-echo")
    yield* call(bo, "denies-echo")
    writeFileSync(settings, JSON.stringify({ mcpServers: { gone: { url: 7 } } }))
    const log = yield* eventually(Effect.sync(hub.stderr), (text) => text.includes("The settings in force stay"))

    const lines = log.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []))
    const states = lines.filter(({ msg }) => msg === "server").map(({ server, state, user }) => [server, user, state])
    assert.deepStrictEqual(
      states.filter(([, , state]) => state !== "up"),
      [
        ["gone", "ada", "down"],
        ["denies", "ada", "unauthorized"]
      ]
    )
    const metrics = yield* Effect.promise(() => fetch(hub.url.replace(/\/mcp$/, "/metrics")).then((r) => r.text()))
    for (const line of [
      "mcphub_ready 1",
      "mcphub_settings_rejected 1",
      'mcphub_server_users{server="gone",state="down"} 1',
      'mcphub_server_users{server="denies",state="unauthorized"} 1',
      'mcphub_server_users{server="denies",state="up"} 1',
      'mcphub_server_errors_total{server="denies",kind="upstream_unauthorized"} 1'
    ]) {
      assert.include(metrics, `\n${line}\n`)
    }
    assert.match(metrics, /^mcphub_data_disk_free_bytes [1-9]/m)

    assert.match((yield* mcphub(["doctor"], { cwd })).stdout, /^FAIL {2}settings: mcpServers\.gone\.url: /m)
    writeFileSync(settings, JSON.stringify({ mcpServers }))
    yield* eventually(Effect.sync(hub.stderr), (text) => text.includes("The settings are right again"))
    const doctor = yield* mcphub(["doctor"], { cwd })
    assert.strictEqual(doctor.code, 2)
    assert.match(doctor.stdout, /^FAIL {2}server gone: refused: Server gone refused the connection/m)
    assert.match(doctor.stdout, /^warn {2}server gone: down for ada, for \d+ s, last tried \d+ s ago/m)
    assert.match(
      doctor.stdout,
      /^warn {2}server denies: unauthorized for ada, for \d+ s, last tried \d+ s ago: .*HTTP 401/m
    )
    assert.match(doctor.stdout, /^ok {4}disk: [\d.]+ MiB left/m)
    assert.notMatch(doctor.stdout, / for bo,/)
    assert.notInclude(log + metrics + doctor.stdout, "canary")
  })
)
