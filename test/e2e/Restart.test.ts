/**
 * A restart of the hub as its clients see it: their session ids go on working, with SDK clients that know nothing of a
 * restart, on the embedded database and on PostgreSQL, whether the hub was killed or asked to stop.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Redacted, type Scope } from "effect"
import { McpClient, RawHttp, ScriptedHttpUpstream, ScriptedStdioUpstream } from "../../src/testkit/index.ts"
import { resuming } from "../http/support/OfficialClients.ts"
import { patience } from "../cli/support/Program.ts"
import { dump } from "../support/DatabaseDump.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import { hasPostgres, Postgres } from "../support/Postgres.ts"
import * as SdkClients from "../support/SdkClients.ts"

const users = ["ada", "bo"].map((username) => ({ username, key: `mcphub_key-of-${username}-for-the-restart` }))
const [ada, bo] = users as [(typeof users)[0], (typeof users)[0]]
const provision = HubProcess.withKeys(users)

interface Place {
  readonly folder: string
  readonly settings: { readonly mcpServers: Readonly<Record<string, unknown>> }
  readonly env: Readonly<Record<string, string>>
}

const begin = (place: Place) => HubProcess.make({ ...place, provision })

/** The next hub of the same folder, at the same address. */
const again = (place: Place, first: HubProcess.HubProcess) =>
  HubProcess.make({ ...place, port: Number(new URL(first.url).port) })

interface SessionLine {
  readonly sessionId: string
  readonly username: string
  readonly recovered: boolean
  readonly client: { readonly name: string }
}

interface RequestLine {
  readonly requestId: string
  readonly target: string | null
  readonly ageMs: number
}

const sessionsOf = (hub: HubProcess.HubProcess) =>
  Effect.map(hub.cli("session", "ls", "--json"), ({ stdout }) => JSON.parse(stdout) as ReadonlyArray<SessionLine>)

const raw = (hub: HubProcess.HubProcess, key: string, options?: McpClient.ConnectOptions) =>
  Effect.flatMap(RawHttp.make(hub.origin), (http) => McpClient.connect(http, { key: Redacted.make(key) }, options))

const echo = (id: number) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "web-echo", arguments: { id } }
})

/** SDK clients of both generations and users, which call for as long as the scope lives and come again after a failure. */
const load = Effect.fnUntraced(function* (hub: HubProcess.HubProcess) {
  const answered = new Map<string, number>()
  const problems: Array<string> = []
  const clients = yield* Effect.forEach(
    users.flatMap(({ key, username }) =>
      (["1.x", "2.x"] as const).map((generation) => ({ key, username, generation }))
    ),
    ({ generation, key, username }) =>
      Effect.map(SdkClients.connect(generation, hub.url, key), (client) => ({
        client,
        name: `${username} ${generation}`,
        sessionId: client.sessionId()
      }))
  )
  const working = yield* Effect.forEach(clients, ({ client, name }) =>
    Effect.gen(function* () {
      for (let round = 0; ; round++) {
        const text = `${name} ${round}`
        const exit = yield* Effect.exit(client.call("proc-echo", { text }))
        if (Exit.isSuccess(exit)) {
          const { value } = exit.value.structured as { readonly value: string }
          if (value !== text) problems.push(`${text} was answered ${value}`)
          answered.set(name, (answered.get(name) ?? 0) + 1)
        } else {
          const cause = String(exit.cause)
          if (/session|404|initialize/i.test(cause)) problems.push(cause)
          // The hub is down: as often as an impatient client would.
          yield* Effect.sleep("50 millis")
        }
      }
    }).pipe(Effect.forkScoped)
  )
  return {
    clients,
    problems,
    /** Until every client has been answered so many times more. */
    more: (count: number) =>
      Effect.suspend(() => {
        const wanted = clients.map(({ name }) => [name, (answered.get(name) ?? 0) + count] as const)
        const missing = Effect.sync(() => wanted.filter(([name, least]) => (answered.get(name) ?? 0) < least))
        return Effect.map(
          eventually(missing, (left) => left.length === 0),
          (left) => assert.deepStrictEqual(left, [])
        )
      }),
    stop: Effect.forEach(working, (fiber) => Fiber.interrupt(fiber), { discard: true })
  }
})

