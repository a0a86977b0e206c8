/** What `mcphub doctor` finds, and what it leaves as it was. */
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Script } from "../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream } from "../../../src/testkit/ScriptedHttpUpstream.ts"
import { eventually } from "../../support/Eventually.ts"
import { inFolder } from "../support/InFolder.ts"
import { json, mcphub, post, program, startHub } from "../support/Program.ts"

/** Lets in only those who come with this token; all others meet an error. */
const only =
  (token: string): Script =>
  (call) => {
    if (call.received.headers["authorization"] !== `Bearer ${token}`) return call.status(500)
    const { protocolVersion } = call.params
    call.result({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "scripted", version: "1" } })
  }

const withoutTimes = (servers: ReadonlyArray<any>) =>
  servers.map((one) => ({
    ...one,
    // Passes by itself, as the pause of a user who could not open the server does.
    nextAttempt: null,
    troubles: one.troubles.map((trouble: any) => ({ ...trouble, forMs: 0, triedMs: 0, retryMs: 0 })),
    errors: []
  }))

inFolder("field D8: leaves what users' sessions have shown of a server as it was, whatever it meets itself", (cwd) =>
  Effect.gen(function* () {
    const forNobody = yield* ScriptedHttpUpstream.make({ sessions: false, methods: { initialize: only("nobody") } })
    const forBo = yield* ScriptedHttpUpstream.make({ sessions: false, methods: { initialize: only("canary-bo") } })
    const headers = { Authorization: "Bearer ${USER_OWN_TOKEN:-nobody}" }
    const mcpServers = { open: { url: forNobody.url, headers }, closed: { url: forBo.url, headers } }
    writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers }))
    const hub = yield* startHub([], { cwd })
    const keyOf = (who: string) => Effect.map(json(["user", "add", who, "--key"], { cwd }), ({ key }) => key.key)
    const [ada, bo] = [yield* keyOf("ada"), yield* keyOf("bo")]
    yield* mcphub(["token", "set", "OWN_TOKEN", "--user", "ada"], { cwd, stdin: "canary-ada" })
    yield* mcphub(["token", "set", "OWN_TOKEN", "--user", "bo"], { cwd, stdin: "canary-bo" })
    const call = (who: string, name: string) =>
      Effect.flatMap(post(hub, who, "s", { id: 1, method: "tools/call", params: { name, arguments: {} } }), (answer) =>
        Effect.promise(() => answer.text())
      )
    // Ada can open neither, bo one of the two, and nobody's token the other.
    for (const name of ["open-echo", "closed-echo"]) yield* call(ada, name)
    yield* call(bo, "closed-echo")
    const before = withoutTimes(yield* json(["server", "ls"], { cwd }))
    assert.deepInclude(before[0], { name: "open", state: "failed", connections: 0 })
    assert.match(before[0].reason, /HTTP 500/)
    assert.deepInclude(before[1], { name: "closed", state: "connected", connections: 1, reason: null })

    // As often as would open a user's circuit breaker, and once more.
    for (let times = 0; times < 6; times++) {
      const { stdout } = yield* mcphub(["doctor"], { cwd })
      assert.match(stdout, /^ok {4}server open: /m)
      assert.match(stdout, /^FAIL {2}server closed: .*HTTP 500/m)
    }
    assert.deepStrictEqual(withoutTimes(yield* json(["server", "ls"], { cwd })), before)
    assert.notInclude(hub.stderr(), '"user":"operator"')
    assert.notInclude(hub.stderr(), "canary")
  })
)

const levels = (stdout: string): Record<string, string> =>
  Object.fromEntries(JSON.parse(stdout).checks.map((one: any) => [one.check, one.level]))

