import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createConnection } from "node:net"
import { Readable } from "node:stream"
import { gzipSync } from "node:zlib"
import { type RawHttp, ScriptedHttpUpstream, TestHub } from "../../../src/testkit/index.ts"

const start = Effect.fnUntraced(function* (maxBodyBytes?: number) {
  const upstream = yield* ScriptedHttpUpstream.make()
  const hub = yield* TestHub.make({
    servers: { files: { url: upstream.url } },
    ...(maxBodyBytes === undefined ? {} : { config: { maxBodyBytes } })
  })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  const post = (body: RawHttp.RawRequest["body"], headers: Record<string, string> = {}) =>
    hub.http.send({ path: "/mcp", headers: { ...ada.headers, ...headers }, body })
  return { upstream, hub, ada, bo, post }
})

const errorOf = (answer: RawHttp.RawAnswer) =>
  JSON.parse(answer.text) as { id: unknown; error: { code: number; data: any } }

describe("the body of a POST", () => {
  it.live("A23: is JSON in name and accepts both kinds of answer, or is refused with 415 and 406", () =>
    Effect.gen(function* () {
      const { post } = yield* start()
      const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""]) {
        assert.strictEqual((yield* post(ping, { "content-type": type })).status, 415, type)
      }
      assert.strictEqual((yield* post(ping, { "content-encoding": "gzip" })).status, 415)
      for (const accept of ["text/html", "application/json", "text/event-stream"]) {
        assert.strictEqual((yield* post(ping, { accept })).status, 406, accept)
      }
      for (const accept of ["*/*", "application/json, text/event-stream;q=0.5", "application/*, text/*"]) {
        assert.strictEqual(
          (yield* post(ping, { accept, "content-type": "Application/JSON; charset=utf-8" })).status,
          200
        )
      }
    })
  )

  it.live("A20: is refused with 413 beyond the limit, by its declared length or as soon as a chunk goes over it", () =>
    Effect.gen(function* () {
      const { bo, post } = yield* start(64 * 1024)
      const declared = yield* post("x".repeat(64 * 1024 + 1))
      assert.strictEqual(declared.status, 413)
      assert.strictEqual(errorOf(declared).error.data.kind, "body_too_large")
      let sent = 0
      const flood = async function* () {
        // Far more than the limit and both sockets' buffers: only a hub that reads on lets this come to its end.
        for (; sent < 4096; sent++) {
          yield new Uint8Array(64 * 1024).fill(0x20)
        }
      }
      const chunked = yield* post(flood())
      assert.strictEqual(chunked.status, 413)
      assert.isBelow(sent, 512)
      const bomb = gzipSync(new Uint8Array(64 * 1024 * 1024), { level: 9 })
      const packed = yield* post(bomb.subarray(0, 60 * 1024), { "content-encoding": "gzip" })
      assert.strictEqual(packed.status, 415)
      const fits = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"pad":"${"x".repeat(60 * 1024)}"}}`
      assert.strictEqual((yield* post(fits)).status, 200)
      assert.deepStrictEqual(yield* bo.request("ping"), {})
    })
  )

  it.live("A20: that goes on after the answer is taken in up to a bound, and then the connection ends", () =>
    Effect.gen(function* () {
      const { ada, bo, hub } = yield* start(64 * 1024)
      const { hostname, port } = new URL(hub.url)
      const pushed = yield* Effect.callback<{ readonly bytes: number; readonly answer: string }>((resume) => {
        const socket = createConnection(Number(port), hostname)
        const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(0x10000, 0x20), Buffer.from("\r\n")])
        let answer = ""
        const push = () => {
          while (!socket.destroyed && socket.write(chunk));
        }
        socket.setEncoding("latin1").on("data", (text: string) => (answer += text))
        socket.on("error", () => {})
        socket.on("drain", push)
        socket.on("close", () => resume(Effect.succeed({ bytes: socket.bytesWritten - socket.writableLength, answer })))
        const headers = Object.entries({ ...ada.headers, host: "127.0.0.1", "transfer-encoding": "chunked" })
        socket.write(`POST /mcp HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`)
        push()
      })
      assert.match(pushed.answer, /^HTTP\/1.1 413 /)
      // The limit, what is taken in afterwards, and the buffers of two sockets.
      assert.isBelow(pushed.bytes, 16 * 1024 * 1024)
      assert.deepStrictEqual(yield* bo.request("ping"), {})
    })
  )

  it.live("A20: may come in many little chunks; beyond a hundred thousand it is refused with the reason", () =>
    Effect.gen(function* () {
      const { bo, post } = yield* start()
      const text = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"pad":"${"x".repeat(110_000)}"}}`
      const body = Buffer.from(text)
      /** So many bytes one by one, and then the rest. */
      const inChunks = function* (little: number) {
        for (let at = 0; at < little; at++) yield body.subarray(at, at + 1)
        yield body.subarray(little)
      }
      const sent = (little: number) => post(Readable.from(inChunks(little), { objectMode: true }))
      assert.strictEqual((yield* sent(99_000)).status, 200)
      const refused = yield* sent(105_000)
      assert.strictEqual(refused.status, 400)
      const { error } = errorOf(refused)
      assert.strictEqual(error.data.kind, "too_many_chunks")
      assert.match(JSON.stringify(error), /more than 100000 chunks; send it in larger ones/)
      assert.deepStrictEqual(yield* bo.request("ping"), {})
    })
  )

  it.live("A21: that is no JSON in UTF-8, nested too deep, too wide or names __proto__ is a parse error", () =>
    Effect.gen(function* () {
      const { bo, hub, post } = yield* start()
      const deep = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}}`
      const wide = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{${Array.from({ length: 250_000 }, (_, i) => `"${i}":0`).join(",")}}}`
      const bodies: Record<string, string | Uint8Array> = {
        empty: "",
        garbage: "not json",
        half: '{"jsonrpc":"2.0","id":1,',
        deep,
        unclosed: "[".repeat(100_000),
        wide,
        empties: `[${"{},".repeat(200_000)}0]`,
        escaped: '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"\\u005f_pr\\u006Fto__":{"polluted":true}}}',
        proto: '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"__proto__":{"polluted":true}}}',
        utf8: new Uint8Array([0x22, 0xff, 0xfe, 0x22])
      }
      for (const [name, body] of Object.entries(bodies)) {
        const answer = yield* post(body)
        assert.strictEqual(answer.status, 400, name)
        const { error, id } = errorOf(answer)
        assert.deepStrictEqual([id, error.code], [null, -32700], name)
      }
      assert.isUndefined(({} as { polluted?: boolean }).polluted)
      assert.strictEqual(
        (yield* hub.http.send({ path: "/mcp", headers: bo.headers, body: bodies["proto"] })).status,
        400
      )
      assert.deepStrictEqual(yield* bo.request("ping"), {})
    })
  )

  it.live("A21: keeps what JSON allows: lone surrogates, huge numbers and the word __proto__ as a value", () =>
    Effect.gen(function* () {
      const { ada } = yield* start()
      const echoed = yield* ada.callTool("files-echo", { text: "__proto__", lone: "\ud800", big: 1e308 })
      assert.deepStrictEqual(echoed, { text: "__proto__", lone: "\ud800", big: 1e308 })
    })
  )

  it.live(
    "A22: needs an id that is a short text or an integer; a valid one is echoed with the error, any other is not",
    () =>
      Effect.gen(function* () {
        const { post, upstream } = yield* start()
        for (const id of ["null", "{}", "[1]", "true", "1e308", `"${"x".repeat(1024 * 1024)}"`]) {
          const answer = yield* post(
            `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"files-echo"}}`
          )
          assert.strictEqual(answer.status, 400, id.slice(0, 20))
          const { error, id: echoed } = errorOf(answer)
          assert.deepStrictEqual([echoed, error.code], [null, -32600])
          assert.isBelow(answer.text.length, 1_000)
        }
        const invalid = [
          '{"id":7,"method":"ping"}',
          '{"jsonrpc":"1.0","id":7,"method":"ping"}',
          '{"jsonrpc":"2.0","id":7,"method":5}',
          '{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}',
          '{"jsonrpc":"2.0","id":7}'
        ]
        for (const body of invalid) {
          const answer = yield* post(body)
          assert.deepStrictEqual(
            [answer.status, errorOf(answer).id, errorOf(answer).error.code],
            [400, 7, -32600],
            body
          )
        }
        for (const body of ["5", "null", '"text"']) assert.strictEqual(errorOf(yield* post(body)).error.code, -32600)
        assert.strictEqual(upstream.calls("tools/call").length, 0)
      })
  )
})
