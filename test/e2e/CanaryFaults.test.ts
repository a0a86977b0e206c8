/**
 * The canary matrix under every fault: servers die, hang, forget, lie, repeat what they were told and redirect
 * elsewhere, children exit, clients leave, keys, users and tokens change, and the hub stops and starts again, all while
 * all users call. Afterwards the test looks for each secret everywhere, as in the matrix without faults.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Redacted, type Scope } from "effect"
import { join } from "node:path"
import { McpClient, RawHttp, type ScriptedCall, ScriptedHttpUpstream } from "../../src/testkit/index.ts"
import { mcphub, patience } from "../cli/support/Program.ts"
import * as Canaries from "../support/Canaries.ts"
import * as CanaryCalls from "../support/CanaryCalls.ts"
import * as CanaryFaults from "../support/CanaryFaults.ts"
import * as CanarySearch from "../support/CanarySearch.ts"
import * as CanaryServers from "../support/CanaryServers.ts"
import * as CanaryUsers from "../support/CanaryUsers.ts"
import { dump } from "../support/DatabaseDump.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"

const settingsOf = (upstreams: ReadonlyArray<CanaryServers.Upstream>) => ({
  mcpServers: Object.fromEntries(upstreams.map(({ name, settings }) => [name, settings]))
})

/** The processes of one server under two hubs. */
const joined = (one: CanaryServers.Upstream, other: CanaryServers.Upstream): CanaryServers.Upstream => ({
  ...one,
  record: () => one.record() + other.record(),
  parts: () => [...one.parts(), ...other.parts()]
})

