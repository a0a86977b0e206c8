/**
 * The soak: users and sessions come and go in front of the real hub, with HTTP and stdio servers behind it and a fault
 * in one of twenty steps, for any length of time. Every request must have exactly one end, no answer may reach anybody
 * else, memory must stay flat after the warm-up, and nothing may remain once all users have left.
 *
 * `npm run soak -- --minutes 60` runs it and prints figures; a short form is a test.
 */
import { Duration, Effect, Redacted, Schedule } from "effect"
import process from "node:process"
import { faults, McpClient, RawHttp, ScriptedHttpUpstream, ScriptedStdioUpstream } from "../../src/testkit/index.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as RudeClients from "../../src/testkit/RudeClients.ts"
import * as Memory from "./Memory.ts"
import { Tally } from "./Tally.ts"

export interface SoakOptions {
  readonly seconds: number
  /** Sessions at work side by side. */
  readonly workers: number
  /** The same seed does the same things in the same order, as far as the network lets it. */
  readonly seed: number
  /** The hub's heap at most, in MiB: with room for gigabytes a runtime collects so rarely that nothing could be seen. */
  readonly heapMiB: number
  /** A database on a PostgreSQL server; default: the embedded one, whose own memory then counts as the hub's. */
  readonly databaseUrl?: string | undefined
  readonly print: (line: string) => void
}

export interface SoakReport {
  /** What is wrong; empty in a sound hub. */
  readonly problems: ReadonlyArray<string>
}

const users = Array.from({ length: 40 }, (_, index) => ({
  username: `user-${index}`,
  key: `mcphub_${`${index + 10}so-`.repeat(8)}`
}))

const faultShare = 0.05
const { huge, late, ...scripts } = faults
const faultTools = { ...scripts, huge: huge(4_000_000), late: late(2_500) }
const faultNames = Object.keys(faultTools)

/** What must be back where it was when everybody has left. */
const gauges = [
  "mcphub_sessions",
  "mcphub_fibers",
  "mcphub_client_sockets",
  "mcphub_upstream_sockets",
  "mcphub_children",
  "mcphub_streams",
  "mcphub_requests_in_flight"
]

/** Mulberry32: small, and good enough to choose by. */
const randomOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
}

