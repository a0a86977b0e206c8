/** The part of a stream that reaches a client on a real connection when the hub writes much of it at once. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { createServer, get, type IncomingMessage } from "node:http"
import { listen, stop } from "../../../src/http/runtime/NodeServer.ts"
import { NodeExchange } from "../../../src/http/runtime/NodeExchange.ts"
import type { WirePieces, WireStream } from "../../../src/http/wire/Wire.ts"

const pieceBytes = 64 * 1024

const piecesOf = (letter: string, bytes: number): WirePieces => ({
  byteLength: bytes,
  *[Symbol.iterator]() {
    const piece = Buffer.alloc(pieceBytes, letter)
    for (let left = bytes; left > 0; left -= pieceBytes) yield piece
  }
})

/** A stream and the client's end of it. */
const connected = Effect.gen(function* () {
  const opened = yield* Deferred.make<WireStream>()
  const server = createServer((incoming, outgoing) => {
    const stream = new NodeExchange(incoming, outgoing, Effect.runFork).stream()
    stream.write(":\n\n")
    Deferred.doneUnsafe(opened, Effect.succeed(stream))
  })
  const { port } = yield* Effect.acquireRelease(listen(server, "127.0.0.1", 0, 16), () => stop(server))
  const client = yield* Effect.callback<IncomingMessage>((resume) => {
    get({ host: "127.0.0.1", port }, (incoming) => resume(Effect.succeed(incoming)))
  })
  return { client, stream: yield* Deferred.await(opened) }
})

/** All text to the end; "cut" when it broke. */
const read = (client: IncomingMessage): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const chunks: Array<Buffer> = []
    client.on("data", (chunk: Buffer) => void chunks.push(chunk))
    client.on("error", () => resume(Effect.succeed("cut")))
    client.on("end", () => resume(Effect.succeed(Buffer.concat(chunks).toString())))
  })

describe("an event stream", () => {
  it.live("takes many messages at once behind large ones, and the client gets all of them in order", () =>
    Effect.gen(function* () {
      const { client, stream } = yield* connected
      const size = 5 * 1024 * 1024
      const taken = [stream.write(piecesOf("a", size)), stream.write(piecesOf("b", size))]
      for (let small = 0; small < 9; small++) taken.push(stream.write(String(small)))
      stream.end()
      assert.deepStrictEqual(taken, Array(11).fill(true))
      const text = yield* read(client)
      assert.isTrue(text === `:\n\n${"a".repeat(size)}${"b".repeat(size)}012345678`)
    })
  )

  it.live("takes what follows a large text at once, and what follows that", () =>
    Effect.gen(function* () {
      const { client, stream } = yield* connected
      const texts = ["a".repeat(5_000_000), "b", "c".repeat(5_000_000), "d", "e"]
      assert.deepStrictEqual(
        texts.map((text) => stream.write(text)),
        texts.map(() => true)
      )
      stream.end()
      assert.isTrue((yield* read(client)) === `:\n\n${texts.join("")}`)
    })
  )

  it.live("B15: is closed when more than 128 MiB wait behind a large message, however well it is read", () =>
    Effect.gen(function* () {
      const { client, stream } = yield* connected
      const size = 64 * 1024 * 1024
      const taken = Array.from({ length: 7 }, (_, at) => stream.write(piecesOf(String(at), size)))
      assert.deepStrictEqual(taken, [true, true, true, false, false, false, false])
      assert.strictEqual(yield* read(client), "cut")
    })
  )

  it.live(
    "B15: is closed when more than 16 MiB of texts wait behind a large message, unless it is read meanwhile",
    () =>
      Effect.gen(function* () {
        const { client, stream } = yield* connected
        const text = "x".repeat(1024 * 1024)
        const taken = Array.from({ length: 40 }, () => stream.write(text))
        assert.strictEqual(taken.indexOf(false), 18)
        assert.strictEqual(yield* read(client), "cut")
      })
  )
})
