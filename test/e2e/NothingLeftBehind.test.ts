/**
 * Clients that leave without a word: a while later everything the hub held for them is gone, down to the last fiber,
 * socket, descriptor and process.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Schedule } from "effect"
import { connect as connectSocket, type Socket } from "node:net"
import {
  McpClient,
  RawHttp,
  type ScriptedHttp,
  ScriptedHttpUpstream,
  ScriptedStdioUpstream
} from "../../src/testkit/index.ts"
import { patience } from "../cli/support/Program.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as ProcessTable from "../support/ProcessTable.ts"
import * as Programs from "../support/Programs.ts"

const users = Array.from({ length: 40 }, (_, index) => ({
  username: `user-${index}`,
  key: `mcphub_${`${index + 10}--`.repeat(8)}`
}))

/** Milliseconds after which a call ends whose client is gone: a broken connection does not cancel. */
const timeoutMs = 6_000

const gauges = [
  "mcphub_sessions",
  "mcphub_fibers",
  "mcphub_client_sockets",
  "mcphub_upstream_sockets",
  "mcphub_children",
  "mcphub_streams",
  "mcphub_requests_in_flight"
]

type State = Readonly<Record<string, number>>

interface Running {
  readonly hub: HubProcess.HubProcess
  readonly web: ScriptedHttp
  /** What the hub holds now. */
  readonly state: Effect.Effect<State>
  /** What it held after its first session had ended. */
  readonly idle: State
}

class Hub extends Context.Service<Hub, Running>()("mcphub/test/e2e/NothingLeftBehind") {
  static readonly layer = Layer.effect(
    Hub,
    Effect.gen(function* () {
      const web = yield* ScriptedHttpUpstream.make({ tools: { hang: () => {} } })
      const pooled = yield* ScriptedHttpUpstream.make({ sessions: false, stream: false })
      const hub = yield* HubProcess.make({
        settings: {
          mcpServers: {
            web: { url: web.url, isolation: "session" },
            pooled: { url: pooled.url, isolation: "user" },
            proc: ScriptedStdioUpstream.config()
          }
        },
        provision: HubProcess.withKeys(users),
        env: {
          SESSION_IDLE_MS: "3000",
          REQUEST_TIMEOUT: String(timeoutMs),
          MAX_SESSIONS_PER_USER: "1000",
          LOG_REQUESTS: "errors"
        }
      })
      // The system first: a socket of the scrape itself may still be closing right after it.
      const state = Effect.suspend(() => {
        const system = ProcessTable.isKnown
          ? {
              "child processes": ProcessTable.childrenOf(hub.pid).length,
              "sockets and pipes": ProcessTable.connectionsOf(hub.pid)
            }
          : {}
        return Effect.map(hub.gauges, (values): State => ({
          ...Object.fromEntries(gauges.map((name) => [name, values.get(name) ?? Number.NaN])),
          ...system
        }))
      })
      // One session that uses everything once, so that what the hub makes only at need has been made.
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* McpClient.connect(yield* RawHttp.make(hub.origin), keyOf(users[0]!))
          yield* client.callTool("web-echo")
          yield* client.callTool("pooled-echo")
          yield* client.callTool("proc-echo")
          assert.strictEqual(yield* client.end, 204)
        })
      )
      // Idle is when nothing has changed for so long that even a deadline of the last request has passed.
      let last = ""
      let since = performance.now()
      const isSettled = () => performance.now() - since > timeoutMs + 1_000
      const idle = yield* eventually(
        state,
        (now) => {
          const text = JSON.stringify(now)
          if (text !== last) since = performance.now()
          last = text
          return isSettled() && now["mcphub_sessions"] === 0
        },
        { deadline: "40 seconds" }
      )
      assert.isTrue(isSettled(), "an idle hub does not come to rest")
      assert.include(idle, { mcphub_sessions: 0, mcphub_children: 0, mcphub_upstream_sockets: 0, mcphub_streams: 0 })
      assert.isAbove(idle["mcphub_fibers"]!, 0)
      for (const [name, value] of Object.entries(idle)) assert.isTrue(Number.isFinite(value), `no value for ${name}`)
      return { hub, web, state, idle }
    })
  )
}

const keyOf = ({ key }: { readonly key: string }) => ({ key: Redacted.make(key) })

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** A new session; the users take turns. */
const connected = (http: RawHttp.RawHttp, index: number) => McpClient.connect(http, keyOf(users[index % users.length]!))

const call = (name: string) =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: {} } })

