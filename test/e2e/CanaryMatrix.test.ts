/**
 * Many users, many servers, a secret of its own for every pair, all calling at once: afterwards each secret is looked
 * for in everything every server received, and in everything the hub wrote or says. It may be where it is entitled to
 * be, and must be there, and nowhere else.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import {
  McpClient,
  RawHttp,
  type Script,
  type ScriptedHttpOptions,
  ScriptedHttpUpstream
} from "../../src/testkit/index.ts"
import { patience } from "../cli/Program.ts"
import * as Canaries from "../support/Canaries.ts"
import { dump } from "../support/DatabaseDump.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as Programs from "../support/Programs.ts"

/** Answers with what it was asked, "arg" turned into "res", and who the hub said is asking. */
const tell: Script = (call) =>
  call.content({
    text: String(call.arguments["text"]).replace("arg", "res"),
    user: call.received.headers["x-mcphub-user-id"] ?? null
  })

const refuse: Script = (call) => call.error(-32000, "Refused")

interface Server {
  readonly name: string
  /** The token it is entitled to, if any; every user has one of that name. */
  readonly token?: string
  /** What the settings say besides url or command. */
  readonly config: object
  /** A path after the server's own, for a url template. */
  readonly path?: string
  readonly http?: ScriptedHttpOptions
  /** Whether it is told who calls, which `context: "none"` forbids. */
  readonly knowsUser: boolean
}

const servers: ReadonlyArray<Server> = [
  {
    name: "alpha",
    token: "ALPHA_SECRET",
    config: { context: "full", contextTokens: ["ALPHA_SECRET"] },
    http: { answers: "sse" },
    knowsUser: true
  },
  {
    name: "beta",
    token: "BETA_KEY",
    config: { headers: { "X-Api-Key": "${USER_BETA_KEY}" }, isolation: "user" },
    http: { sessions: false, stream: false },
    knowsUser: true
  },
  {
    name: "gamma",
    token: "GAMMA_PAT",
    config: { context: "none", headers: { Authorization: "Bearer ${USER_GAMMA_PAT}" }, isolation: "session" },
    http: {},
    knowsUser: false
  },
  { name: "delta", config: { isolation: "shared" }, http: { stream: false }, knowsUser: true },
  { name: "epsilon", config: { context: "ids" }, http: { sessions: false }, knowsUser: true },
  {
    name: "zeta",
    token: "ZETA_PATH",
    config: {},
    path: "/${USER_ZETA_PATH}",
    http: { sessions: false, stream: false },
    knowsUser: true
  },
  { name: "eta", token: "ETA_TOKEN", config: { env: { CREDENTIAL: "${USER_ETA_TOKEN}" } }, knowsUser: true },
  { name: "theta", token: "THETA_TOKEN", config: { context: "full", isolation: "user" }, knowsUser: true }
]

/** Tokens that users have and that no server here is entitled to, three of them named after a server that takes none. */
const unclaimed = ["GITHUB_TOKEN", "DELTA_TOKEN", "EPSILON_TOKEN", "ALPHA_TOKENS"]

const purposeOf = (token: string) => token.toLowerCase().replaceAll("_", "")

interface Upstream extends Server {
  readonly settings: object
  /** Everything it received. */
  readonly record: () => string
  /** The same, apart for each thing that only one user may have a part in: a process, a socket, or at least a request. */
  readonly parts: () => ReadonlyArray<string>
}

