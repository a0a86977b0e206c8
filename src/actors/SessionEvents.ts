/**
 * Messages of a session that belong to no request: they go to the session's one GET stream, newest stream wins, and
 * wait in a bounded buffer while none is attached. The oldest go first when the buffer is full, and are counted.
 *
 * Source: MCP `basic/transports` — a message is never sent on two streams.
 */
import type { JsonRpcMessage } from "../domain/protocol/JsonRpc.ts"
import type { EventSink } from "./ClientExchange.ts"

const capacity = 256

export interface SessionEvents {
  /** True when the message was sent or waits. */
  readonly publish: (message: JsonRpcMessage) => void
  /** Sends now or not at all: for requests, which must not wait for a stream that may never come. */
  readonly sendNow: (message: JsonRpcMessage) => boolean
  /** Makes this the session's stream and sends what waited; the result detaches it. */
  readonly attach: (sink: EventSink) => () => void
  readonly attached: () => boolean
  readonly dropped: () => number
  readonly end: () => void
}

const isListChanged = (message: JsonRpcMessage): message is JsonRpcMessage & { readonly method: string } =>
  "method" in message && message.method.endsWith("/list_changed")

export const make = (): SessionEvents => {
  let sink: EventSink | undefined
  let waiting: Array<JsonRpcMessage> = []
  let dropped = 0

  const hold = (message: JsonRpcMessage): void => {
    // A list either changed or it did not: one notice of each kind is enough.
    if (isListChanged(message) && waiting.some((other) => isListChanged(other) && other.method === message.method)) return
    if (waiting.length >= capacity) {
      waiting.shift()
      dropped++
    }
    waiting.push(message)
  }

  return {
    publish: (message) => {
      if (sink === undefined || !sink.send(message)) hold(message)
    },
    sendNow: (message) => sink?.send(message) ?? false,
    attach: (next) => {
      sink?.end()
      sink = next
      const backlog = waiting
      waiting = []
      for (const message of backlog) if (!next.send(message)) hold(message)
      return () => {
        if (sink === next) sink = undefined
      }
    },
    attached: () => sink !== undefined,
    dropped: () => dropped,
    end: () => {
      sink?.end()
      sink = undefined
      waiting = []
    }
  }
}