/** A request on a socket of its own, which the caller may tear down. */
const rawRequest = (hub: HubProcess.HubProcess, client: McpClient.McpClient, method: string, body = "") =>
  Effect.callback<Socket>((resume) => {
    const { host, hostname, port } = new URL(hub.origin)
    const socket = connectSocket(Number(port), hostname, () => {
      const headers = { ...client.headers, host, "content-length": String(Buffer.byteLength(body)) }
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(`${method} ${client.path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`)
      if (method === "POST") resume(Effect.succeed(socket))
    })
    socket.on("error", () => {})
    // A stream is open when its first bytes are here.
    socket.once("data", () => resume(Effect.succeed(socket)))
  })

const allBack = (running: Running) =>
  Effect.map(
    eventually(running.state, (now) => JSON.stringify(now) === JSON.stringify(running.idle), {
      deadline: "40 seconds"
    }),
    (now) => assert.deepStrictEqual(now, running.idle)
  )

layer(Hub.layer, { excludeTestServices: true, timeout: patience })("nothing is left behind", (it) => {
  it.effect(
    "defects 10, 19, 33, 34: by 2000 sessions whose clients never came back",
    () =>
      Effect.gen(function* () {
        const running = yield* Hub
        const { hub, web } = running
        let most: State = {}
        const watch = running.state.pipe(
          Effect.map((now) => {
            most = Object.fromEntries(
              Object.entries(now).map(([name, value]) => [name, Math.max(value, most[name] ?? 0)])
            )
          }),
          Effect.repeat(Schedule.spaced("200 millis"))
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Effect.forkScoped(watch)
            const http = yield* RawHttp.make(hub.origin)
            yield* Effect.forEach(
              numbers(2000),
              (index) =>
                Effect.gen(function* () {
                  const client = yield* connected(http, index)
                  if (index % 5 === 0) yield* client.callTool("web-echo")
                  if (index % 7 === 0) yield* client.callTool("pooled-echo")
                  if (index % 100 === 0) yield* client.callTool("proc-echo")
                  if (index % 25 === 0) yield* client.stream
                }),
              { concurrency: 24, discard: true }
            )
          })
        )
        assert.isAbove(most["mcphub_sessions"]!, 100)
        assert.isAbove(most["mcphub_children"]!, 0)
        assert.isAbove(most["mcphub_streams"]!, 0)
        yield* allBack(running)
        assert.isAtLeast(web.calls("initialize").length, 400)
        assert.strictEqual(web.sessions.size, 0)
        assert.strictEqual(web.sockets().open, 0)
      }),
    patience
  )

  it.effect(
    "by 200 clients killed in the middle of a call or of their event stream, twenty of them real processes",
    () =>
      Effect.gen(function* () {
        const running = yield* Hub
        const { hub, web } = running
        const before = web.calls("notifications/cancelled").length
        yield* Effect.scoped(
          Effect.gen(function* () {
            const http = yield* RawHttp.make(hub.origin)
            const calledBy = (name: string) =>
              web.await(({ body }) => (body?.params?.["arguments"] as { client?: string } | undefined)?.client === name)
            yield* Effect.forEach(
              users.slice(0, 20),
              ({ key, username }) =>
                Effect.gen(function* () {
                  const args = [hub.url, key, "web-hang", username]
                  const process = yield* Programs.run("test/e2e/programs/hanging-client.mjs", args)
                  yield* calledBy(username)
                  assert.strictEqual(process.exitCode, null)
                  // The end of its scope kills the process.
                }).pipe(Effect.scoped),
              { concurrency: 5, discard: true }
            )
            const streams = yield* Effect.forEach(
              numbers(90),
              (index) => Effect.flatMap(connected(http, index), (client) => rawRequest(hub, client, "GET")),
              { concurrency: 16 }
            )
            // A call that waits ends with the time limit, so all of these come at once.
            const calls = yield* Effect.forEach(
              numbers(90),
              (index) =>
                Effect.flatMap(connected(http, index), (client) =>
                  rawRequest(hub, client, "POST", call(index % 10 === 0 ? "proc-hang" : "web-hang"))
                ),
              { concurrency: 90 }
            )
            const busy = yield* eventually(running.state, (now) => now["mcphub_requests_in_flight"]! >= 90)
            assert.isAtLeast(busy["mcphub_requests_in_flight"]!, 90)
            assert.isAtLeast(busy["mcphub_streams"]!, 90)
            for (const socket of [...streams, ...calls]) socket.destroy()
          })
        )
        yield* allBack(running)
        assert.strictEqual(web.sessions.size, 0)
        assert.strictEqual(web.sockets().open, 0)
        // Each upstream call that nobody waited for any longer was called off.
        assert.isAtLeast(web.calls("notifications/cancelled").length - before, 100)
      }),
    patience
  )
})
