/**
 * The way back for one POSTed request: a JSON body, unless a message has to precede the answer — then an event stream,
 * from that message on. A batch (2025-03-26) collects its answers in one array or sends them on one stream.
 *
 * Source: MCP `basic/transports`, "Sending Messages to the Server".
 */
import { Cause, type Effect } from "effect"
import type { ClientExchange } from "../actors/ClientExchange.ts"
import {
  failure,
  isFailure,
  type JsonRpcErrorObject,
  type JsonRpcId,
  type JsonRpcResponse,
  success
} from "../domain/protocol/JsonRpc.ts"
import type { EventStream, EventStreams } from "./EventStreams.ts"
import * as JsonRpcErrors from "./JsonRpcErrors.ts"
import { jsonType, type WireHeaders, type WireReply } from "./Wire.ts"

export interface PostOptions {
  readonly reply: WireReply
  readonly streams: EventStreams["Service"]
  /** Sent with whatever answer (the session id after initialize). */
  readonly headers: () => WireHeaders | undefined
  readonly logDefect: (effect: Effect.Effect<void>) => void
  /** How this request's era wants its answers; as they are, under 200, when absent. */
  readonly shape?: AnswerShape | undefined
}

export interface AnswerShape {
  readonly result: (result: unknown) => unknown
  readonly error: (error: JsonRpcErrorObject) => JsonRpcErrorObject
  readonly status: (error: JsonRpcErrorObject) => number
}

/** One POST's answer, shared by the messages of a batch. */
export interface PostReply {
  readonly exchange: (id: JsonRpcId) => ClientExchange
}

export const make = (
  { reply, streams, headers, logDefect, shape }: PostOptions,
  expected: number,
  batch: boolean
): PostReply => {
  const answers: Array<JsonRpcResponse> = []
  let stream: EventStream | undefined
  let gone = false
  let left = expected
  reply.onAbort(() => {
    gone = true
  })

  const withType = (): WireHeaders => {
    const extra = headers()
    return extra === undefined ? jsonType : { ...extra, ...jsonType }
  }

  const openStream = (): EventStream => {
    if (stream === undefined) {
      stream = streams.open(reply, headers(), () => {
        gone = true
      })
      for (const answer of answers) stream.send(answer)
    }
    return stream
  }

  const answer = (response: JsonRpcResponse): void => {
    left--
    if (stream !== undefined) {
      stream.send(response)
      if (left === 0) stream.end()
      return
    }
    if (!batch) {
      const status = shape === undefined || !isFailure(response) ? 200 : shape.status(response.error)
      return reply.send(status, JSON.stringify(response), withType())
    }
    answers.push(response)
    if (left === 0) reply.send(200, JSON.stringify(answers), withType())
  }

  const refuse = (id: JsonRpcId, error: JsonRpcErrorObject, retryAfterSeconds: number): void => {
    if (stream !== undefined || batch) return answer(failure(id, error))
    left--
    reply.send(429, JSON.stringify(failure(id, error)), { ...withType(), "retry-after": String(retryAfterSeconds) })
  }

  return {
    exchange: (id) => ({
      send: (message) => !gone && openStream().send(message),
      succeed: (result) => answer(success(id, shape === undefined ? result : shape.result(result))),
      fail: (error, requestId) => {
        const own = JsonRpcErrors.toErrorObject(error, requestId)
        const object = shape === undefined ? own : shape.error(own)
        // Too many requests of this user is about the request as such, and the one error that HTTP has a status for.
        if (error._tag === "UserOverloaded") return refuse(id, object, error.retryAfterSeconds)
        answer(failure(id, object))
      },
      die: (cause, requestId) => {
        logDefect(JsonRpcErrors.logDefect(Cause.pretty(cause), requestId))
        answer(failure(id, JsonRpcErrors.internal(requestId)))
      }
    })
  }
}
