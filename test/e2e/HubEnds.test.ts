/**
 * The two ways a hub ends. Killed, it leaves no process of its users behind, and the next hub goes on with its data.
 * Told to stop while users are at work, it answers what it has accepted, rejects the rest, and leaves in order.
 */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue, Redacted } from "effect"
import {
  McpClient,
  RawHttp,
  type ScriptedCall,
  ScriptedHttpUpstream,
  ScriptedStdioUpstream
} from "../../src/testkit/index.ts"
import { type IncomingMessage, request } from "node:http"
import process from "node:process"
import { patience } from "../cli/support/Program.ts"
import * as Canaries from "../support/Canaries.ts"
import { dump } from "../support/DatabaseDump.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import { gone, isAlive } from "../support/ProcessTable.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

const makeUsers = (canaries: Canaries.Canaries) =>
  ["ada", "bo"].map((username) => ({
    username,
    key: `mcphub_${canaries.plant(username, "hubkey")}-and-more-of-it`,
    token: canaries.plant(username, "webtoken")
  }))

const provision = (users: ReturnType<typeof makeUsers>) => ({
  users: users.map(({ key, token, username }) => ({ username, keys: [{ key }], serviceTokens: { WEB_TOKEN: token } }))
})

const connect = (hub: HubProcess.HubProcess, { key }: { readonly key: string }) =>
  Effect.flatMap(RawHttp.make(hub.origin), (http) => McpClient.connect(http, { key: Redacted.make(key) }))

interface Pids {
  readonly pid: number
  readonly grandchild: number
}

const pidsOf = (client: McpClient.McpClient) =>
  Effect.map(client.callTool("proc-pid"), ({ value }) => value as unknown as Pids)

it.live(
  "B24, defects 16, 17: a hub killed with -9 leaves no process, and the next one on its folder knows keys and tokens",
  () =>
    Effect.gen(function* () {
      const canaries = Canaries.make()
      const users = makeUsers(canaries)
      const folder = yield* HubProcess.folder
      const web = yield* ScriptedHttpUpstream.make()
      const settings = {
        mcpServers: {
          web: { url: web.url, context: "full" },
          proc: ScriptedStdioUpstream.config({ ignoreSigterm: true, ignoreStdinEnd: true, grandchild: true })
        }
      }
      const tokenSeenBy = (client: McpClient.McpClient) =>
        Effect.map(client.callTool("web-whoami"), (headers) => headers["x-mcphub-web-token"])

      const first = yield* HubProcess.make({ folder, settings, provision: provision(users) })
      const pids = yield* Effect.forEach(users, (user) =>
        Effect.gen(function* () {
          const client = yield* connect(first, user)
          assert.strictEqual(yield* tokenSeenBy(client), user.token)
          const { grandchild, pid } = yield* pidsOf(client)
          return [pid, grandchild]
        })
      ).pipe(Effect.map((all) => all.flat()))
      assert.lengthOf(new Set(pids), 4)
      for (const pid of pids) assert.isTrue(isAlive(pid), `process ${pid}`)
      // These are stubborn: should the hub fail to take them along, the test does.
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => pids.filter(isAlive).forEach((pid) => process.kill(pid, "SIGKILL")))
      )
      yield* first.kill
      yield* gone(pids, "20 seconds")

      // Without the provisioning file: what it knows now, it knows from its folder.
      const second = yield* HubProcess.make({ folder, settings })
      assert.strictEqual(second.stdout(), `mcphub listening on ${second.url}\n`)
      for (const user of users) {
        assert.strictEqual(yield* tokenSeenBy(yield* connect(second, user)), user.token)
      }
      assert.strictEqual(yield* second.terminate, 0)
      const tables = yield* dump(second.dataDir)
      assert.match(tables.get("mcphub_keys") ?? "", /"keyValue":"sha256:[0-9a-f]{64}"/)
      for (const [table, rows] of tables) assert.deepStrictEqual(canaries.foundIn(rows), [], table)
      assert.deepStrictEqual(canaries.filesWith(second.dataDir), [])
      for (const hub of [first, second]) assert.deepStrictEqual(canaries.foundIn(hub.stdout() + hub.stderr()), [])
    }).pipe(Effect.scoped),
  patience
)

