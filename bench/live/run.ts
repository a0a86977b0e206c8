/**
 * The cost of the live feed: the processor time that a hub with many sessions takes with nobody looking at it, and with
 * somebody who reads the event stream of everybody's things, in turns. Prints a table in Markdown.
 *
 *   node scripts/run.mjs bench:live [--sessions N] [--calls N] [--rounds N]
 *
 * Each second `calls` calls are made, by other sessions each time, so that the deltas have something to tell. The reader
 * is in this process and does nothing with what it reads.
 */
import { parseArgs } from "node:util"
import process from "node:process"
import { Context, Effect, Logger } from "effect"
import { type McpClient, ScriptedHttpUpstream, TestHub } from "../../src/testkit/index.ts"
import { LiveFeed } from "../../src/http/admin/live/LiveFeed.ts"

const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "1000" },
    calls: { type: "string", default: "20" },
    rounds: { type: "string", default: "3" }
  }
})
const [sessions, calls, rounds] = [Number(values.sessions), Number(values.calls), Number(values.rounds)]
const seconds = 10

const measured = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({ keep: 10, stream: false })
  const config = { maxSessionsPerUser: sessions, maxInflightPerUser: sessions }
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "session" } }, config })
  const feed = Context.get(hub.services, LiveFeed)
  const clients: Array<McpClient.McpClient> = []
  for (let n = 0; n < sessions; n++) {
    const client = yield* hub.connect(n % 2 === 0 ? hub.ada : hub.bo)
    yield* client.callTool("files-echo", {})
    clients.push(client)
  }
  let at = 0
  let bytes = 0

  /** Processor time of this process in milliseconds a second. */
  const slice = Effect.gen(function* () {
    const before = process.cpuUsage()
    for (let second = 0; second < seconds; second++) {
      for (let n = 0; n < calls; n++) yield* clients[at++ % sessions]!.callTool("files-echo", {})
      yield* Effect.sleep("1 second")
    }
    const { system, user } = process.cpuUsage(before)
    return (system + user) / 1_000 / seconds
  })

  const looked = Effect.gen(function* () {
    const reader = yield* feed.read(hub.ada.user.id, "everybody")
    yield* reader.next.pipe(
      Effect.tap((text) => Effect.sync(() => (bytes += text.length))),
      Effect.forever,
      Effect.ignore,
      Effect.forkScoped
    )
    return yield* slice
  }).pipe(Effect.scoped)

  yield* looked
  bytes = 0
  const [without, withReader]: [Array<number>, Array<number>] = [[], []]
  for (let round = 0; round < rounds; round++) {
    without.push(yield* slice)
    withReader.push(yield* looked)
  }
  const median = (all: ReadonlyArray<number>): number => all.toSorted((one, other) => one - other)[all.length >> 1]!
  const range = (all: ReadonlyArray<number>): string =>
    `${median(all).toFixed(1)} (${Math.min(...all).toFixed(1)} to ${Math.max(...all).toFixed(1)})`
  const share = (median(withReader) - median(without)) / 10
  console.log(`| ${sessions} sessions, ${calls} calls a second | ms of a core, each second |`)
  console.log("| --- | --- |")
  console.log(`| nobody looks | ${range(without)} |`)
  console.log(`| one reads everybody's things | ${range(withReader)} |`)
  console.log(
    `| difference | ${share.toFixed(1)} % of a core, ${Math.round(bytes / rounds / seconds)} bytes a second |`
  )
}).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

Effect.runPromise(measured).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
