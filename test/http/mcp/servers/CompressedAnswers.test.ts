/** Servers, or proxies before them, that compress their answers although the hub asks for none of that. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { once } from "node:events"
import type { Transform } from "node:stream"
import * as zlib from "node:zlib"
import { AnswerBytes } from "../../../../src/actors/limits/AnswerBytes.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import type { Script, ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import * as OddServers from "../../support/OddServers.ts"

const packers: Readonly<Record<string, readonly [coding: string, packer: () => Transform]>> = {
  gzip: ["gzip", () => zlib.createGzip()],
  "x-gzip": ["X-GZIP", () => zlib.createGzip()],
  deflate: ["deflate", () => zlib.createDeflate()],
  "deflate without a header": ["deflate", () => zlib.createDeflateRaw()],
  br: ["br", () => zlib.createBrotliCompress()]
}

const whole: Readonly<Record<string, (text: string) => Buffer>> = {
  gzip: (text) => zlib.gzipSync(text),
  "x-gzip": (text) => zlib.gzipSync(text),
  deflate: (text) => zlib.deflateSync(text),
  "deflate without a header": (text) => zlib.deflateRawSync(text),
  br: (text) => zlib.brotliCompressSync(text)
}

/** An answer written through the packer, each part of it flushed on its own. */
const packed =
  (how: string, contentType: string, parts: ReadonlyArray<string>): Script =>
  async ({ response }) => {
    const [coding, packer] = packers[how]!
    response.writeHead(200, { "content-type": contentType, "content-encoding": coding })
    const packing = packer()
    packing.pipe(response)
    for (const part of parts) {
      packing.write(part)
      await new Promise<void>((resolve) => void (packing as zlib.Gzip).flush(() => resolve()))
    }
    packing.end()
    await once(response, "close")
  }

const answerTo = (call: ScriptedCall, said: object): string =>
  JSON.stringify({
    jsonrpc: "2.0",
    id: call.id,
    result: { resultType: "complete", content: [], structuredContent: said }
  })

const event = (json: string): string => `data: ${json}\n\n`

const blanks = Buffer.alloc(64 * 1024 * 1024, " ")
const bombs: Readonly<Record<string, Buffer>> = {
  gzip: zlib.gzipSync(blanks),
  br: zlib.brotliCompressSync(blanks, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })
}

const tools: Readonly<Record<string, Script>> = {
  json: (call) =>
    packed(String(call.arguments["how"]), "application/json", [answerTo(call, { text: call.arguments["text"] })])(call),
  events: (call) => {
    const progress = { progressToken: call.progressToken, progress: 1 }
    const beat = JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: progress })
    const parts = [event(beat), ": alive\n\n", event(answerTo(call, { text: call.arguments["text"] }))]
    return packed(String(call.arguments["how"]), "text/event-stream", parts)(call)
  },
  /** A little input that stands for far more than any answer may have. */
  bomb: (call) => {
    const [coding] = packers[String(call.arguments["how"])]!
    const small = bombs[coding]!
    call.response.writeHead(200, { "content-type": String(call.arguments["type"]), "content-encoding": coding })
    call.response.end(small)
  },
  broken: (call) => call.body(200, "application/json", answerTo(call, {}), { "content-encoding": "gzip" }),
  /** All of the JSON may be there, and only the end of the compressed data be missing. */
  cut: (call) => {
    const { bytes, how } = call.arguments as { readonly bytes: number; readonly how: string }
    const packing = whole[how]!
    const data = packing(answerTo(call, { text: "cut" }))
    call.response.writeHead(200, { "content-type": "application/json", "content-encoding": packers[how]![0] })
    call.response.end(data.subarray(0, data.length - bytes))
  },
  /** An event stream whose last event is there. */
  cutEvents: (call) => {
    const data = zlib.gzipSync(event(answerTo(call, { text: "whole" })))
    call.response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" })
    call.response.end(data.subarray(0, data.length - 4))
  },
  /** The connection breaks in the middle of the answer. */
  dies: (call) => {
    const data = zlib.gzipSync(answerTo(call, { text: "cut" }))
    call.response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
    call.response.write(data.subarray(0, data.length - 4), () => call.response.destroy())
  },
  other: (call) => call.body(200, "application/json", answerTo(call, {}), { "content-encoding": "zstd" }),
  refused: (call) => {
    const error = { jsonrpc: "2.0", id: call.id, error: { code: 7, message: "seven" } }
    call.response.writeHead(400, { "content-type": "application/json", "content-encoding": "gzip" })
    call.response.end(zlib.gzipSync(JSON.stringify(error)))
  },
  who: (call) => call.content({ ...call.received.headers })
}

