/**
 * Failing clients and surroundings in front of the real hub: a client's fault costs that client alone, and when the
 * machine lacks something, the hub rejects requests with a status that says when to come back.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import type { Socket } from "node:net"
import process from "node:process"
import {
  McpClient,
  RawHttp,
  type ScriptedCall,
  ScriptedHttpUpstream,
  ScriptedStdioUpstream
} from "../../src/testkit/index.ts"
import { patience } from "../cli/support/Program.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as ProcessTable from "../support/ProcessTable.ts"
import * as RudeClients from "../../src/testkit/RudeClients.ts"

const users = ["ada", "bo"].map((username, index) => ({ username, key: `mcphub_${`${index}cf-`.repeat(10)}` }))
const keyOf = (index: number) => ({ key: Redacted.make(users[index]!.key) })

const start = Effect.fnUntraced(function* (options: HubProcess.HubProcessOptions = {}) {
  const web = yield* ScriptedHttpUpstream.make({
    tools: { big: (call) => call.content({ text: "x".repeat(8_000_000) }) }
  })
  const hub = yield* HubProcess.make({
    settings: { mcpServers: { web: { url: web.url, isolation: "session" } } },
    provision: HubProcess.withKeys(users),
    ...options,
    env: { LOG_REQUESTS: "errors", ...options.env }
  })
  const http = yield* RawHttp.make(hub.origin)
  return { web, hub, http, connect: (index: number) => McpClient.connect(http, keyOf(index)) }
})

/** Seconds of processor time a process has used; 0 where the system does not tell. */
const processorSeconds = (pid: number): number => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ")
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}

const unread = (client: McpClient.McpClient) => ({
  method: "GET",
  path: "/mcp",
  headers: { ...client.headers, accept: "text/event-stream" }
})

describe("a client that never reads", () => {
  it.live(
    "B15: loses its event stream at the bound, the session and everybody else's streams go on",
    () =>
      Effect.gen(function* () {
        // Both hear so much that the hub would read it with pauses, and only then find out who does not listen.
        const { connect, hub, web } = yield* start({ env: { FAIR_SHARE: "0" } })
        const [ada, bo] = [yield* connect(0), yield* connect(1)]
        yield* Effect.all([ada.callTool("web-echo"), bo.callTool("web-echo")])
        const bosStream = yield* bo.stream
        const before = (yield* hub.gauges).get("process_resident_memory_bytes")!
        const socket = yield* RudeClients.neverReads(hub.origin, unread(ada))
        yield* eventually(hub.gauges, (all) => all.get("mcphub_streams") === 2)
        const open = Effect.map(hub.gauges, (all) => all.get("mcphub_streams"))
        // Each push goes to both sessions' streams, and only bo's is read.
        const message = {
          jsonrpc: "2.0",
          method: "notifications/message",
          params: { level: "info", data: "x".repeat(65_536) }
        }
        let sent = 0
        // Fewer than a server may say at once; bo has read each before the next are sent, however busy the machine is.
        while (sent < 480 && (yield* open) === 2) {
          for (let n = 0; n < 20; n++) web.push(message)
          for (let n = 0; n < 20; n++) assert.deepInclude(yield* bosStream.next, { method: "notifications/message" })
          sent += 20
        }
        // What was sent last may not have arrived yet.
        assert.strictEqual(yield* eventually(open, (streams) => streams === 1), 1)
        const after = (yield* hub.gauges).get("process_resident_memory_bytes")!
        assert.isBelow(after - before, 160 * 1024 * 1024)
        web.push(message)
        assert.deepInclude(yield* bosStream.next, { method: "notifications/message" })
        assert.deepStrictEqual(yield* ada.callTool("web-echo", { still: "here" }), { still: "here" })
        assert.deepStrictEqual(yield* bo.callTool("web-echo", { bo: 1 }), { bo: 1 })
        socket.destroy()
        assert.strictEqual(yield* ada.end, 204)
      }).pipe(Effect.scoped),
    patience
  )
})