const startUpstream = (server: Server, records: string): Effect.Effect<Upstream, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (server.http === undefined) {
      const { args, command } = Programs.command("test/e2e/programs/recorder.mjs")
      const { env, ...config } = server.config as { readonly env?: object }
      const parts = () =>
        readdirSync(records)
          .filter((file) => file.startsWith(`${server.name}-`))
          .map((file) => readFileSync(join(records, file), "utf8"))
      return {
        ...server,
        settings: { ...config, command, args, env: { ...env, RECORDS: records, RECORD_AS: server.name } },
        record: () => parts().join(""),
        parts
      }
    }
    const upstream = yield* ScriptedHttpUpstream.make({ ...server.http, tools: { tell, refuse } })
    return {
      ...server,
      settings: { ...server.config, url: `${upstream.url}${server.path ?? ""}` },
      record: () => JSON.stringify(upstream.received),
      parts: () => {
        const shared = (server.config as { readonly isolation?: string }).isolation === "shared"
        const apart = Map.groupBy(upstream.received, (one) => (shared ? one : one.remotePort))
        return Array.from(apart.values(), (part) => JSON.stringify(part))
      }
    }
  })

const numbers = Array.from({ length: 24 }, (_, index) => String(index + 10))
/** Every sixth user has no token for beta: their calls to it fail, and must not fall back on anybody's. */
const lacksBeta = (owner: string) => Number(owner.slice(1)) % 6 === 0

