import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { connect } from "node:net"
import { TestHub } from "../../../src/testkit/index.ts"

interface Refusal {
  readonly name: string
  readonly lines: ReadonlyArray<string>
  readonly status: number
}

const chunk = Buffer.alloc(16 * 1024, "x")

/**
 * A client that writes all of its body before it looks at anything, a piece at a time, as a slow line makes it; the whole
 * answer, or how the connection broke.
 */
const writeThenRead = (url: URL, lines: ReadonlyArray<string>, pieces: number, isChunked: boolean) =>
  Effect.callback<string>((resume) => {
    const socket = connect(Number(url.port), url.hostname)
    let text = ""
    let left = pieces
    socket.setEncoding("latin1")
    socket.on("data", (data) => (text += data))
    socket.on("error", (error) => resume(Effect.succeed(`broken: ${error.message} after ${text}`)))
    socket.on("close", () => resume(Effect.succeed(text)))
    const length = isChunked ? "transfer-encoding: chunked" : `content-length: ${pieces * chunk.length}`
    socket.write([...lines, `host: ${url.host}`, "connection: close", length, "", ""].join("\r\n"))
    const next = () => {
      if (left-- === 0) return void (isChunked && socket.write("0\r\n\r\n"))
      if (isChunked) socket.write(`${chunk.length.toString(16)}\r\n`)
      socket.write(chunk)
      if (isChunked) socket.write("\r\n")
      if (left % 8 === 0) setTimeout(next, 5)
      else setImmediate(next)
    }
    next()
    return Effect.sync(() => socket.destroy())
  })

describe("a body that is refused while its client still writes", () => {
  for (const isChunked of [true, false]) {
    it.live(
      `field B7: is read to its end, so that the client reads why, ${isChunked ? "chunked" : "with a length"}`,
      () =>
        Effect.gen(function* () {
          const hub = yield* TestHub.make({ config: { maxBodyBytes: 16 * 1024 } })
          const url = new URL(hub.url)
          const post = "POST /mcp HTTP/1.1"
          const json = "content-type: application/json"
          const key = (user: typeof hub.ada) => `authorization: Bearer ${Redacted.value(user.key)}`
          const refusals: ReadonlyArray<Refusal> = [
            { name: "no key", lines: [post, json], status: 401 },
            { name: "no place", lines: ["POST /mcp/nowhere HTTP/1.1", json, key(hub.ada)], status: 404 },
            { name: "no JSON", lines: [post, "content-type: text/plain", key(hub.ada)], status: 415 },
            { name: "too large", lines: [post, json, key(hub.bo)], status: 413 },
            { name: "foreign", lines: [post, json, "origin: https://evil.example"], status: 403 },
            { name: "no sign-in", lines: ["POST /register HTTP/1.1", json], status: 400 }
          ]
          for (const { lines, name, status } of refusals) {
            for (const pieces of [2, 40, 128]) {
              const text = yield* writeThenRead(url, lines, pieces, isChunked)
              assert.match(text, new RegExp(`^HTTP/1.1 ${status} `), `${name}, ${pieces} pieces`)
              assert.match(text, /\}$|\}\r\n0\r\n\r\n$/, `${name}, ${pieces} pieces`)
            }
          }
        })
    )
  }

  it.live(
    "field B7: is not read for ever: beyond the bounds the connection ends, and others are served meanwhile",
    () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make({ config: { maxBodyBytes: 16 * 1024 } })
        const bo = yield* hub.connect(hub.bo)
        const endless = yield* Effect.forkChild(
          writeThenRead(new URL(hub.url), ["POST /mcp HTTP/1.1", "content-type: application/json"], 100_000, true)
        )
        for (let call = 0; call < 20; call++) assert.deepStrictEqual(yield* bo.request("ping"), {})
        // 1.6 GB, of which the hub takes a small part.
        const text = yield* Fiber.join(endless)
        assert.match(text, /^broken|^HTTP\/1.1 401 /)
      })
  )
})