describe("a client that reconnects without pause", () => {
  it.live(
    "B16: is told to wait from some number on, costs the hub little, and bo none of his answers",
    () =>
      Effect.gen(function* () {
        const { connect, http, hub } = yield* start()
        const [ada, bo] = [yield* connect(0), yield* connect(1)]
        yield* bo.callTool("web-echo")
        const statuses = new Map<number, number>()
        const reconnect = http
          .send({
            path: "/mcp",
            headers: McpClient.clientHeaders(keyOf(0).key),
            body: JSON.stringify({
              jsonrpc: "2.0",
              id: 1,
              method: "initialize",
              params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "loop", version: "1" } }
            })
          })
          .pipe(
            Effect.tap(({ headers, status }) =>
              Effect.sync(() => {
                statuses.set(status, (statuses.get(status) ?? 0) + 1)
                if (status === 429) assert.match(headers["retry-after"]!, /^[1-9]\d*$/)
              })
            )
          )
        const usedBefore = processorSeconds(hub.pid)
        yield* Effect.all(
          [
            Effect.forEach(Array.from({ length: 3_000 }), () => reconnect, { concurrency: 32, discard: true }),
            // One after the other for as long as they come; each is right.
            Effect.forEach(
              Array.from({ length: 20 }),
              (_, n) => Effect.map(bo.callTool("web-echo", { n }), (echo) => assert.deepStrictEqual(echo, { n })),
              { discard: true }
            )
          ],
          { concurrency: "unbounded" }
        )
        const used = processorSeconds(hub.pid) - usedBefore
        assert.strictEqual(
          [...statuses.values()].reduce((sum, count) => sum + count, 0),
          3_000
        )
        assert.deepStrictEqual(
          [...statuses.keys()].filter((status) => status !== 200 && status !== 429),
          []
        )
        // The burst, and fifty a second after it; never more sessions than a user may have.
        assert.isAtMost(statuses.get(200) ?? 0, 100)
        assert.isAtLeast(statuses.get(429) ?? 0, 2_900)
        // The time the processor worked for it, which does not grow while others use the machine.
        assert.isBelow(used / 3_000, 0.002, `${used} s of processor time`)
        assert.strictEqual((yield* hub.gauges).get("mcphub_sessions"), 101)
        assert.strictEqual(yield* ada.end, 204)
      }).pipe(Effect.scoped),
    patience
  )
})

if (ProcessTable.isKnown) {
  describe("a process with few descriptors", () => {
    it.live(
      "B30: refuses connections beyond them with 503, serves those that stand, and recovers",
      () =>
        Effect.gen(function* () {
          const { connect, hub } = yield* start({ descriptors: 512 })
          const [ada, bo] = [yield* connect(0), yield* connect(1)]
          yield* Effect.all([ada.callTool("web-echo"), bo.callTool("web-echo")])
          const stream = yield* ada.stream
          // Connections that say nothing; the first of them come all at once.
          const sockets: Array<Socket> = []
          const flood = (count: number) =>
            Effect.all(
              Array.from({ length: count }, () =>
                Effect.map(RudeClients.socketTo(hub.origin), (socket) => void sockets.push(socket))
              ),
              { concurrency: "unbounded", discard: true }
            )
          yield* flood(700)
          const probe = { method: "GET", path: "/livez", headers: {} }
          const asked = Effect.flatMap(RudeClients.socketTo(hub.origin), (socket) =>
            Effect.andThen(RudeClients.write(socket, probe), RudeClients.statusLine(socket))
          ).pipe(Effect.scoped)
          const isRefusal = (text: string) => text.startsWith("HTTP/1.1 503 ")
          // Whatever else the hub closes meanwhile leaves room for some more.
          const refused = yield* eventually(Effect.andThen(flood(8), asked), isRefusal)
          assert.match(refused, /^HTTP\/1\.1 503 /)
          // A part is kept for everything but clients.
          assert.isBelow(readdirSync(`/proc/${hub.pid}/fd`).length, 470)
          assert.match(refused, /retry-after: \d+/i)
          // What stood before goes on, on its own connections.
          assert.deepStrictEqual(yield* ada.callTool("web-echo", { still: 1 }), { still: 1 })
          assert.deepStrictEqual(yield* bo.callTool("web-echo", { still: 2 }), { still: 2 })
          for (const socket of sockets) socket.destroy()
          const recovered = yield* eventually(HubProcess.get(`${hub.origin}/livez`), ({ status }) => status === 200)
          assert.strictEqual(recovered.status, 200)
          yield* stream.abandon
          assert.strictEqual(yield* (yield* connect(1)).end, 204)
        }).pipe(Effect.scoped),
      patience
    )
  })
}

if (existsSync("/dev/full")) {
  describe("a full disk under the log", () => {
    it.live(
      "B31: costs log lines, which are counted, and no request",
      () =>
        Effect.gen(function* () {
          const { connect, hub } = yield* start({ stderr: "/dev/full", env: { LOG_REQUESTS: "all" } })
          const [ada, bo] = [yield* connect(0), yield* connect(1)]
          for (let n = 0; n < 20; n++) {
            assert.deepStrictEqual(yield* ada.callTool("web-echo", { n }), { n })
            assert.deepStrictEqual(yield* bo.callTool("web-echo", { n, of: "bo" }), { n, of: "bo" })
          }
          const all = yield* eventually(hub.gauges, (values) => (values.get("mcphub_log_lines_lost_total") ?? 0) >= 40)
          assert.isAtLeast(all.get("mcphub_log_lines_lost_total")!, 40)
          assert.strictEqual(yield* hub.terminate, 0)
        }).pipe(Effect.scoped),
      patience
    )
  })
}

