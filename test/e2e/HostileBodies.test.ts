/**
 * Bodies as large as the real hub takes, many at a time, that never come to their end: each costs what it has sent and
 * no more, whoever sends it and whatever it claims to be packed with.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { gzipSync } from "node:zlib"
import { McpClient, RawHttp } from "../../src/testkit/index.ts"
import { patience } from "../cli/Program.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as RudeClients from "../../src/testkit/RudeClients.ts"

const users = ["ada", "bo"].map((username, index) => ({ username, key: `mcphub_${`${index}hb-`.repeat(10)}` }))

const limit = 4 * 1024 * 1024
const atATime = 24
const mebibyte = 1024 * 1024
/** What the hub allocates besides, between two collections of garbage. */
const slack = 96 * mebibyte

describe("bodies at the limit", () => {
  it.live(
    "A20: many at a time cost no more memory than they are long, packed ones nothing, and bo none of his answers",
    () =>
      Effect.gen(function* () {
        const hub = yield* HubProcess.make({
          settings: { mcpServers: {} },
          provision: { users: users.map(({ key, username }) => ({ username, keys: [{ key }] })) },
          env: { MAX_BODY_BYTES: String(limit) }
        })
        const http = yield* RawHttp.make(hub.origin)
        const connect = ({ key }: { readonly key: string }) => McpClient.connect(http, { key: Redacted.make(key) })
        const [ada, bo] = [yield* connect(users[0]!), yield* connect(users[1]!)]
        const resident = Effect.map(hub.gauges, (values) => values.get("process_resident_memory_bytes")!)
        /** A connection that declares a body of this length, and how to send parts of it. */
        const opened = (length: number, more: Readonly<Record<string, string>> = {}) =>
          Effect.map(RudeClients.socketTo(hub.origin), (socket) => {
            const all = { host: "127.0.0.1", ...ada.headers, ...more, "content-length": String(length) }
            socket.write(
              `POST /mcp HTTP/1.1\r\n${Object.entries(all)
                .map(([name, value]) => `${name}: ${value}\r\n`)
                .join("")}\r\n`
            )
            return socket
          })
        const text = `{"jsonrpc":"2.0","id":7,"method":"ping","params":{"pad":"${"x".repeat(limit - 70)}"}}`
        const body = Buffer.from(text)
        const atOnce = <A, E, R>(one: Effect.Effect<A, E, R>) =>
          Effect.all(
            Array.from({ length: atATime }, () => one),
            { concurrency: "unbounded" }
          )
        /** Everything but the last byte of each, then the last bytes; the most that was seen to be in memory. */
        const bodies = Effect.gen(function* () {
          const sockets = yield* atOnce(opened(body.length))
          const write = (part: Buffer) =>
            Effect.forEach(
              sockets,
              (socket) => Effect.callback<void>((resume) => void socket.write(part, () => resume(Effect.void))),
              { concurrency: "unbounded", discard: true }
            )
          yield* write(body.subarray(0, -1))
          assert.deepStrictEqual(yield* bo.request("ping"), {})
          const whileHeld = yield* resident
          yield* write(body.subarray(-1))
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
            Effect.flatMap(opened(bomb.length, { "content-encoding": "gzip" }), (socket) => {
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
})
