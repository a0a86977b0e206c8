/**
 * Bodies as large as the real hub accepts, many at a time, that never end: each costs what it has sent and no more,
 * whoever sends it and whatever encoding it claims.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import type { Socket } from "node:net"
import process from "node:process"
import { gzipSync } from "node:zlib"
import { McpClient, RawHttp } from "../../src/testkit/index.ts"
import { patience } from "../cli/support/Program.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as RudeClients from "../../src/testkit/RudeClients.ts"

const users = ["ada", "bo"].map((username, index) => ({ username, key: `mcphub_${`${index}hb-`.repeat(10)}` }))

const limit = 4 * 1024 * 1024
const atATime = 24
const mebibyte = 1024 * 1024
/** What the hub allocates besides, between two collections of garbage. */
const slack = 96 * mebibyte

/** A hub with ada, who sends bodies, and bo. */
const start = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>) {
  const hub = yield* HubProcess.make({
    settings: { mcpServers: {} },
    provision: HubProcess.withKeys(users),
    env
  })
  const http = yield* RawHttp.make(hub.origin)
  const connect = ({ key }: { readonly key: string }) => McpClient.connect(http, { key: Redacted.make(key) })
  const [ada, bo] = [yield* connect(users[0]!), yield* connect(users[1]!)]
  /** A connection on which ada has announced a body. */
  const opened = (more: Readonly<Record<string, string>>) =>
    Effect.map(RudeClients.socketTo(hub.origin), (socket) => {
      const lines = Object.entries({ host: "127.0.0.1", ...ada.headers, ...more }).map(
        ([name, value]) => `${name}: ${value}\r\n`
      )
      socket.write(`POST /mcp HTTP/1.1\r\n${lines.join("")}\r\n`)
      return socket
    })
  return { bo, hub, opened }
})

const atOnce = <A, E, R>(one: Effect.Effect<A, E, R>) =>
  Effect.all(
    Array.from({ length: atATime }, () => one),
    { concurrency: "unbounded" }
  )

const writeTo = (sockets: ReadonlyArray<Socket>, part: Buffer): Effect.Effect<void> =>
  Effect.forEach(
    sockets,
    (socket) => Effect.callback<void>((resume) => void socket.write(part, () => resume(Effect.void))),
    { concurrency: "unbounded", discard: true }
  )

describe("bodies at the limit", () => {
  it.live(
    "A20: many at a time cost no more memory than they are long, packed ones nothing, and bo none of his answers",
    () =>
      Effect.gen(function* () {
        const { bo, hub, opened } = yield* start({ MAX_BODY_BYTES: String(limit) })
        const resident = Effect.map(hub.gauges, (values) => values.get("process_resident_memory_bytes")!)
        const text = `{"jsonrpc":"2.0","id":7,"method":"ping","params":{"pad":"${"x".repeat(limit - 70)}"}}`
        const body = Buffer.from(text)
        /** Everything but the last byte of each, then the last bytes; the most that was seen to be in memory. */
        const bodies = Effect.gen(function* () {
          const sockets = yield* atOnce(opened({ "content-length": String(body.length) }))
          // Those whose turn it is not stay in their sockets, and their last bytes behind them.
          const writing = yield* Effect.forkChild(writeTo(sockets, body.subarray(0, -1)))
          assert.deepStrictEqual(yield* bo.request("ping"), {})
          const whileHeld = yield* resident
          yield* Effect.all([Fiber.join(writing), writeTo(sockets, body.subarray(-1))], { concurrency: 2 })
          const answers = yield* Effect.forEach(sockets, RudeClients.statusLine, { concurrency: "unbounded" })
          for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 /)
          return Math.max(whileHeld, yield* resident)
        }).pipe(Effect.scoped)
        // With the first ones the garbage of the start goes, so that it does not hide what they cost.
        for (let n = 0; n < 2; n++) yield* bodies
        const before = yield* resident
        // Once as they came and once as text; the same each time, so that nothing stays.
        for (let n = 0; n < 4; n++) assert.isBelow((yield* bodies) - before, 2 * atATime * limit + slack)

        // Packed a thousandfold, six gigabytes in all: refused by their name, before a byte of them is unpacked.
        const bomb = gzipSync(Buffer.alloc(256 * mebibyte), { level: 9 })
        const unpacked = yield* resident
        const refused = yield* Effect.scoped(
          atOnce(
            Effect.flatMap(opened({ "content-length": String(bomb.length), "content-encoding": "gzip" }), (socket) => {
              socket.write(bomb)
              return RudeClients.statusLine(socket)
            })
          )
        )
        for (const answer of refused) assert.match(answer, /^HTTP\/1\.1 415 /)
        assert.isBelow((yield* resident) - unpacked, slack)
        assert.deepStrictEqual(yield* bo.request("ping"), {})
        const left = yield* eventually(hub.gauges, (values) => values.get("mcphub_client_sockets")! < atATime)
        assert.isBelow(left.get("mcphub_client_sockets")!, atATime)
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "A20: with a byte to a chunk they are held as what they are long, and not as two million objects",
    () =>
      Effect.gen(function* () {
        // What those would take is twice this. Deno itself makes them, before the hub is asked.
        const heap = "deno" in process.versions ? undefined : { NODE_OPTIONS: "--max-old-space-size=144" }
        const { bo, opened } = yield* start({ ...heap })
        const text = `{"jsonrpc":"2.0","id":7,"method":"ping","params":{"pad":"${"x".repeat(90_000)}"}}`
        const chunks = Buffer.from(Array.from(text, (letter) => `1\r\n${letter}\r\n`).join(""))
        const sockets = yield* atOnce(opened({ "transfer-encoding": "chunked" }))
        yield* writeTo(sockets, chunks)
        assert.deepStrictEqual(yield* bo.request("ping"), {})
        yield* writeTo(sockets, Buffer.from("0\r\n\r\n"))
        const answers = yield* Effect.forEach(sockets, RudeClients.statusLine, { concurrency: "unbounded" })
        for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 /)
        assert.deepStrictEqual(yield* bo.request("ping"), {})
      }).pipe(Effect.scoped),
    patience
  )
})
