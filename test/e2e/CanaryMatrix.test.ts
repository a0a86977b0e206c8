/**
 * Many users, many servers, a secret of its own for every pair, all calling at once. Afterwards the test looks for each
 * secret in everything every server received, and in everything the hub wrote or says. A secret must be where it is
 * entitled to be, and nowhere else.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { join } from "node:path"
import { McpClient, RawHttp, type Script } from "../../src/testkit/index.ts"
import { patience } from "../cli/support/Program.ts"
import * as CanaryApi from "../support/CanaryApi.ts"
import * as Canaries from "../support/Canaries.ts"
import * as CanaryFlood from "../support/CanaryFlood.ts"
import * as CanarySearch from "../support/CanarySearch.ts"
import * as CanaryServers from "../support/CanaryServers.ts"
import * as CanaryUsers from "../support/CanaryUsers.ts"
import { dump } from "../support/DatabaseDump.ts"
import * as HubProcess from "../support/HubProcess.ts"

const refuse: Script = (call) => call.error(-32000, "Refused")

const matrix = (isFlooded: boolean) =>
  Effect.gen(function* () {
    const seed = Number(process.env["CANARY_SEED"] ?? Date.now() % 1_000_000)
    yield* Effect.log(`CANARY_SEED=${seed}`)
    const canaries = Canaries.make()
    const folder = yield* HubProcess.folder
    const upstreams = yield* Effect.forEach(CanaryServers.servers, (server) =>
      server.http === undefined
        ? Effect.sync(() => CanaryServers.stdio(server, join(folder, "records")))
        : CanaryServers.startHttp(server, { tell: CanaryServers.tell, refuse })
    )
    const users = CanaryUsers.make(canaries)
    const hub = yield* HubProcess.make({
      folder,
      settings: {
        mcpServers: {
          ...Object.fromEntries(upstreams.map(({ name, settings }) => [name, settings])),
          ...(isFlooded ? { loud: yield* CanaryFlood.start } : {})
        }
      },
      provision: CanaryUsers.provision(users),
      env: CanaryUsers.hubEnvironment(canaries)
    })
    const http = yield* RawHttp.make(hub.origin)

    // Every second user has two sessions. Each sends headers that would be somebody else's credentials upstream.
    const sessions = yield* Effect.forEach(
      users.flatMap((user, index) => (index % 2 === 0 ? [user, user] : [user])),
      (user) =>
        Effect.map(McpClient.connect(http, { key: Redacted.make(user.key) }, { headers: user.headers }), (client) => ({
          user,
          client
        })),
      { concurrency: 8 }
    )
    assert.isAtLeast(sessions.length, 36)

    // Three calls of every session to every server, in random order and all at once; the ids are 1, 2, 3… for each.
    const failures: Array<string> = []
    const calls = Canaries.shuffled(
      sessions.flatMap((session) => upstreams.flatMap((server) => [1, 2, 3].map(() => ({ ...session, server })))),
      seed
    )
    const answered = Effect.forEach(
      calls,
      ({ client, server, user }) =>
        Effect.gen(function* () {
          const text = canaries.plant(user.owner, `arg${server.name}`)
          const call = client.callTool(`${server.name}-tell`, { text })
          if (!CanaryUsers.canCall(user.owner, server)) {
            const refused = yield* Effect.flip(call)
            assert.strictEqual(refused.code, 1401)
            failures.push(JSON.stringify(refused))
            return
          }
          assert.deepStrictEqual(yield* call, {
            text: text.replace("arg", "res"),
            user: server.knowsUser ? user.id : null
          })
        }),
      { concurrency: 48 }
    )
    yield* isFlooded ? CanaryFlood.during(canaries, sessions, answered) : answered

    // What fails says nothing either.
    const failing = yield* Effect.forEach(sessions, ({ client, user }, index) =>
      Effect.forEach(
        [
          () => client.callTool("alpha-refuse", { text: canaries.plant(user.owner, "argalpha") }),
          () => client.callTool("eta-refuse", { text: canaries.plant(user.owner, "argeta") }),
          () => client.callTool("alpha-missing", { text: canaries.plant(user.owner, "argmissing") }),
          () => client.request("nonsense", { text: canaries.plant(user.owner, "argnonsense") })
        ],
        (call) => Effect.map(Effect.flip(call()), (failure) => JSON.stringify(failure))
      ).pipe(
        Effect.zipWith(
          // With another user's session, with a wrong key, and no JSON at all.
          Effect.forEach(
            [
              { ...client.headers, "mcp-session-id": sessions[(index + 3) % sessions.length]!.client.sessionId },
              { ...client.headers, authorization: `Bearer ${user.key}x` },
              { ...client.headers, "content-type": "text/plain" }
            ],
            (headers) => http.send({ path: `/mcp?text=${canaries.plant(user.owner, "query")}`, headers, body: "{" })
          ),
          (errors, answers) => {
            for (const { status } of answers) assert.isAtLeast(status, 400)
            return [...errors, ...answers.map((answer) => JSON.stringify(answer))]
          }
        )
      )
    )
    failures.push(...failing.flat())

    // The matrix: token by token, server by server.
    for (const server of upstreams) {
      const found = canaries.foundIn(server.record())
      const callers = users.filter(({ owner }) => CanaryUsers.canCall(owner, server))
      const expected = callers.flatMap(({ owner }) => CanaryUsers.cell(owner, server))
      assert.deepStrictEqual(found, expected.sort(), `what ${server.name} received`)
      CanarySearch.assertApart(canaries, server)
      assert.isAtLeast(server.parts().length, callers.length)
    }
    // The client's own session id is a capability and stays here as well.
    for (const { client } of sessions) {
      for (const server of upstreams) assert.notInclude(server.record(), client.sessionId, server.name)
    }

    const said = yield* CanarySearch.said(hub)
    const listed = said["session ls --json"]!
    const api = yield* CanaryApi.said(http, users.slice(0, 3), CanaryUsers.hubEnvironment(canaries)["ADMIN_PASSWORD"]!)
    for (const { client } of sessions) {
      for (const text of [listed, said["/metrics"], hub.stderr(), ...Object.values(api)])
        assert.notInclude(text, client.sessionId)
    }
    assert.lengthOf(JSON.parse(listed), sessions.length)
    assert.strictEqual(yield* hub.terminate, 0)
    const requestLines = hub.log().filter(({ msg }) => msg === "request")
    assert.isAtLeast(requestLines.length, calls.length)
    const places = { ...CanarySearch.printed(hub), "error answers": failures.join("\n"), ...said, ...api }
    CanarySearch.assertNowhere(canaries, hub, places, yield* dump(hub.dataDir))
  }).pipe(Effect.scoped)

it.live(
  "defects 1, 2, 3, 12, 16, 17, 18: 24 users and 8 servers: every secret is seen where it is entitled to be and nowhere else",
  () => matrix(false),
  patience
)

it.live("B43: the same beside a server that floods one of the users", () => matrix(true), patience)
