/** The command line beside a running hub: every operation goes through the local door. */
import { statSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { challengeHeader, proofHeader, proofOf } from "../../../src/http/admin/HubFile.ts"
import { eventually } from "../../support/Eventually.ts"
import { countdown, Hub, json, keyPattern, linkPattern, mcphub, patience, post, program } from "../support/Program.ts"

layer(Hub.layer, { excludeTestServices: true, timeout: patience })("beside a running hub", (it) => {
  it.effect(
    "the first start prints a sign-in link and a key once, then one line that says where it listens",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        const lines = hub.stdout().trimEnd().split("\n")
        assert.match(lines.at(-1)!, /^mcphub listening on http:\/\/127\.0\.0\.1:\d+\/mcp$/)
        const link = linkPattern.exec(hub.stdout())![0]
        assert.notInclude(hub.stderr(), link.slice(-20))
        const page = yield* Effect.promise(() => fetch(link))
        assert.strictEqual(page.status, 200)
        const code = link.split("/").at(-1)!
        const signIn = () =>
          Effect.promise(() =>
            fetch(new URL("/signin/once", link), {
              method: "POST",
              body: new URLSearchParams({ code }),
              redirect: "manual"
            })
          )
        const entered = yield* signIn()
        assert.strictEqual(entered.status, 303)
        assert.match(entered.headers.get("set-cookie")!, /^mcphub_session=/)
        assert.strictEqual((yield* signIn()).status, 403)
        const key = keyPattern.exec(hub.stdout())![0]
        const answer = yield* post(hub, key, "first", { id: 1, method: "tools/list" })
        assert.strictEqual(answer.status, 200)
        assert.include(yield* Effect.promise(() => answer.text()), "get-data")
        assert.notInclude(hub.stderr(), key)
      }),
    patience
  )

  it.effect(
    "a user is invited by a link, and one who has lost their password gets another; a disabled one gets none",
    () =>
      Effect.gen(function* () {
        const { cwd } = yield* Hub
        const invited = yield* json(["user", "invite", "ann"], { cwd })
        assert.match(invited.link, linkPattern)
        const days = (Date.parse(invited.expiresAt) - Date.now()) / 86_400_000
        assert.isTrue(days > 6.9 && days <= 7)
        const again = yield* mcphub(["user", "invite", "ann"], { cwd })
        assert.strictEqual(again.code, 1)
        assert.include(again.stderr, "taken")
        const lost = yield* mcphub(["user", "signin-link", "ann"], { cwd })
        assert.match(lost.stdout, linkPattern)
        assert.include(lost.stdout, "signs ann in, once, until")
        assert.notStrictEqual(linkPattern.exec(lost.stdout)![0], invited.link)
        yield* mcphub(["user", "disable", "ann"], { cwd })
        const refused = yield* mcphub(["user", "signin-link", "ann"], { cwd })
        assert.strictEqual(refused.code, 1)
        assert.include(refused.stderr, "mcphub user enable ann")
      }),
    patience
  )

  it.effect(
    "only the owner can read the door's token, and nobody comes in without it",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        const file = join(hub.cwd, ".mcphub", "hub.json")
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
        const { token, url } = JSON.parse(readFileSync(file, "utf8"))
        // The address it is bound to, and so nobody can knock from another machine.
        assert.strictEqual(new URL(url).hostname, "127.0.0.1")
        const knock = (headers: Record<string, string>) =>
          Effect.promise(() => fetch(url, { method: "POST", body: "[]", headers }).then((answer) => answer.status))
        assert.strictEqual(yield* knock({}), 401)
        assert.strictEqual(yield* knock({ authorization: `Bearer ${"A".repeat(token.length)}` }), 401)
        assert.strictEqual(yield* knock({ authorization: `Bearer ${token}`, origin: "http://127.0.0.1" }), 401)
        assert.strictEqual(yield* knock({ authorization: `Bearer ${token}` }), 200)
        const asked = yield* Effect.promise(() => fetch(url, { headers: { [challengeHeader]: "one" } }))
        assert.strictEqual(asked.headers.get(proofHeader), proofOf(token, "one"))
        assert.notInclude(JSON.stringify([...asked.headers]), token)
        assert.notInclude(hub.stdout() + hub.stderr(), token)
      }),
    patience
  )

  it.effect(
    "a user is added, listed, disabled, enabled and removed, as text and as JSON",
    () =>
      Effect.gen(function* () {
        const { cwd } = yield* Hub
        const added = yield* json(["user", "add", "cleo"], { cwd })
        assert.deepInclude(added, { username: "cleo", isAdmin: false, isActive: true })
        const list = yield* mcphub(["user", "ls"], { cwd })
        assert.match(list.stdout, /^USERNAME +ADMIN +ACTIVE/)
        assert.match(list.stdout, /^cleo +no +yes/m)
        const disabled = yield* mcphub(["user", "disable", "cleo"], { cwd })
        assert.strictEqual(disabled.stdout, "cleo is disabled\n")
        assert.isTrue((yield* json(["user", "enable", added.id], { cwd })).isActive)
        assert.strictEqual((yield* json(["user", "rm", "cleo"], { cwd })).id, added.id)
        const again = yield* mcphub(["user", "rm", "cleo"], { cwd })
        assert.strictEqual(again.code, 1)
        assert.include(again.stderr, "cleo")
      }),
    patience
  )

  it.effect(
    "a key's text is printed at its creation and never again, and revoking it shuts its owner out",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        const { cwd } = hub
        yield* json(["user", "add", "ada"], { cwd })
        yield* json(["user", "add", "bo"], { cwd })
        const ada = yield* json(["key", "create", "--user", "ada", "--name", "laptop", "--days", "7"], { cwd })
        const bo = yield* json(["key", "create", "--user", "bo"], { cwd })
        assert.match(ada.key, keyPattern)
        assert.closeTo(Date.parse(ada.expiresAt), Date.now() + 7 * 86_400_000, 120_000)

        const list = yield* mcphub(["key", "ls", "--json"], { cwd })
        assert.include(list.stdout, ada.id)
        assert.notMatch(list.stdout, keyPattern)
        assert.notInclude(list.stdout, "sha256")
        const own = yield* json(["key", "ls", "--user", "bo"], { cwd })
        assert.deepStrictEqual(
          own.map((key: { id: string }) => key.id),
          [bo.id]
        )
        const renamed = yield* json(["key", "rename", ada.id, "tablet"], { cwd })
        assert.deepInclude(renamed, { id: ada.id, name: "tablet", username: "ada" })
        const bos = (yield* json(["key", "ls"], { cwd })).find((one: { id: string }) => one.id === bo.id)
        assert.notStrictEqual(bos.name, "tablet")
        const extended = yield* json(["key", "extend", ada.id, "--days", "30"], { cwd })
        assert.isAbove(Date.parse(extended.expiresAt), Date.parse(ada.expiresAt))

        assert.strictEqual((yield* post(hub, ada.key, "s", { id: 1, method: "ping" })).status, 200)
        yield* json(["key", "revoke", ada.id], { cwd })
        assert.strictEqual((yield* post(hub, ada.key, "s", { id: 2, method: "ping" })).status, 401)
        assert.strictEqual((yield* post(hub, bo.key, "s", { id: 1, method: "ping" })).status, 200)
        assert.strictEqual((yield* mcphub(["key", "create", "--user", "ada", "--days", "91"], { cwd })).code, 1)
      }),
    patience
  )

  it.effect(
    "a service token is read from standard input and only its name comes out again",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        const { cwd } = hub
        const secret = "canary-of-dora-5f1c"
        yield* json(["user", "add", "dora", "--key"], { cwd })
        const set = yield* mcphub(["token", "set", "GITHUB_TOKEN", "--user", "dora"], { cwd, stdin: `${secret}\n` })
        assert.strictEqual(set.stdout, "Set GITHUB_TOKEN of dora\n")
        const list = yield* mcphub(["token", "ls", "--user", "dora", "--json"], { cwd })
        assert.strictEqual(JSON.parse(list.stdout)[0].name, "GITHUB_TOKEN")
        assert.notInclude(list.stdout, secret)
        const none = yield* mcphub(["token", "set", "GITHUB_TOKEN", "--user", "dora"], { cwd, stdin: "" })
        assert.strictEqual(none.code, 1)
        const bad = yield* mcphub(["token", "set", "GITHUB_TOKEN", "--user", "dora"], {
          cwd,
          stdin: `${secret}\u0000x`
        })
        assert.strictEqual(bad.code, 1)
        assert.notInclude(bad.stderr, secret)
        assert.strictEqual((yield* mcphub(["token", "rm", "GITHUB_TOKEN", "--user", "dora"], { cwd })).code, 0)
        assert.strictEqual((yield* mcphub(["token", "rm", "GITHUB_TOKEN", "--user", "dora"], { cwd })).code, 1)
        assert.notInclude(hub.stdout() + hub.stderr(), secret)
      }),
    patience
  )

  it.effect(
    "a group is created, listed, changed, switched off and removed",
    () =>
      Effect.gen(function* () {
        const { cwd } = yield* Hub
        yield* json(["user", "add", "eve"], { cwd })
        const of = ["--user", "eve"]
        const made = yield* json(["group", "create", "work", ...of, "--server", "sample", "--tool", "echo"], { cwd })
        assert.deepInclude(made, { name: "work", username: "eve", servers: ["sample"], tools: ["echo"] })
        const changed = yield* json(["group", "set", "work", ...of, "--server", "sample", "--all-tools"], { cwd })
        assert.deepInclude(changed, { servers: ["sample"], unknownServers: [], tools: null })
        assert.include((yield* mcphub(["group", "disable", "work", ...of], { cwd })).stdout, "(disabled)")
        assert.isTrue((yield* json(["group", "enable", "work", ...of], { cwd })).isActive)
        assert.match((yield* mcphub(["group", "ls", ...of], { cwd })).stdout, /^eve +work +yes +sample +all$/m)
        assert.strictEqual((yield* mcphub(["group", "rm", "work", ...of], { cwd })).code, 0)
        assert.deepStrictEqual(yield* json(["group", "ls", ...of], { cwd }), [])
      }),
    patience
  )

  it.effect(
    "a server is listed and tried with a real connection",
    () =>
      Effect.gen(function* () {
        const { cwd } = yield* Hub
        const servers = yield* json(["server", "ls"], { cwd })
        assert.deepInclude(servers[0], { name: "sample", type: "stdio" })
        const tested = yield* json(["server", "test", "sample"], { cwd })
        assert.deepInclude(tested, { outcome: "ok", serverName: "mcphub-sample" })
        const tools = yield* mcphub(["server", "tools", "sample"], { cwd })
        assert.match(tools.stdout, /^get-data +\S/m)
        const absent = yield* mcphub(["server", "test", "nope"], { cwd })
        assert.strictEqual(absent.code, 1)
        assert.include(absent.stderr, "nope")
      }),
    patience
  )

  it.effect(
    "a session is seen while it lives, with what is in flight, and is gone once it is killed",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        const { cwd } = hub
        const ada = yield* json(["user", "add", "fay", "--key"], { cwd })
        const bo = yield* json(["user", "add", "gil", "--key"], { cwd })
        yield* Effect.flatMap(post(hub, ada.key.key, "fays", { id: 1, method: "tools/list" }), (answer) =>
          Effect.promise(() => answer.text())
        )
        yield* Effect.flatMap(post(hub, bo.key.key, "gils", { id: 1, method: "tools/list" }), (answer) =>
          Effect.promise(() => answer.text())
        )
        const sessions = yield* json(["session", "ls", "--user", "fay"], { cwd })
        assert.strictEqual(sessions.length, 1)
        assert.deepInclude(sessions[0], { username: "fay", adopted: true })
        // It never said what it is.
        assert.deepStrictEqual(sessions[0].client, { name: "unknown", version: "" })
        assert.notInclude(JSON.stringify(sessions), "fays")
        const id = sessions[0].sessionId

        const begun = yield* post(hub, ada.key.key, "fays", { id: 2, method: "tools/call", params: countdown })
        const slow = yield* Effect.forkChild(Effect.promise(() => begun.text()))
        const pending = yield* json(["request", "ls", "--user", "fay"], { cwd })
        assert.lengthOf(pending, 1)
        assert.deepInclude(pending[0], { username: "fay", sessionId: id, method: "tools/call", server: "sample" })
        assert.deepStrictEqual(yield* json(["request", "ls", "--user", "gil"], { cwd }), [])
        const shown = (yield* mcphub(["session", "show", id], { cwd })).stdout
        assert.include(shown, "tools/call")
        assert.match(shown, /^MEMORY OF FAY +BYTES\n(?:.+\n)*lists +[1-9]/m)

        assert.strictEqual((yield* mcphub(["request", "cancel", pending[0].requestId], { cwd })).code, 0)
        assert.include(yield* Fiber.join(slow), '"error"')
        assert.strictEqual((yield* mcphub(["request", "cancel", pending[0].requestId], { cwd })).code, 1)

        assert.strictEqual((yield* json(["session", "kill", id], { cwd })).sessionId, id)
        assert.deepStrictEqual(yield* json(["session", "ls", "--user", "fay"], { cwd }), [])
        assert.strictEqual((yield* json(["session", "ls", "--user", "gil"], { cwd })).length, 1)
        assert.strictEqual((yield* mcphub(["session", "show", id], { cwd })).code, 1)
      }),
    patience
  )

  it.effect(
    "field D3: restarting a server ends one user's processes of it or everybody's, and the audit trail has it",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        const { cwd } = hub
        const people = yield* Effect.forEach(["jo", "kim"], (name) => json(["user", "add", name, "--key"], { cwd }))
        for (const { key } of people) yield* post(hub, key.key, "s", { id: 1, method: "tools/list" })
        const restarted = yield* mcphub(["server", "restart", "sample", "--user", "jo"], { cwd })
        assert.match(restarted.stdout, /^Restarted sample in 1 session of jo;/)
        assert.isAtLeast((yield* json(["server", "restart", "sample"], { cwd })).sessions, 1)
        assert.strictEqual((yield* mcphub(["server", "restart", "nope"], { cwd })).code, 1)
        const rows = yield* json(["audit", "tail", "--server", "sample", "--limit", "1000"], { cwd })
        const own = rows.filter(({ kind }: { readonly kind: string }) => kind === "operation")
        assert.deepStrictEqual(
          own.map(({ method, outcome, target, username }: Record<string, unknown>) => [
            username,
            method,
            target,
            outcome
          ]),
          [
            ["operator", "server restart", "jo", "completed"],
            ["operator", "server restart", null, "completed"]
          ]
        )
      }),
    patience
  )

  it.effect(
    "disabling a user ends their sessions and nobody else's",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        const { cwd } = hub
        const one = yield* json(["user", "add", "hal", "--key"], { cwd })
        const other = yield* json(["user", "add", "ida", "--key"], { cwd })
        yield* post(hub, one.key.key, "s", { id: 1, method: "ping" })
        yield* post(hub, other.key.key, "s", { id: 1, method: "ping" })
        assert.strictEqual((yield* json(["session", "ls", "--user", "hal"], { cwd })).length, 1)
        yield* json(["user", "disable", "hal"], { cwd })
        assert.strictEqual((yield* post(hub, one.key.key, "s", { id: 2, method: "ping" })).status, 401)
        const hals = json(["session", "ls", "--user", "hal"], { cwd })
        assert.deepStrictEqual(yield* eventually(hals, (all) => all.length === 0), [])
        assert.strictEqual((yield* json(["session", "ls", "--user", "ida"], { cwd })).length, 1)
      }),
    patience
  )

  it.effect(
    "status tells each user's requests and errors apart",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        const withKey = Effect.fnUntraced(function* (name: string) {
          yield* json(["user", "add", name], { cwd: hub.cwd })
          return yield* json(["key", "create", "--user", name], { cwd: hub.cwd })
        })
        const eve = yield* withKey("stats-eve")
        const flo = yield* withKey("stats-flo")
        yield* post(hub, eve.key, "stats", { id: 1, method: "ping" })
        yield* post(hub, eve.key, "stats", { id: 2, method: "tools/call", params: { name: "nothing-of-the-kind" } })
        yield* post(hub, flo.key, "stats", { id: 1, method: "ping" })
        const { byUser } = yield* json(["status"], { cwd: hub.cwd })
        const of = (name: string) => byUser.find(({ username }: any) => username === name)
        assert.deepInclude(of("stats-eve"), { count: 2, pending: 0, errors: 1, errorRate: 0.5 })
        assert.deepStrictEqual(of("stats-eve").errorsByKind, { invalid_params: 1 })
        assert.deepInclude(of("stats-flo"), { count: 1, errors: 0, errorRate: 0 })
        assert.isAtLeast(of("stats-flo").p99Ms, of("stats-flo").p50Ms)
      }),
    patience
  )

  it.effect(
    "status, config print and doctor find the running hub",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        const printed = yield* json(["config", "print"], { cwd: hub.cwd, env: { PORT: "27999" } })
        assert.strictEqual(printed.running.url, hub.url)
        assert.strictEqual(printed.config.port, 27_999)
        const status = yield* json(["status"], { cwd: hub.cwd })
        assert.strictEqual(status.url, hub.url)
        assert.include((yield* mcphub(["status"], { cwd: hub.cwd })).stdout, hub.url)
        // With the settings file that is looked for by default: named by a flag, it would have to be there.
        const doctor = JSON.parse((yield* program(["doctor", "--json"], { cwd: hub.cwd })).stdout)
        assert.isTrue(doctor.ok)
        const levels = Object.fromEntries(doctor.checks.map((one: any) => [one.check, one.level]))
        assert.deepInclude(levels, {
          hub: "ok",
          database: "ok",
          migrations: "ok",
          clock: "ok",
          isolation: "ok",
          "server sample": "ok"
        })
      }),
    patience
  )

  it.effect(
    "connect names the running hub and never a key",
    () =>
      Effect.gen(function* () {
        const hub = yield* Hub
        for (const client of ["claude", "cursor", "vscode", "opencode", "gemini", "codex"]) {
          const text = yield* mcphub(["connect", client], { cwd: hub.cwd })
          assert.strictEqual(text.code, 0)
          assert.include(text.stdout, hub.url)
          assert.notMatch(text.stdout, keyPattern)
          assert.strictEqual((yield* json(["connect", client], { cwd: hub.cwd })).url, hub.url)
        }
      }),
    patience
  )
})