const start = Effect.fnUntraced(function* (era: (typeof OddServers.eras)[number], config = {}) {
  const upstream = yield* era === "stateless" ? StatelessUpstream.make({ tools }) : ScriptedHttpUpstream.make({ tools })
  const headers = { "Accept-Encoding": "gzip" }
  const hub = yield* TestHub.make({ servers: { odd: { url: upstream.url, headers, era } }, config })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { ada, bo, hub, upstream }
})

describe("a server that compresses its answers", () => {
  for (const era of OddServers.eras) {
    it.live(`field A8: is asked not to, and understood all the same, ${era} server`, () =>
      Effect.gen(function* () {
        const { ada, bo, hub, upstream } = yield* start(era)
        for (const client of [ada, "stateless"] as const) {
          const call = (name: string, args: object, meta?: object) =>
            OddServers.call(hub, hub.ada, client, name, { ...args }, meta && { ...meta })
          for (const how of Object.keys(packers)) {
            // Small ones are parsed, large ones carried.
            for (const text of ["ä€", "é".repeat(200_000)]) {
              for (const name of ["json", "events"]) {
                const said = yield* call(name, { how, text }, { progressToken: "mine" })
                assert.strictEqual(
                  said.result?.structuredContent?.text,
                  text,
                  `${how} ${name} ${JSON.stringify(said.error)}`
                )
                if (name === "events") assert.strictEqual(said.before.at(-1)?.params.progressToken, "mine", how)
              }
            }
          }
          const refused = yield* call("refused", {})
          assert.deepStrictEqual([refused.error.code, refused.error.message], [7, "seven"])
          for (const [name, words] of [
            ["broken", "not compressed as it says"],
            ["other", '"zstd"']
          ] as const) {
            const { error } = yield* call(name, {})
            assert.deepStrictEqual([error?.code, error?.data.kind], [1502, "upstream_protocol"], name)
            assert.include(error.message, words)
          }
        }
        assert.strictEqual((yield* bo.callTool("odd-who"))["accept-encoding"], "identity")
        for (const { headers } of upstream.received) assert.strictEqual(headers["accept-encoding"], "identity")
      })
    )

    it.live(`field A8: and cuts the compressed data off has not answered, ${era} server`, () =>
      Effect.gen(function* () {
        const { ada, bo, hub } = yield* start(era)
        for (const client of [ada, "stateless"] as const) {
          const call = (name: string, args: object = {}) => OddServers.call(hub, hub.ada, client, name, { ...args })
          for (const how of Object.keys(packers)) {
            for (const bytes of [1, 4, 8, 30]) {
              const { error } = yield* call("cut", { how, bytes })
              assert.deepStrictEqual([error?.code, error?.data.kind], [1502, "upstream_protocol"], `${how} ${bytes}`)
              // Deno does not tell of brotli that it is cut off.
              const words = how === "br" ? /cut off|is not JSON|without answering/ : /data is cut off before its end/
              assert.match(error.message, words, `${how} ${bytes}`)
            }
          }
          const said = yield* call("cutEvents")
          assert.strictEqual(said.result?.structuredContent?.text, "whole", JSON.stringify(said.error))
          const { error } = yield* call("dies")
          assert.deepStrictEqual([error?.code, error?.data.kind], [1409, "outcome_unknown"])
        }
        assert.strictEqual((yield* bo.callTool("odd-who"))["accept-encoding"], "identity")
      })
    )

    it.live(`field A8: in a way that would fill the memory costs its own call alone, ${era} server`, () =>
      Effect.gen(function* () {
        const { ada, bo, hub } = yield* start(era, { maxUpstreamBytes: 8 * 1024 * 1024 })
        const answers = Context.get(hub.services, AnswerBytes)
        for (const client of [ada, "stateless"] as const) {
          for (const how of ["gzip", "br"]) {
            for (const type of ["application/json", "text/event-stream"]) {
              const [bombed, said] = yield* Effect.all(
                [
                  OddServers.call(hub, hub.ada, client, "bomb", { how, type }),
                  OddServers.call(hub, hub.bo, client === ada ? bo : client, "json", { how, text: "bo" })
                ],
                { concurrency: "unbounded" }
              )
              assert.strictEqual(bombed.error?.data.kind, "upstream_too_large", `${how} ${type}`)
              assert.strictEqual(said.result?.structuredContent.text, "bo")
              assert.strictEqual(answers.held(), 0)
            }
          }
        }
      })
    )
  }

  it.live("field A8: is heard on its own stream as well, at once", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({
        methods: {
          GET: async ({ response }) => {
            response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" })
            const packing = zlib.createGzip()
            packing.pipe(response)
            packing.write(event(JSON.stringify({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })))
            packing.flush()
          }
        }
      })
      const hub = yield* TestHub.make({ servers: { odd: { url: upstream.url } } })
      const ada = yield* hub.connect(hub.ada)
      const stream = yield* ada.stream
      yield* ada.toolNames
      let message: any
      do message = yield* stream.next
      while (message.method !== "notifications/tools/list_changed")
    })
  )
})
