/**
 * A server over HTTP that floods: its tool `shout { ms, text? }` writes one little notification again and again to the
 * event stream of the session that calls, as fast as the hub reads, for so long before it answers.
 */
import type { ServerResponse } from "node:http"
import type { ScriptedHttpOptions } from "../../src/testkit/ScriptedHttpUpstream.ts"

/** 36 bytes of JSON. */
export const little = '{"jsonrpc":"2.0","method":"shouts/x"}'

const flood = (stream: ServerResponse, text: string, until: number): void => {
  const chunk = `data: ${text}\n\n`.repeat(1_000)
  const more = (): void => {
    if (Date.now() >= until || stream.destroyed) return
    if (stream.write(chunk)) setImmediate(more)
    else stream.once("drain", more)
  }
  more()
}

export const loudHttp = (): ScriptedHttpOptions => {
  const streams = new Map<string | undefined, ServerResponse>()
  return {
    keep: 1,
    methods: {
      GET: (call) => {
        streams.set(call.session?.id, call.response)
        call.open()
      }
    },
    tools: {
      shout: (call) => {
        const ms = Number(call.arguments["ms"] ?? 1_000)
        const stream = streams.get(call.session?.id)
        if (stream !== undefined) flood(stream, String(call.arguments["text"] ?? little), Date.now() + ms)
        setTimeout(() => call.content({ shouted: ms }), ms)
      }
    }
  }
}