describe("a process that stands still", () => {
  it.live(
    "B28: for two seconds gives no call up whose answer has come meanwhile",
    () =>
      Effect.gen(function* () {
        const held: Array<ScriptedCall> = []
        const web = yield* ScriptedHttpUpstream.make({ tools: { hold: (call) => void held.push(call) } })
        const hub = yield* HubProcess.make({
          settings: { mcpServers: { web: { url: web.url } } },
          provision: HubProcess.withKeys(users),
          env: { REQUEST_TIMEOUT: "3000", LIST_TIMEOUT: "1500" }
        })
        const http = yield* RawHttp.make(hub.origin)
        const [ada, bo] = yield* Effect.forEach([0, 1], (index) => McpClient.connect(http, keyOf(index)))
        yield* Effect.forEach([ada!, bo!], (client) => Effect.retry(client.callTool("web-echo"), { times: 10 }))
        const calls = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? ada! : bo!).callTool("web-hold", { n })),
            { concurrency: "unbounded" }
          )
        )
        yield* eventually(
          Effect.sync(() => held.length),
          (count) => count === 20,
          { every: "10 millis" }
        )
        // The stall is the fault itself: it begins before their time is over and ends after.
        yield* Effect.sleep("1500 millis")
        process.kill(hub.pid, "SIGSTOP")
        for (const call of held) call.content(call.arguments)
        yield* Effect.sleep("2 seconds")
        process.kill(hub.pid, "SIGCONT")
        const answers = yield* Fiber.join(calls)
        assert.deepStrictEqual(
          answers.map((answer) => answer["n"]),
          Array.from({ length: 20 }, (_, n) => n)
        )
      }).pipe(Effect.scoped),
    patience
  )

  const tools = [{ name: "late", inputSchema: { type: "object" } }]
  const serverInfo = { name: "slow", version: "1" }
  const welcome = { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo }
  for (const { answer, env, method, what } of [
    { what: "connection", method: "initialize", answer: welcome, env: { INIT_TIMEOUT: "1500" } },
    { what: "list", method: "tools/list", answer: { tools }, env: { LIST_TIMEOUT: "1500" } }
  ]) {
    it.live(
      `B28: for two seconds gives no ${what} up for which the server has answered meanwhile`,
      () =>
        Effect.gen(function* () {
          const held: Array<ScriptedCall> = []
          const slow = yield* ScriptedHttpUpstream.make({
            sessions: false,
            methods: {
              initialize: (call) => call.result(welcome),
              "tools/list": (call) => call.result({ tools }),
              [method]: (call) => void held.push(call)
            }
          })
          const hub = yield* HubProcess.make({
            settings: { mcpServers: { slow: { url: slow.url, isolation: "session" } } },
            provision: HubProcess.withKeys(users),
            env
          })
          const http = yield* RawHttp.make(hub.origin)
          const clients = yield* Effect.forEach([0, 1], (index) => McpClient.connect(http, keyOf(index)))
          const listing = yield* Effect.forEach(clients, (client) => Effect.forkChild(client.toolNames))
          yield* eventually(
            Effect.sync(() => held.length),
            (count) => count === 2,
            { every: "10 millis" }
          )
          process.kill(hub.pid, "SIGSTOP")
          for (const call of held) call.result(answer)
          yield* Effect.sleep("2 seconds")
          process.kill(hub.pid, "SIGCONT")
          for (const each of listing) assert.deepStrictEqual(yield* Fiber.join(each), ["slow-late"])
        }).pipe(Effect.scoped),
      patience
    )
  }
})

if (ProcessTable.isKnown) {
  describe("an unruly child process", () => {
    it.live(
      "B24, B26: floods, babbles, ignores every sign and forks: its user is served, and all of it goes with the session",
      () =>
        Effect.gen(function* () {
          const script = {
            noise: true,
            floodStderr: 2_000_000,
            ignoreSigterm: true,
            ignoreStdinEnd: true,
            grandchild: true
          }
          const hub = yield* HubProcess.make({
            settings: { mcpServers: { proc: ScriptedStdioUpstream.config(script) } },
            provision: HubProcess.withKeys(users)
          })
          const http = yield* RawHttp.make(hub.origin)
          const [ada, bo] = yield* Effect.forEach([0, 1], (index) => McpClient.connect(http, keyOf(index)))
          const pidsOf = (client: McpClient.McpClient) =>
            Effect.map(client.callTool("proc-pid"), ({ value }) => {
              const { grandchild, pid } = value as { readonly pid: number; readonly grandchild: number }
              return [pid, grandchild]
            })
          const [adas, bos] = [yield* pidsOf(ada!), yield* pidsOf(bo!)]
          assert.strictEqual(new Set([...adas, ...bos]).size, 4)
          const flooded = yield* ada!.callTool("proc-flood", { bytes: 2_000_000 })
          assert.deepStrictEqual(flooded, { value: "flooded" })
          // It exits in the middle of a call: a typed error, and the next call has a new one.
          const failure = yield* Effect.flip(ada!.callTool("proc-exit", { code: 7 }))
          assert.deepInclude(failure.data as object, {
            kind: "outcome_unknown",
            origin: "upstream",
            retryable: false
          })
          yield* ProcessTable.gone(adas, "8 seconds")
          const next = yield* pidsOf(ada!)
          assert.strictEqual(yield* ada!.end, 204)
          yield* ProcessTable.gone(next, "8 seconds")
          assert.deepStrictEqual(yield* pidsOf(bo!), bos)
          // The hub itself is killed: what it started ends all the same.
          yield* hub.kill
          yield* ProcessTable.gone(bos, "8 seconds")
        }).pipe(Effect.scoped),
      patience
    )
  })
}