it.live(
  "defects 1, 2, 3, 12, 16, 17, 18: 24 users and 8 servers: every secret is seen where it is entitled to be and nowhere else",
  () =>
    Effect.gen(function* () {
      const seed = Number(process.env["CANARY_SEED"] ?? Date.now() % 1_000_000)
      yield* Effect.log(`CANARY_SEED=${seed}`)
      const canaries = Canaries.make()
      const folder = yield* HubProcess.folder
      const records = join(folder, "records")
      mkdirSync(records)
      const upstreams = yield* Effect.forEach(servers, (server) => startUpstream(server, records))

      const users = numbers.map((number) => {
        const owner = `u${number}`
        const names = [...servers.flatMap(({ token }) => token ?? []), ...unclaimed]
        const tokens = names.filter((name) => name !== "BETA_KEY" || !lacksBeta(owner))
        return {
          owner,
          id: `00000000-0000-4000-8000-0000000000${number}`,
          key: `mcphub_${canaries.plant(owner, "hubkey")}-and-more-of-it`,
          tokens: Object.fromEntries(tokens.map((name) => [name, canaries.plant(owner, purposeOf(name))]))
        }
      })
      const hubSecret = (purpose: string) => `${canaries.plant("hub", purpose)}-long-enough`
      const hub = yield* HubProcess.make({
        folder,
        settings: { mcpServers: Object.fromEntries(upstreams.map(({ name, settings }) => [name, settings])) },
        provision: {
          users: users.map(({ id, key, owner, tokens }) => ({
            username: owner,
            id,
            keys: [{ name: "first", key }],
            serviceTokens: tokens
          }))
        },
        env: {
          JWT_SECRET: hubSecret("jwtsecret"),
          CREDENTIAL_KEY: hubSecret("credentialkey"),
          ADMIN_PASSWORD: hubSecret("adminpassword"),
          LOG_LEVEL: "debug"
        }
      })
      const http = yield* RawHttp.make(hub.origin)

      // Every second user has two sessions. Each sends headers that would be somebody else's credentials upstream.
      const sessions = yield* Effect.forEach(
        users.flatMap((user, index) => (index % 2 === 0 ? [user, user] : [user])),
        (user) =>
          Effect.map(
            McpClient.connect(
              http,
              { key: Redacted.make(user.key) },
              {
                headers: {
                  cookie: canaries.plant(user.owner, "cookie"),
                  "proxy-authorization": canaries.plant(user.owner, "proxyauth"),
                  "x-forwarded-user": canaries.plant(user.owner, "forwarded"),
                  "x-mcphub-user-id": canaries.plant(user.owner, "spoofedid"),
                  "x-mcphub-alpha-secret": canaries.plant(user.owner, "spoofedtoken"),
                  "x-mcphub-github-token": canaries.plant(user.owner, "spoofedtoken")
                }
              }
            ),
            (client) => ({ user, client })
          ),
        { concurrency: 8 }
      )
      assert.isAtLeast(sessions.length, 36)

      // Three calls of every session to every server, in random order and all at once; the ids are 1, 2, 3… for each.
      const failures: Array<string> = []
      const calls = Canaries.shuffled(
        sessions.flatMap((session) => upstreams.flatMap((server) => [1, 2, 3].map(() => ({ ...session, server })))),
        seed
      )
      yield* Effect.forEach(
        calls,
        ({ client, server, user }) =>
          Effect.gen(function* () {
            const text = canaries.plant(user.owner, `arg${server.name}`)
            const call = client.callTool(`${server.name}-tell`, { text })
            if (server.name === "beta" && lacksBeta(user.owner)) {
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
        const callers = users.filter(({ owner }) => server.name !== "beta" || !lacksBeta(owner))
        const expected = callers.flatMap(({ owner }) => [
          `${owner}-arg${server.name}`,
          ...(server.token === undefined ? [] : [`${owner}-${purposeOf(server.token)}`])
        ])
        assert.deepStrictEqual(found, expected.sort(), `what ${server.name} received`)
        // Being entitled is not enough: no user's call may go out with, or over, anything of another's.
        for (const part of server.parts()) {
          const owners = new Set(canaries.foundIn(part).map((name) => name.split("-")[0]))
          assert.isAtMost(owners.size, 1, `${server.name} got secrets of ${[...owners].join(", ")} in one place`)
        }
        assert.isAtLeast(server.parts().length, callers.length)
      }
      // The client's own session id is a capability and stays here as well.
      for (const { client } of sessions) {
        for (const server of upstreams) assert.notInclude(server.record(), client.sessionId, server.name)
      }

      const said = yield* Effect.forEach(
        [
          ["status", "--json"],
          ["session", "ls", "--json"],
          ["server", "ls", "--json"],
          ["request", "ls", "--json"],
          ["user", "ls", "--json"],
          ["key", "ls", "--json"],
          ["token", "ls", "--user", "u10", "--json"],
          ["config", "print", "--json"]
        ],
        (command) => Effect.map(hub.cli(...command), (ran) => ({ command, ...ran })),
        { concurrency: 2 }
      )
      const metrics = yield* hub.scrape
      assert.include(metrics, "mcphub_sessions")
      const listed = said.find(({ command }) => command[0] === "session")!
      for (const { client } of sessions) {
        for (const text of [listed.stdout, metrics, hub.stderr()]) assert.notInclude(text, client.sessionId)
      }
      assert.lengthOf(JSON.parse(listed.stdout), sessions.length)
      assert.strictEqual(yield* hub.terminate, 0)
      const requestLines = hub.log().filter(({ msg }) => msg === "request")
      assert.isAtLeast(requestLines.length, calls.length)

      const places: Record<string, string> = {
        "standard output": hub.stdout(),
        "standard error": hub.stderr(),
        "error answers": failures.join("\n"),
        "/metrics": metrics
      }
      for (const { code, command, stderr, stdout } of said) {
        assert.strictEqual(code, 0, `${command.join(" ")}: ${stderr}`)
        places[command.join(" ")] = stdout + stderr
      }
      const tables = yield* dump(hub.dataDir)
      assert.include(tables.get("public.mcphub_keys") ?? "", "sha256:")
      // What every user did is there, with the names and without the contents.
      assert.include(tables.get("mcphub_hub.audit_log") ?? "", '"method":"tools/call"')
      for (const [table, rows] of tables) places[`table ${table}`] = rows
      for (const [place, text] of Object.entries(places)) assert.deepStrictEqual(canaries.foundIn(text), [], place)
      assert.deepStrictEqual(canaries.filesWith(hub.dataDir), [], "files of the data folder")
      assert.include(canaries.filesWith(folder), "users.json", "the search itself finds what is there")
    }).pipe(Effect.scoped),
  patience
)
