/**
 * Every way in which an MCP server over HTTP can fail, each as a `Script` for `ScriptedHttpUpstream`: as a tool, as a
 * method, or as the server's behaviour from some moment on (`upstream.script("tools/call", faults.hang)`).
 *
 * Everything that takes time here ends with the response, so nothing outlives its connection.
 */
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers"
import type { ScriptedCall, Script } from "./ScriptedCall.ts"

const answerOf = (call: ScriptedCall, value: object): object => ({
  jsonrpc: "2.0",
  id: call.id,
  result: { content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: value }
})

const every = (call: ScriptedCall, ms: number, run: () => void): void => {
  const timer = setInterval(run, ms)
  call.response.once("close", () => clearInterval(timer))
}

/** Writes for as long as the other side reads, and never faster. */
const pour = (call: ScriptedCall, chunk: string, total: number): void => {
  let left = total
  const { response } = call
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= chunk.length
      if (!response.write(chunk)) return void response.once("drain", more)
    }
    if (!response.destroyed) response.end()
  }
  more()
}

const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Script =>
  (call: ScriptedCall) =>
    call.status(code, headers)

export const faults = {
  /** Takes the request and never answers. */
  hang: () => {},
  /** Answers correctly, but only after `ms` milliseconds, whether or not anybody still waits. */
  late:
    (ms: number): Script =>
    (call: ScriptedCall) => {
      const timer = setTimeout(() => call.content({ late: ms }), ms)
      call.response.once("close", () => clearTimeout(timer))
    },
  dieBeforeHeaders: (call: ScriptedCall) => call.die(),
  dieInBody: (call: ScriptedCall) => {
    call.response.writeHead(200, { "content-type": "application/json", "content-length": "1000" })
    call.response.write('{"jsonrpc":', () => call.die())
  },
  dieInStream: (call: ScriptedCall) => {
    call.open()
    call.response.write(": still there\n\n", () => call.die())
  },
  /** Sends one byte per second of a correct answer. */
  slowLoris: (call: ScriptedCall) => {
    const text = JSON.stringify(answerOf(call, { slow: true }))
    call.response.writeHead(200, { "content-type": "application/json" })
    let at = 0
    every(call, 1_000, () => call.raw(text.slice(at, ++at)))
  },
  webPage: (call: ScriptedCall) => call.body(200, "text/html", "<html><body>It works!</body></html>"),
  noJson: (call: ScriptedCall) => call.body(200, "application/json", "{oops"),
  noMessage: (call: ScriptedCall) => call.body(200, "application/json", "[1]"),
  noId: (call: ScriptedCall) => call.body(200, "application/json", JSON.stringify({ jsonrpc: "2.0", result: {} })),
  wrongId: (call: ScriptedCall) =>
    call.body(200, "application/json", JSON.stringify({ jsonrpc: "2.0", id: "nobody's", result: {} })),
  badUtf8: (call: ScriptedCall) => {
    call.response.writeHead(200, { "content-type": "application/json" })
    call.response.end(Buffer.from([0x22, 0xc3, 0x28, 0x22]))
  },
  /** An event stream that ends in the middle of an event. */
  truncatedStream: (call: ScriptedCall) => {
    call.open()
    call.raw(`data: ${JSON.stringify(answerOf(call, { cut: true })).slice(0, 40)}`)
    call.end()
  },
  /** An event stream with an event that is not JSON, and then the answer. */
  garbledStream: (call: ScriptedCall) => {
    call.open()
    call.raw("data: {oops\n\n")
    call.event(answerOf(call, { after: "garbage" }))
    call.end()
  },
  /** Two answers to one call, the right one first. */
  twice: (call: ScriptedCall) => {
    call.event(answerOf(call, { answer: "first" }))
    call.event(answerOf(call, { answer: "second" }))
    call.end()
  },
  /** An answer of N bytes. */
  huge:
    (bytes: number): Script =>
    (call: ScriptedCall) => {
      call.response.writeHead(200, { "content-type": "application/json" })
      call.raw('{"jsonrpc":"2.0","result":"')
      pour(call, "x".repeat(65_536), bytes)
    },
  /** Events without end, and no answer. */
  endless: (call: ScriptedCall) => {
    call.open()
    pour(
      call,
      `data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: { data: "x".repeat(8_192) } })}\n\n`,
      Infinity
    )
  },
  unauthorized: status(401),
  forbidden: status(403),
  notFound: status(404),
  busy: status(429, { "retry-after": "1" }),
  unavailable: status(503, { "retry-after": "1" }),
  redirect: status(302, { location: "http://127.0.0.1:1/elsewhere" })
} satisfies Readonly<Record<string, Script | ((amount: number) => Script)>>
