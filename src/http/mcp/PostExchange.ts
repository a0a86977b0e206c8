/**
 * The way back for one POSTed request: a JSON body, unless a message has to precede the answer — then an event stream,
 * from that message on. A batch (2025-03-26) collects its answers in one array or sends them on one stream.
 *
 * A stream can be resumed where the session keeps its messages; a JSON body cannot. So where the revision lets a stream
 * begin without a message, an answer that takes long becomes one before its client can lose it.
 *
 * Source: MCP `basic/transports`, "Sending Messages to the Server".
 */
import { Cause, type Effect } from "effect"
import type { ClientExchange } from "../../actors/calls/ClientExchange.ts"
import {
  failure,
  isFailure,
  type JsonRpcErrorObject,
  type JsonRpcId,
  type JsonRpcMessage,
  type JsonRpcResponse,
  success
} from "../../domain/protocol/JsonRpc.ts"
import { hubCodes } from "../../domain/protocol/ErrorCodes.ts"
import { encode, encodeBody } from "../../domain/protocol/json/RawJson.ts"
import type { EventStreams } from "../wire/EventStreams.ts"
import * as JsonRpcErrors from "../wire/JsonRpcErrors.ts"
import { overloaded } from "../wire/Refusals.ts"
import { jsonType, type WireHeaders, type WireReply } from "../wire/Wire.ts"

/** The answer as a stream. */
export interface AnswerStream {
  /** `instead` is for a client that comes back for what was too large to be kept. False: it will never get anything. */
  readonly send: (message: JsonRpcMessage, instead?: () => JsonRpcMessage) => boolean
  readonly end: () => void
}

export interface PostOptions {
  readonly reply: WireReply
  /** Makes the reply an event stream. */
  readonly open: () => AnswerStream
  /** Given where a long wait makes the answer a stream. */
  readonly patience?: Pick<EventStreams["Service"], "whenSlow" | "takeBack"> | undefined
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
  { reply, open, patience, headers, logDefect, shape }: PostOptions,
  expected: number,
  batch: boolean
): PostReply => {
  const answers: Array<JsonRpcResponse> = []
  let stream: AnswerStream | undefined
  let gone = false
  let left = expected
  reply.onAbort(() => {
    gone = true
  })

  const withType = (): WireHeaders => {
    const extra = headers()
    return extra === undefined ? jsonType : { ...extra, ...jsonType }
  }

  const openStream = (): AnswerStream => {
    if (stream === undefined) {
      stream = open()
      for (const answer of answers) stream.send(answer)
    }
    return stream
  }

  const turnSlow = (): void => {
    if (!gone && left > 0) openStream()
  }
  patience?.whenSlow(turnSlow)

  const answer = (response: JsonRpcResponse): void => {
    left--
    if (left === 0) patience?.takeBack(turnSlow)
    if (stream !== undefined) {
      stream.send(response, () => failure(response.id ?? null, lost))
      if (left === 0) stream.end()
      return
    }
    if (!batch) {
      const status = shape === undefined || !isFailure(response) ? 200 : shape.status(response.error)
      return reply.send(status, encodeBody(response), withType())
    }
    answers.push(response)
    if (left === 0) reply.send(200, `[${answers.map(encode).join(",")}]`, withType())
  }

  const refuse = (id: JsonRpcId, error: JsonRpcErrorObject, retryAfterSeconds: number): void => {
    if (stream !== undefined || batch) return answer(failure(id, error))
    left--
    patience?.takeBack(turnSlow)
    overloaded(reply, failure(id, error), retryAfterSeconds, withType())
  }

  return {
    exchange: (id) => ({
      send: (message) => (stream === undefined && gone ? false : openStream().send(message)),
      succeed: (result) => answer(success(id, shape === undefined ? result : shape.result(result))),
      fail: (error, requestId) => {
        const own = JsonRpcErrors.toErrorObject(error, requestId)
        const object = shape === undefined ? own : shape.error(own)
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

/** In place of an answer that nobody has read to its end and that is too large to be kept. */
const lost = JsonRpcErrors.refusal(
  hubCodes.outcomeUnknown,
  "answer_lost",
  "The request was answered, but the connection was lost and the answer is too large to be kept; what it did is done"
)