const databases: ReadonlyArray<
  readonly [name: string, env: Effect.Effect<Readonly<Record<string, string>>, unknown, Postgres | Scope.Scope>]
> = [
  ["the embedded database", Effect.succeed({})],
  ...(hasPostgres
    ? [
        [
          "PostgreSQL",
          Effect.flatMap(Postgres, ({ database }) =>
            Effect.map(database, (url) => ({ DATABASE_URL: Redacted.value(url) }))
          )
        ] as const
      ]
    : [])
]

for (const [name, environment] of databases) {
  describe(`a hub on ${name}`, () => {
    it.live(
      "B24: killed with -9 under load comes back to the same sessions, and nothing is executed twice",
      () =>
        Effect.gen(function* () {
          const web = yield* ScriptedHttpUpstream.make({ tools: { held: () => {} } })
          const mcpServers = { web: { url: web.url }, proc: ScriptedStdioUpstream.config() }
          const place: Place = {
            folder: yield* HubProcess.folder,
            settings: { mcpServers },
            env: yield* environment
          }
          const first = yield* begin(place)
          const work = yield* load(first)
          const own = yield* raw(first, ada.key, { clientInfo: { name: "raw", version: "1" } })
          const before = yield* own.callTool("web-whoami")
          const ended = yield* raw(first, ada.key)
          assert.strictEqual(yield* ended.end, 204)
          // Two SDK clients that come back by themselves, and one that does not.
          const waiting = yield* Effect.forEach(["1.x", "2.x"] as const, (generation) =>
            Effect.gen(function* () {
              const owner = { key: Redacted.make(ada.key) }
              const client = yield* resuming(generation, first.url, owner, undefined, undefined, 1_000)
              return yield* Effect.forkChild(Effect.flip(Effect.tryPromise(() => client.callTool("web-held"))))
            })
          )
          const lost = yield* Effect.forkChild(Effect.exit(own.callTool("web-held")))
          const heldCalls = () => web.calls("tools/call").filter(({ body }) => body?.params?.["name"] === "held")
          yield* web.await(() => heldCalls().length === 3)
          yield* work.more(5)
          const inFlight = Effect.map(first.cli("request", "ls", "--user", "ada", "--json"), ({ stdout }) =>
            (JSON.parse(stdout) as ReadonlyArray<RequestLine>).filter(({ target }) => target === "web-held")
          )
          const held = yield* eventually(inFlight, (all) => all.length === 3 && all.every(({ ageMs }) => ageMs > 3_000))
          const listed = yield* sessionsOf(first)
          yield* first.kill
          assert.isTrue(Exit.isFailure(yield* Fiber.join(lost)))

          const second = yield* again(place, first)
          // The first to come after the restart is somebody else with ada's id, then ada: the same 404, then her answer.
          const http = yield* RawHttp.make(second.origin)
          const send = (headers: Readonly<Record<string, string>>) =>
            http.send({ path: "/mcp", headers: { ...own.headers, ...headers }, body: JSON.stringify(echo(1)) })
          const foreign = yield* send({ authorization: `Bearer ${bo.key}` })
          const unknown = yield* send({ "mcp-session-id": "00000000-0000-4000-8000-000000000000" })
          const gone = yield* send({ "mcp-session-id": ended.sessionId })
          for (const { status, text } of [foreign, unknown, gone])
            assert.deepStrictEqual({ status, text }, { status: 404, text: unknown.text })
          const answers = yield* Effect.forEach([1, 2, 3, 4], () => send({}), { concurrency: "unbounded" })
          for (const { status } of answers) assert.strictEqual(status, 200)
          const after = yield* own.callTool("web-whoami")
          for (const header of ["x-mcphub-session-id", "x-mcphub-user-session-id", "x-mcphub-user-id"])
            assert.strictEqual(after[header], before[header])
          yield* work.more(5)
          assert.deepStrictEqual(work.problems, [])
          for (const { client, sessionId } of work.clients) assert.strictEqual(client.sessionId(), sessionId)
          yield* work.stop

          const now = yield* sessionsOf(second)
          const ids = (sessions: ReadonlyArray<SessionLine>) => sessions.map(({ sessionId }) => sessionId).sort()
          assert.lengthOf(now, users.length * 2 + 3)
          assert.deepStrictEqual(ids(now), ids(listed))
          for (const { recovered } of now) assert.isTrue(recovered)
          assert.strictEqual((yield* second.gauges).get("mcphub_sessions_recovered_total"), now.length)
          assert.deepStrictEqual(
            second.log().filter((line) => line["method"] === "initialize"),
            []
          )
          // What was in flight: told to whoever asks for it, recorded, and never sent again.
          for (const fiber of waiting) {
            const { cause } = yield* Fiber.join(fiber)
            assert.deepInclude(cause, { code: 1409 })
            assert.deepInclude((cause as { readonly data: object }).data, { kind: "outcome_unknown", origin: "hub" })
          }
          const unknownEnds = yield* second.logged(3, ({ outcome }) => outcome === "unknown")
          for (const { errorCode, errorKind, target, user } of unknownEnds) {
            assert.deepStrictEqual(
              { errorCode, errorKind, target, user },
              { errorCode: 1409, errorKind: "outcome_unknown", target: "web-held", user: "ada" }
            )
          }
          assert.sameMembers(
            unknownEnds.map(({ requestId }) => requestId),
            held.map(({ requestId }) => requestId)
          )
          assert.lengthOf(heldCalls(), 3)

          assert.strictEqual(yield* second.terminate, 0)
          if (place.env["DATABASE_URL"] !== undefined) return
          const rows = (yield* dump(second.dataDir)).get("sessions") ?? ""
          assert.include(rows, '"clientInfo')
          for (const { sessionId } of work.clients) assert.notInclude(rows, sessionId!)
        }).pipe(Effect.scoped, Effect.provide(Postgres.layer)),
      patience
    )

    it.live(
      "B25: asked to stop and started again keeps its sessions: what was ended stays ended, what was revoked is refused",
      () =>
        Effect.gen(function* () {
          const web = yield* ScriptedHttpUpstream.make()
          const place: Place = {
            folder: yield* HubProcess.folder,
            settings: { mcpServers: { web: { url: web.url, isolation: "session" } } },
            env: yield* environment
          }
          const first = yield* begin(place)
          const adas = yield* raw(first, ada.key)
          const bos = yield* raw(first, bo.key)
          const label = { ...adas.headers, "mcp-session-id": "a-label-of-adas-own" }
          const http = yield* RawHttp.make(first.origin)
          const post = (headers: Readonly<Record<string, string>>) =>
            http.send({ path: "/mcp", headers, body: JSON.stringify(echo(1)) })
          assert.strictEqual((yield* post(label)).status, 200)
          const remove = http.send({ method: "DELETE", path: "/mcp", headers: label })
          assert.strictEqual((yield* remove).status, 204)
          for (const client of [adas, bos])
            assert.deepStrictEqual(yield* client.callTool("web-echo", { a: 1 }), { a: 1 })
          assert.strictEqual(yield* first.terminate, 0)
          // The upstream's own sessions have ended with the hub.
          assert.strictEqual(web.sessions.size, 0)

          const second = yield* again(place, first)
          assert.strictEqual((yield* post(label)).status, 404)
          const stream = yield* adas.stream
          assert.strictEqual(stream.status, 200)
          const heard = yield* Effect.all([stream.next, stream.next, stream.next])
          assert.sameMembers(
            heard.map((message) => ("method" in message ? message.method : "")),
            ["tools", "prompts", "resources"].map((kind) => `notifications/${kind}/list_changed`)
          )
          assert.deepStrictEqual(yield* adas.callTool("web-echo", { a: 2 }), { a: 2 })
          const [key] = JSON.parse((yield* second.cli("key", "ls", "--user", "bo", "--json")).stdout) as [
            { id: string }
          ]
          assert.strictEqual((yield* second.cli("key", "revoke", key.id)).code, 0)
          assert.strictEqual((yield* bos.send(echo(2))).status, 401)
          assert.strictEqual(yield* adas.end, 204)
          assert.strictEqual(yield* second.terminate, 0)

          const third = yield* again(place, second)
          assert.strictEqual((yield* adas.send(echo(3))).status, 404)
          assert.strictEqual((yield* bos.send(echo(3))).status, 401)
          assert.deepStrictEqual(yield* sessionsOf(third), [])
        }).pipe(Effect.scoped, Effect.provide(Postgres.layer)),
      patience
    )
  })
}
