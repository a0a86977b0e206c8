/** The client's end of a session in tests: what it was sent, and a stream or a POST that takes only so much. */
import type { ClientExchange, EventSink, EventWriter } from "../../../src/actors/calls/ClientExchange.ts"
import type { JsonBody } from "../../../src/domain/protocol/json/RawJson.ts"
import type { JsonRpcMessage } from "../../../src/domain/protocol/JsonRpc.ts"

export interface TestStream extends EventSink, EventWriter {
  /** Under which ids, where it has any; priming events are not messages. */
  readonly ids: ReadonlyArray<string>
  readonly sent: ReadonlyArray<JsonRpcMessage>
  readonly ended: () => boolean
  /** From now on the stream is gone or full. */
  readonly refuse: () => void
}

export const stream = (room: number = Infinity): TestStream => {
  const sent: Array<JsonRpcMessage> = []
  const ids: Array<string> = []
  let left = room
  let ended = false
  const send = (message: JsonRpcMessage): boolean => {
    if (left <= 0) return false
    left--
    sent.push(message)
    return true
  }
  return {
    sent,
    ids,
    send,
    event: (id, json) => {
      if (json !== "" && !send(JSON.parse(textOf(json)) as JsonRpcMessage)) return false
      ids.push(id)
      return true
    },
    end: () => void (ended = true),
    ended: () => ended,
    refuse: () => void (left = 0)
  }
}

/** A POST that waits: what it was sent before its answer. Answers themselves are the caller's effect. */
export const post = (): ClientExchange & { readonly sent: ReadonlyArray<JsonRpcMessage> } => {
  const { send, sent } = stream()
  return { sent, send, succeed: () => undefined, fail: () => undefined, die: () => undefined }
}

/** An event's JSON, whether it came as a text or in pieces. */
export const textOf = (json: JsonBody): string => (typeof json === "string" ? json : Buffer.concat(json).toString())