it.live(
  "A08, A09, A11, A33, B03: whatever goes wrong, every secret is seen where it is entitled to be and nowhere else",
  () =>
    Effect.gen(function* () {
      const seed = Number(process.env["CANARY_SEED"] ?? Date.now() % 1_000_000)
      yield* Effect.log(`CANARY_SEED=${seed}`)
      const canaries = Canaries.make()
      const folder = yield* HubProcess.folder
      const elsewhere = yield* ScriptedHttpUpstream.make()
      const held: Array<ScriptedCall> = []
      const tools = () => ({
        ...CanaryFaults.tools(canaries, elsewhere.url),
        hold: (call: ScriptedCall) => void held.push(call)
      })
      const web = yield* Effect.forEach(
        CanaryServers.servers.filter(({ http }) => http !== undefined),
        (server) => CanaryServers.startHttp(server, tools())
      )
      const childrenIn = (records: string) =>
        CanaryServers.servers
          .filter(({ http }) => http === undefined)
          .map((server) => CanaryServers.stdio(server, join(folder, records)))
      const children = childrenIn("records")
      const upstreams = [...web, ...children]
      const webNamed = (name: string) => web.find((server) => server.name === name)!

      const users = CanaryUsers.make(canaries)
      // Users who are shut out go on asking, all from one address.
      const env = { ...CanaryUsers.hubEnvironment(canaries), WRONG_KEYS_PER_MINUTE: "10000" }
      const first = yield* HubProcess.make({
        folder,
        settings: settingsOf(upstreams),
        env,
        provision: CanaryUsers.provision(users)
      })
      const http = yield* RawHttp.make(first.origin)

      /** A command beside the first hub, which has to succeed. */
      const command = (args: ReadonlyArray<string>, stdin = "") =>
        Effect.map(
          mcphub([...args, "--data", first.dataDir], { cwd: folder, env, stdin }),
          ({ code, stderr, stdout }) => {
            assert.strictEqual(code, 0, `${args.join(" ")}: ${stderr}`)
            return stdout
          }
        )

      // Every fourth user has two sessions; some listen for what comes by itself.
      const sessions = yield* Effect.forEach(
        users.flatMap((user, index) => (index % 4 === 0 ? [user, user] : [user])),
        (user): Effect.Effect<CanaryCalls.Session, McpClient.McpFailure> =>
          Effect.map(
            McpClient.connect(http, { key: Redacted.make(user.key) }, { headers: user.headers }),
            (client) => ({ user, client })
          ),
        { concurrency: 8 }
      )
      const sessionOf = (owner: string) => sessions.find(({ user }) => user.owner === owner)!
      const listening = yield* Effect.forEach(sessions.slice(0, 8), ({ client, user }) =>
        Effect.flatMap(client.stream, (stream) =>
          Effect.map(Effect.forkScoped(stream.rest), (fiber) => ({ fiber, owner: user.owner }))
        )
      )

      const calls = CanaryCalls.make(canaries)

      // Who is shut out, or changed, in the middle; until then they are users like all others.
      const shutOut = new Set<string>()
      const shutsOut = (owner: string, how: Effect.Effect<unknown>) =>
        Effect.gen(function* () {
          shutOut.add(owner)
          yield* how
          for (const { name } of upstreams) {
            const outcome = yield* calls.insist(sessionOf(owner), name, "tell", "argrevoked")
            assert.strictEqual(outcome.status, 401, `${owner} at ${name}`)
          }
        })
      const keyOf = (owner: string) =>
        Effect.map(
          command(["key", "ls", "--user", owner, "--json"]),
          (text) => (JSON.parse(text) as [{ id: string }])[0].id
        )
      const revoke = (owner: string) =>
        shutsOut(
          owner,
          Effect.flatMap(keyOf(owner), (id) => command(["key", "revoke", id]))
        )
      const changed = sessionOf("u14")
      const claimed = CanaryServers.servers.flatMap(({ token }) => token ?? [])
      const old = claimed.map((name) => `${changed.user.owner}-${CanaryUsers.purposeOf(name)}`)
      const changeTokens = Effect.gen(function* () {
        for (const name of claimed) {
          const value = canaries.plant(changed.user.owner, `${CanaryUsers.purposeOf(name)}new`)
          yield* command(["token", "set", name, "--user", changed.user.owner], value)
        }
        for (const server of web) {
          const after = calls.insist(changed, server.name, "tell", `arg${server.name}after`)
          CanaryCalls.assertTold(
            yield* eventually(after, ({ error }) => error === undefined, { deadline: "60 seconds" }),
            server,
            changed.user
          )
        }
      })
      const intruder = Effect.gen(function* () {
        const key = `mcphub_${canaries.plant("intruder", "hubkey")}-and-more-of-it`
        const { client } = sessionOf("u15")
        const params = { name: "alpha-tell", arguments: { text: canaries.plant("intruder", "argalpha") } }
        for (const session of [client.sessionId, "none"]) {
          const { status, text } = yield* http.send({
            path: client.path,
            headers: { ...client.headers, authorization: `Bearer ${key}`, "mcp-session-id": session },
            body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params })
          })
          assert.strictEqual(status, 401)
          assert.deepStrictEqual(canaries.foundIn(text), [])
        }
      })
      const forget = Effect.sync(() => {
        for (const server of web) server.now().forgetSessions()
      })
      const events: ReadonlyArray<Effect.Effect<unknown, never, Scope.Scope>> = [
        forget,
        webNamed("epsilon").restart,
        intruder,
        revoke("u11"),
        webNamed("alpha").restart,
        changeTokens,
        shutsOut("u13", command(["user", "disable", "u13"])),
        forget,
        revoke("u17")
      ]

      // Every session calls every server, well and badly, in random order and all at once, and in between it happens.
      let turn = 0
      const next = (kinds: ReadonlyArray<string>) => kinds[turn++ % kinds.length]!
      const asked = sessions.flatMap((session) =>
        upstreams.flatMap((server) => {
          const kinds = server.http === undefined ? CanaryFaults.ofStdio : CanaryFaults.ofHttp
          const bad = server.http === undefined ? [next(kinds)] : [next(kinds), next(kinds), next(kinds)]
          return ["tell", "tell", ...bad].map((tool) => ({ session, server, tool }))
        })
      )
      const storm = Canaries.shuffled(asked, seed).map(({ server, session, tool }) =>
        Effect.gen(function* () {
          const outcome = yield* calls.insist(session, server.name, tool)
          if (outcome.status !== 200) {
            assert.isTrue(outcome.status === 401 && shutOut.has(session.user.owner), outcome.text)
            return
          }
          if (!CanaryUsers.canCall(session.user.owner, server)) return assert.strictEqual(outcome.error?.code, 1401)
          const code = outcome.error?.code
          if (tool === "tell" && code === undefined) return CanaryCalls.assertTold(outcome, server, session.user)
          if (tool === "echo" && code === undefined) return
          // Besides its own, a call may share the fate of its server, its session, or its child process.
          const isUnsent = outcome.error?.data?.["retryable"] === true
          const fates = [1409, 1499, 1503, ...(isUnsent ? [1502] : []), ...(CanaryFaults.codes[tool] ?? [])]
          assert.include(fates, code, `${server.name}-${tool}: ${outcome.text}`)
        })
      )
      const rude = sessions
        .filter(({ user }) => Number(user.owner.slice(1)) >= 20)
        .slice(0, 6)
        .map((session, index) => calls.abandon(first.origin, session, web[[2, 3, 5][index % 3]!]!))
      const inserted = [...events, ...rude]
      const work: Array<Effect.Effect<unknown, never, Scope.Scope>> = [...storm]
      inserted.forEach((one, index) =>
        work.splice(Math.floor(((index + 1) * work.length) / (inserted.length + 2)), 0, one)
      )
      yield* Effect.forEach(work, (one) => one, { concurrency: 128, discard: true })

      const metrics = yield* first.scrape

      // Stopped in order while calls run: those are answered, and what comes later is refused.
      const going = sessions.filter(({ user }) => !shutOut.has(user.owner))
      const waiting = yield* Effect.forkChild(
        Effect.forEach(going, (session) => calls.insist(session, "zeta", "hold"), { concurrency: "unbounded" })
      )
      const running = yield* eventually(
        Effect.sync(() => held.length),
        (count) => count === going.length,
        { deadline: "60 seconds" }
      )
      assert.strictEqual(running, going.length)
      yield* first.beginTerminate
      yield* first.logged(1, ({ msg }) => msg === "The hub stops")
      const refused = yield* Effect.forEach(going, (session) => calls.once(session, "delta", "tell", "argrefused"), {
        concurrency: 8
      })
      for (const { status } of refused) assert.include([0, 503], status)
      for (const one of held) CanaryServers.tell(one)
      for (const [index, outcome] of (yield* Fiber.join(waiting)).entries())
        CanaryCalls.assertTold(outcome, webNamed("zeta"), going[index]!.user)
      assert.strictEqual(yield* first.terminate, 0)
      for (const { fiber, owner } of listening) {
        const heard = canaries.foundIn(JSON.stringify(yield* Fiber.join(fiber)))
        assert.isTrue(
          heard.every((name) => name.startsWith(`${owner}-`)),
          `${owner} heard ${heard}`
        )
      }

      // Started again on its folder: sessions go on, and everything is well.
      const before = web.map((server) => server.now().received.length)
      const laterChildren = childrenIn("later-records")
      const later = [...web, ...laterChildren]
      const second = yield* HubProcess.make({
        folder,
        settings: settingsOf(later),
        env,
        port: Number(new URL(first.url).port)
      })
      const well = going.flatMap((session, index) =>
        (index % 3 === 0 ? later : web)
          .filter((server) => CanaryUsers.canCall(session.user.owner, server))
          .map((server) =>
            Effect.map(calls.insist(session, server.name, "tell"), (outcome) =>
              CanaryCalls.assertTold(outcome, server, session.user)
            )
          )
      )
      yield* Effect.forEach(Canaries.shuffled(well, seed), (one) => one, { concurrency: 48, discard: true })
      for (const owner of shutOut) {
        const outcome = yield* calls.insist(sessionOf(owner), "alpha", "tell", "argrevoked")
        assert.strictEqual(outcome.status, 401)
      }

      // The matrix. Who was shut out need not have come everywhere; nobody may have come anywhere else.
      for (const server of [...web, ...children.map((one, index) => joined(one, laterChildren[index]!))]) {
        const found = canaries.foundIn(server.record())
        const callers = users.filter(({ owner }) => CanaryUsers.canCall(owner, server))
        const expected = callers.flatMap(({ owner }) => CanaryUsers.cell(owner, server))
        const owner = changed.user.owner
        const added = CanaryUsers.cell(owner, server)
          .map((name) => (name.includes("-arg") ? `${name}after` : `${name}new`))
          // A child that runs keeps the tokens it was started with.
          .filter((name) => server.http !== undefined || name.endsWith("new"))
        const surely = [...expected, ...added].filter(
          (name) => !shutOut.has(name.split("-")[0]!) && !old.includes(name)
        )
        assert.deepStrictEqual(
          found.filter((name) => ![...expected, ...added].includes(name)),
          [],
          `what only others may receive, at ${server.name}`
        )
        assert.deepStrictEqual(
          surely.filter((name) => !found.includes(name)),
          [],
          `what ${server.name} should have received`
        )
        CanarySearch.assertApart(canaries, server)
        for (const { client } of sessions) assert.notInclude(server.record(), client.sessionId, server.name)
      }
      assert.deepStrictEqual(elsewhere.received, [])
      assert.strictEqual(elsewhere.sockets().accepted, 0)

      // A token that was changed is not sent any more.
      const afterwards = [
        ...web.map((server, index) => JSON.stringify(server.now().received.slice(before[index]))),
        ...web.flatMap((server) => server.requests().filter((one) => one.includes(`-arg${server.name}after`))),
        ...laterChildren.map((server) => server.record())
      ]
      for (const text of afterwards)
        assert.deepStrictEqual(
          canaries.foundIn(text).filter((name) => old.includes(name)),
          []
        )

      // Nothing anywhere else.
      const places = yield* CanarySearch.said(second)
      assert.strictEqual((yield* second.gauges).get("mcphub_requests_in_flight"), 0)
      assert.strictEqual(yield* second.terminate, 0)
      const tables = yield* dump(second.dataDir)
      CanarySearch.assertNowhere(
        canaries,
        second,
        {
          ...CanarySearch.printed(first, "the first hub"),
          ...CanarySearch.printed(second, "the second hub"),
          "the first hub's /metrics": metrics,
          ...places
        },
        tables
      )

      // Every call that was taken has come to one end, in the log and in the audit trail.
      const isCall = (row: Readonly<Record<string, unknown>>) => row["method"] === "tools/call"
      const lines = [...first.log(), ...second.log()].filter(({ msg }) => msg === "request").filter(isCall)
      const rows = (JSON.parse(tables.get("audit_log")!) as ReadonlyArray<Record<string, unknown>>).filter(isCall)
      for (const ended of [lines, rows]) {
        assert.lengthOf(new Set(ended.map((one) => one["requestId"] ?? one["id"])), calls.taken())
        assert.lengthOf(ended, calls.taken())
      }
    }).pipe(Effect.scoped),
  patience
)
