/**
 * A server over HTTP that floods: its tool `shout { ms, text? }` writes one little notification again and again to the
 * event stream of the session that calls, as fast as the hub reads, for so long before it answers.
 */
import type { ServerResponse } from "node:http"
import type { ScriptedHttpOptions } from "../../src/testkit/ScriptedHttpUpstream.ts"

/** 36 bytes of JSON. */
export const little = '{"jsonrpc":"2.0","method":"shouts/x"}'

interface Loud {
  readonly stream: ServerResponse
  text: string
  /** Milliseconds since the epoch. */
  until: number
  isWaiting: boolean
}

/** Writes until it is time to stop, and while the hub does not read waits once, whoever asks meanwhile. */
const flood = (loud: Loud): void => {
  const { stream, text, until } = loud
  loud.isWaiting = false
  if (Date.now() >= until || stream.destroyed) return
  const more = (): void => flood(loud)
  loud.isWaiting = true
  if (stream.write(`data: ${text}\n\n`.repeat(1_000))) setImmediate(more)
  else stream.once("drain", more)
}

export const loudHttp = (): ScriptedHttpOptions => {
  const streams = new Map<string | undefined, Loud>()
  return {
    keep: 1,
    methods: {
      GET: (call) => {
        streams.set(call.session?.id, { stream: call.response, text: little, until: 0, isWaiting: false })
        call.open()
      }
    },
    tools: {
      shout: (call) => {
        const ms = Number(call.arguments["ms"] ?? 1_000)
        const loud = streams.get(call.session?.id)
        if (loud !== undefined) {
          loud.text = String(call.arguments["text"] ?? little)
          loud.until = Date.now() + ms
          if (!loud.isWaiting) flood(loud)
        }
        setTimeout(() => call.content({ shouted: ms }), ms)
      }
    }
  }
}