export const soak = Effect.fnUntraced(function* (options: SoakOptions) {
  const { print, seconds, seed, workers } = options
  const random = randomOf(seed)
  const pick = <A>(all: ReadonlyArray<A>): A => all[Math.floor(random() * all.length)]!
  const web = yield* ScriptedHttpUpstream.make({ tools: faultTools, keep: 100 })
  const pooled = yield* ScriptedHttpUpstream.make({ sessions: false, stream: false, keep: 100 })
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
      REQUEST_TIMEOUT: "2000",
      INIT_TIMEOUT: "10000",
      MAX_UPSTREAM_BYTES: "1000000",
      MAX_SESSIONS_PER_USER: "1000",
      LOG_REQUESTS: "off",
      NODE_OPTIONS: `--max-old-space-size=${options.heapMiB}`,
      DENO_V8_FLAGS: `--max-old-space-size=${options.heapMiB}`,
      ...(options.databaseUrl === undefined
        ? {}
        : { DATABASE_URL: options.databaseUrl, CREDENTIAL_KEY: "the soak seals for itself and nobody else" })
    }
  })
  const state = Effect.map(hub.gauges, (values) =>
    Object.fromEntries(gauges.map((name) => [name, values.get(name) ?? -1]))
  )
  /** What the hub holds when nothing has changed for a few seconds. */
  const atRest = Effect.suspend(() => {
    let last = ""
    let same = 0
    return eventually(
      state,
      (now) => {
        const text = JSON.stringify(now)
        same = text === last ? same + 1 : 0
        last = text
        return same >= 8 && now["mcphub_sessions"] === 0
      },
      { deadline: "60 seconds", every: "500 millis" }
    )
  })
  const tally = new Tally()
  let sentinels = 0

  /** One call under a sentinel of its own. */
  const call = Effect.fnUntraced(function* (client: McpClient.McpClient, tool: string, user: string) {
    const sentinel = `${user}/${++sentinels}`
    const name = tool.startsWith("proc-") ? "text" : "sentinel"
    const message = {
      jsonrpc: "2.0",
      id: sentinel,
      method: "tools/call",
      params: { name: tool, arguments: { [name]: sentinel } }
    }
    tally.sent++
    const answer = yield* client.open(message)
    tally.answered(sentinel, tool.endsWith("-echo"), answer.status, yield* answer.rest)
  })

  /** A call whose client goes away in the middle. */
  const vanish = Effect.fnUntraced(function* (client: McpClient.McpClient) {
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "web-hang", arguments: {} }
    })
    const socket = yield* RudeClients.socketTo(hub.origin)
    yield* RudeClients.write(socket, { method: "POST", path: "/mcp", headers: client.headers, body })
    tally.vanished++
    socket.destroy()
  }, Effect.scoped)

  const session = Effect.gen(function* () {
    const http = yield* RawHttp.make(hub.origin)
    const { key, username } = pick(users)
    const client = yield* McpClient.connect(http, { key: Redacted.make(key) })
    tally.sessions++
    const usesProcess = random() < 0.1
    const stream = random() < 0.3 ? yield* client.stream : undefined
    const steps = 3 + Math.floor(random() * 8)
    for (let step = 0; step < steps; step++) {
      if (random() >= faultShare) {
        const server = usesProcess && random() < 0.5 ? "proc" : pick(["web", "pooled"])
        yield* call(client, `${server}-echo`, username)
        continue
      }
      tally.faults++
      if (random() < 0.25) yield* vanish(client)
      else if (usesProcess && random() < 0.5) yield* call(client, "proc-exit", username)
      else yield* call(client, `web-${pick(faultNames)}`, username)
    }
    if (stream !== undefined && random() < 0.5) yield* stream.abandon
    // The others leave without a word.
    if (random() < 0.7) yield* client.end
  }).pipe(
    Effect.scoped,
    Effect.catchTag("McpFailure", (failure) => Effect.sync(() => tally.refused(failure)))
  )

  // One session of everything, so that what is made only at need has been made.
  yield* Effect.gen(function* () {
    const client = yield* McpClient.connect(yield* RawHttp.make(hub.origin), { key: Redacted.make(users[0]!.key) })
    for (const server of ["web", "pooled", "proc"]) {
      yield* Effect.retry(client.callTool(`${server}-echo`), { times: 10 })
    }
    yield* client.end
  }).pipe(Effect.scoped)
  const idle = yield* atRest
  print(`at rest before: ${JSON.stringify(idle)}`)

  const samples: Array<Memory.Sample> = []
  const begun = performance.now()
  const sample = Effect.map(hub.gauges, (values) => {
    const bytes = values.get("process_resident_memory_bytes")
    if (bytes !== undefined) samples.push({ seconds: (performance.now() - begun) / 1_000, bytes })
  })
  const report = Effect.sync(() =>
    print(`${Math.round((performance.now() - begun) / 1_000)} s: ${tally.line()}, ${Memory.line(samples)}`)
  )
  const churn = Effect.repeat(session, { while: () => performance.now() - begun < seconds * 1_000 })
  yield* Effect.all(
    Array.from({ length: workers }, () => churn),
    { concurrency: "unbounded", discard: true }
  ).pipe(
    Effect.raceFirst(Effect.repeat(sample, Schedule.spaced("1 second"))),
    Effect.raceFirst(Effect.andThen(Effect.sleep("30 seconds"), report).pipe(Effect.forever)),
    // A call that never ends would hold the soak for ever: it has had its time long before.
    Effect.timeoutOrElse({
      duration: Duration.seconds(seconds + 60),
      orElse: () => Effect.sync(() => tally.problems.push("some calls have never come to an end"))
    })
  )
  const left = yield* atRest
  print(`at rest after:  ${JSON.stringify(left)}`)
  const slope = Memory.slope(samples)
  print(`${tally.line()}; ${Memory.line(samples)}`)
  const problems = [...tally.problems, ...Memory.problems(slope)]
  for (const name of gauges) {
    if (left[name]! > idle[name]!) problems.push(`${name} is ${left[name]} and was ${idle[name]} before`)
  }
  const ended = (yield* hub.gauges).get("mcphub_requests_total") ?? 0
  if (ended < tally.sent) problems.push(`the hub counts ${ended} ended requests of ${tally.sent} sent`)
  const code = yield* hub.terminate
  if (code !== 0) problems.push(`the hub ended with ${code}`)
  for (const problem of problems) print(`PROBLEM: ${problem}`)
  return { problems } satisfies SoakReport
}, Effect.scoped)

/** The time of one run from the command line: `--minutes N`, with `--seed` and `--workers` beside it. */
export const fromArguments = (args: ReadonlyArray<string>): SoakOptions => {
  const number = (flag: string, otherwise: number): number => {
    const at = args.indexOf(flag)
    const value = at === -1 ? otherwise : Number(args[at + 1])
    if (!Number.isFinite(value) || value <= 0) throw new Error(`${flag} needs a number above 0`)
    return value
  }
  return {
    seconds: number("--minutes", 60) * 60,
    workers: number("--workers", 12),
    seed: number("--seed", 1),
    heapMiB: number("--heap", 256),
    databaseUrl: process.env["DATABASE_URL"],
    print: (line) => void process.stdout.write(`${line}\n`)
  }
}
