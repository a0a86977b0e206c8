/** What `mcphub doctor` finds, and what it leaves as it was. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Script } from "../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream } from "../../../src/testkit/ScriptedHttpUpstream.ts"
import { inFolder } from "../support/InFolder.ts"
import { json, mcphub, post, startHub } from "../support/Program.ts"

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
    troubles: one.troubles.map((trouble: any) => ({ ...trouble, forMs: 0 })),
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