it.live(
  "B25: SIGTERM under load loses no answer: what was accepted is answered, what comes later is refused with 503",
  () =>
    Effect.gen(function* () {
      const users = makeUsers(Canaries.make())
      const release = yield* Deferred.make<void>()
      const waitingCalls = yield* Queue.unbounded<ScriptedCall>()
      const held = (call: ScriptedCall) => {
        Queue.offerUnsafe(waitingCalls, call)
        return Effect.runPromise(
          Effect.map(Deferred.await(release), () => call.content({ text: String(call.arguments["text"]) }))
        )
      }
      const web = yield* ScriptedHttpUpstream.make({ tools: { held } })
      const hub = yield* HubProcess.make({
        settings: {
          mcpServers: { web: { url: web.url, isolation: "session" }, proc: ScriptedStdioUpstream.config() }
        },
        provision: provision(users)
      })
      const clients = yield* Effect.forEach(
        users.flatMap((user) => [user, user, user]),
        (user, index) => Effect.map(connect(hub, user), (client) => ({ client, name: `${user.username} ${index}` }))
      )
      const streams = yield* Effect.forEach(clients, ({ client }) => client.stream)
      const pids = yield* Effect.forEach(clients, ({ client }) => Effect.map(pidsOf(client), ({ pid }) => pid))
      assert.lengthOf(new Set(pids), clients.length)

      const waiting = yield* Effect.forkChild(
        Effect.forEach(
          clients.flatMap(({ client, name }) => numbers(10).map((index) => ({ client, text: `${name} ${index}` }))),
          ({ client, text }) => Effect.map(client.callTool("web-held", { text }), (answer) => ({ answer, text })),
          { concurrency: "unbounded" }
        )
      )
      // Callers who come again at once after every answer, until the hub refuses.
      const busy = yield* Queue.unbounded<string>()
      const working = yield* Effect.forkChild(
        Effect.forEach(
          clients,
          ({ client, name }) =>
            Effect.gen(function* () {
              for (let round = 0; ; round++) {
                const text = `${name} round ${round}`
                const answer = yield* Effect.result(client.callTool("proc-echo", { text }))
                if (answer._tag === "Failure") return { refused: answer.failure, answered: round }
                assert.deepStrictEqual(answer.success, { value: text })
                if (round === 0) Queue.offerUnsafe(busy, name)
              }
            }),
          { concurrency: "unbounded" }
        )
      )
      yield* Queue.takeN(waitingCalls, 60)
      yield* Queue.takeN(busy, clients.length)
      yield* hub.beginTerminate
      const worked = yield* Fiber.join(working)
      for (const { refused } of worked) assert.strictEqual(refused.status, 503)
      assert.isTrue(isAlive(hub.pid))
      yield* Deferred.succeed(release, undefined)
      const answers = yield* Fiber.join(waiting)
      assert.lengthOf(answers, 60)
      for (const { answer, text } of answers) assert.deepStrictEqual(answer, { text })

      yield* Effect.forEach(streams, ({ ended }) => ended, { concurrency: "unbounded" })
      assert.strictEqual(yield* hub.terminate, 0)
      assert.deepStrictEqual(pids.filter(isAlive), [])
      assert.strictEqual(web.sessions.size, 0)
      const completed = (target: string) =>
        hub.log().filter((line) => line["target"] === target && line["outcome"] === "completed").length
      assert.strictEqual(completed("web-held"), 60)
      assert.strictEqual(
        completed("proc-echo"),
        worked.reduce((sum, { answered }) => sum + answered, 0)
      )
    }).pipe(Effect.scoped),
  patience
)

/** The answer to a call, of which nothing has been read yet. */
const unread = (hub: HubProcess.HubProcess, headers: Readonly<Record<string, string>>, letter: string) =>
  Effect.callback<IncomingMessage>((resume) => {
    const asked = request(hub.url, { method: "POST", headers, agent: false }, (answer) =>
      resume(Effect.succeed(answer))
    )
    asked.end(
      JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "web-large", arguments: { letter } }
      })
    )
  })

/** All of it, or what there was when the connection was cut. */
const read = (answer: IncomingMessage): Effect.Effect<{ readonly whole: boolean; readonly text: string }> =>
  Effect.callback((resume) => {
    let text = ""
    answer.setEncoding("latin1").on("data", (chunk: string) => (text += chunk))
    answer.on("error", () => {})
    answer.on("close", () => resume(Effect.succeed({ whole: answer.complete, text })))
  })

it.live(
  "B25: SIGTERM waits for large answers that clients are still reading, each user's own",
  () =>
    Effect.gen(function* () {
      const size = 12_000_000
      const users = makeUsers(Canaries.make())
      const web = yield* ScriptedHttpUpstream.make({
        tools: {
          large: (call) => call.content({ text: String(call.arguments["letter"]).repeat(size) })
        }
      })
      const hub = yield* HubProcess.make({
        settings: { mcpServers: { web: { url: web.url } } },
        provision: provision(users)
      })
      const answers = yield* Effect.forEach(users, (user) =>
        Effect.flatMap(connect(hub, user), ({ headers }) => unread(hub, headers, user.username.charAt(0)))
      )
      yield* hub.beginTerminate
      // The hub has nothing left to do but to wait for the two. One that does not wait has gone, and tells no gauges.
      yield* eventually(hub.gauges, (gauges) => (gauges.get("mcphub_sessions") ?? 0) === 0)
      assert.isFalse(hub.hasEnded())
      const [ada, bo] = yield* Effect.all(answers.map(read), { concurrency: "unbounded" })
      assert.deepStrictEqual([ada!.whole, bo!.whole], [true, true])
      for (const [own, { text }, other] of [
        ["a", ada!, "b"],
        ["b", bo!, "a"]
      ] as const) {
        assert.include(text, own.repeat(size))
        assert.notInclude(text, other.repeat(100))
      }
      assert.strictEqual(yield* hub.terminate, 0)
    }).pipe(Effect.scoped),
  patience
)