inFolder("field D10: is an error where a hub has loaded it, or somebody has named it, with path and remedy", (cwd) =>
  Effect.gen(function* () {
    const file = join(cwd, "mcp_settings.json")
    // Nobody has named one and no hub has had one: the sample is meant.
    const none = yield* program(["config", "check"], { cwd })
    assert.deepInclude(none, { code: 0 })
    assert.include(none.stdout, "starts with a sample server")
    for (const told of [["--settings", "absent.json"], []]) {
      const env = told.length === 0 ? { MCPHUB_SETTING_PATH: "absent.json" } : {}
      const named = yield* program(["config", "check", ...told], { cwd, env })
      assert.strictEqual(named.code, 2)
      assert.include(named.stdout, `${join(cwd, "absent.json")} does not exist; correct --settings`)
      assert.notInclude(named.stdout, "are good")
    }

    const hub = yield* startHub([], { cwd })
    writeFileSync(file, JSON.stringify({ mcpServers: { gone: { url: "http://127.0.0.1:1/mcp" } } }))
    yield* eventually(Effect.sync(hub.stderr), (text) => text.includes("New settings are in force"))
    const metric = Effect.promise(() => fetch(hub.url.replace(/\/mcp$/, "/metrics")).then((answer) => answer.text()))
    assert.include(yield* metric, "\nmcphub_settings_rejected 0\n")
    yield* eventually(
      Effect.sync(() => existsSync(join(cwd, ".mcphub", "settings-file"))),
      (there) => there
    )
    rmSync(file)
    yield* eventually(Effect.sync(hub.stderr), (text) => text.includes("is gone; the settings in force stay"))
    assert.include(yield* metric, "\nmcphub_settings_rejected 1\n")
    const check = yield* program(["config", "check"], { cwd })
    assert.strictEqual(check.code, 2)
    assert.include(
      check.stdout,
      `${file} is gone: the hub of ${join(cwd, ".mcphub")} has loaded it before. Put it back`
    )
    const doctor = yield* program(["doctor", "--json"], { cwd })
    assert.strictEqual(doctor.code, 2)
    // The hub's own servers are looked at all the same.
    assert.deepInclude(levels(doctor.stdout), {
      settings: "fail",
      database: "ok",
      isolation: "ok",
      "server gone": "fail"
    })
    hub.signal("SIGTERM")
    yield* hub.ended
    const again = yield* startHub([], { cwd })
    yield* eventually(Effect.sync(again.stderr), (text) => text.includes(`${file} is gone: the hub of`))
    assert.include(again.stderr(), `${file} is gone: the hub of`)
  })
)

inFolder("field D11: are found each by itself: bad settings and a bad variable fail no other check", (cwd) =>
  Effect.gen(function* () {
    writeFileSync(join(cwd, "mcp_settings.json"), '{"mcpServers":{"gone":{"url":7}}}')
    const doctor = yield* program(["doctor", "--json"], { cwd, env: { REQUEST_TIMEOUT: "soon" } })
    assert.strictEqual(doctor.code, 2)
    assert.deepStrictEqual(levels(doctor.stdout), {
      environment: "fail",
      settings: "fail",
      disk: "ok",
      database: "ok",
      migrations: "ok",
      clock: "ok",
      keys: "ok",
      "credential key": "ok"
    })
  })
)

inFolder("field D15: names tools in groups that no server has, where the lists are known", (cwd) =>
  Effect.gen(function* () {
    const open = yield* ScriptedHttpUpstream.make({ sessions: false })
    const groups = [
      { name: "dev", servers: ["open"], tools: ["echo", "open-whoami", "ehco"] },
      { name: "part", servers: [{ name: "open", tools: ["whomai"] }] },
      { name: "unsure", servers: ["open", "gone"], tools: ["perhaps"] }
    ]
    const mcpServers = { open: { url: open.url }, gone: { url: "http://127.0.0.1:1/mcp" } }
    writeFileSync(join(cwd, "mcp_settings.json"), JSON.stringify({ mcpServers, groups }))
    yield* json(["user", "add", "ada"], { cwd })
    yield* json(["group", "create", "work", "--user", "ada", "--server", "open", "--tool", "echoo"], { cwd })
    const { stdout } = yield* mcphub(["doctor", "--json"], { cwd })
    const found = JSON.parse(stdout).checks.filter(({ check }: any) => check === "groups")
    assert.deepStrictEqual(
      found.map(({ detail, level }: any) => [level, detail]),
      [
        ["warn", 'group "dev" of the settings lists tools that its servers do not have: ehco'],
        ["warn", 'group "part" of the settings lists tools that its servers do not have: whomai'],
        ["warn", 'group "work" of ada lists tools that its servers do not have: echoo']
      ]
    )
  })
)
