/**
 * The way back for one POSTed request: a JSON body, unless a message has to precede the answer — then an event stream,
 * from that message on. A batch (2025-03-26) collects its answers in one array, or sends them on one stream; it becomes a
 * stream where its user has no room in memory for what waits for the rest.
 *
 * A stream can be resumed where the session keeps its messages; a JSON body cannot. So where the revision lets a stream
 * begin without a message, an answer that takes long becomes one before its client can lose it.
 *
 * Source: MCP `basic/transports`, "Sending Messages to the Server".
 */
import { Cause } from "effect"
import type { ClientExchange } from "../../actors/calls/ClientExchange.ts"
import type { Claim } from "../../actors/limits/Retained.ts"
import type { RequestId } from "../../domain/Ids.ts"
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
import { encodeBatch, encodeBody, sizeOf } from "../../domain/protocol/json/RawJson.ts"
import type { RequestError } from "../../domain/requests/RequestErrors.ts"
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
  /** Makes the reply an event stream. */
  readonly open: () => AnswerStream
  /** Given where a long wait makes the answer a stream. */
  readonly patience?: Pick<EventStreams["Service"], "whenSlow" | "takeBack"> | undefined
  /** Of the user's memory, for answers that wait for the rest of their batch. */
  readonly room?: Claim | undefined
  /** Sent with an answer in JSON (the session id after initialize). */
  readonly headers?: WireHeaders
  /** The answers that this request's era wants; as they are, under 200, when absent. */
  readonly shape?: AnswerShape | undefined
}

export interface AnswerShape {
  readonly result: (result: unknown) => unknown
  readonly error: (error: JsonRpcErrorObject) => JsonRpcErrorObject
  readonly status: (error: JsonRpcErrorObject) => number
}

/** The answer of one POST, shared by the messages of a batch. */
export class PostExchange {
  readonly reply: WireReply
  readonly options: PostOptions
  private readonly isBatch: boolean
  private left: number
  private answers: Array<JsonRpcResponse> = []
  private stream: AnswerStream | undefined
  private readonly turnSlow: (() => void) | undefined

  constructor(reply: WireReply, options: PostOptions, expected = 1, isBatch = false) {
    this.reply = reply
    this.options = options
    this.left = expected
    this.isBatch = isBatch
    if (isBatch) reply.onEnd(() => this.release())
    if (options.patience === undefined) return
    const turnSlow = (): void =>
      reply.guard.run(() => {
        if (this.left > 0 && !reply.isGone()) this.opened()
      })
    this.turnSlow = turnSlow
    options.patience.whenSlow(turnSlow)
  }

  /** The part of one message in it. */
  exchange(id: JsonRpcId): ClientExchange {
    return new MessageExchange(this, id)
  }

  send(message: JsonRpcMessage): boolean {
    return this.stream === undefined && this.reply.isGone() ? false : this.opened().send(message)
  }

  answer(response: JsonRpcResponse): void {
    this.count()
    if (this.stream !== undefined) {
      this.stream.send(response, () => failure(response.id ?? null, lost))
      if (this.left === 0) this.stream.end()
      return
    }
    if (!this.isBatch) {
      const { shape } = this.options
      const status = shape === undefined || !isFailure(response) ? 200 : shape.status(response.error)
      const { headers } = this.options
      return this.reply.send(status, encodeBody(response), headers === undefined ? jsonType : this.headers())
    }
    this.collect(response)
  }

  private collect(response: JsonRpcResponse): void {
    if (this.reply.isGone()) return
    const { room } = this.options
    const bytes = sizeOf(encodeBody(response))
    this.answers.push(response)
    if (room?.hold(bytes) === false) return this.streamRest()
    if (this.left > 0) return
    this.reply.send(200, encodeBatch(this.answers), this.headers())
    this.release()
  }

  private streamRest(): void {
    const stream = this.opened()
    if (this.left === 0) stream.end()
  }

  /** Nothing waits here any more. */
  private release(): void {
    this.options.room?.end()
    this.answers = []
  }

  refuse(id: JsonRpcId, error: JsonRpcErrorObject, retryAfterSeconds: number): void {
    if (this.stream !== undefined || this.isBatch) return this.answer(failure(id, error))
    this.count()
    overloaded(this.reply, failure(id, error), retryAfterSeconds, this.headers())
  }

  private count(): void {
    this.left--
    if (this.left === 0 && this.turnSlow !== undefined) this.options.patience!.takeBack(this.turnSlow)
  }

  private headers(): WireHeaders {
    const { headers } = this.options
    return headers === undefined ? jsonType : { ...headers, ...jsonType }
  }

  private opened(): AnswerStream {
    if (this.stream === undefined) {
      this.stream = this.options.open()
      for (const answer of this.answers) this.stream.send(answer, () => failure(answer.id ?? null, lost))
      this.release()
    }
    return this.stream
  }
}

/** Called by the session's fibers: what throws here is the request's defect, and not theirs. */
class MessageExchange implements ClientExchange {
  private readonly post: PostExchange
  private readonly id: JsonRpcId

  constructor(post: PostExchange, id: JsonRpcId) {
    this.post = post
    this.id = id
  }

  send(message: JsonRpcMessage): boolean {
    return this.post.reply.guard.attempt(() => this.post.send(message), false)
  }

  succeed(result: unknown, requestId: RequestId | undefined): void {
    const { post } = this
    const { guard } = post.reply
    guard.subject.requestId = requestId
    try {
      const { shape } = post.options
      post.answer(success(this.id, shape === undefined ? result : shape.result(result)))
    } catch (defect) {
      guard.fail(defect)
    }
  }

  fail(error: RequestError, requestId: RequestId | undefined): void {
    const { id, post } = this
    const { guard } = post.reply
    guard.subject.requestId = requestId
    guard.run(() => {
      const { shape } = post.options
      const own = JsonRpcErrors.toErrorObject(error, requestId)
      const object = shape === undefined ? own : shape.error(own)
      if (error._tag === "UserOverloaded") return post.refuse(id, object, error.retryAfterSeconds)
      post.answer(failure(id, object))
    })
  }

  die(cause: Cause.Cause<unknown>, requestId: RequestId | undefined): void {
    const { guard } = this.post.reply
    guard.subject.requestId = requestId
    guard.run(() => {
      guard.background(JsonRpcErrors.logDefect(Cause.pretty(cause), requestId))
      this.post.answer(failure(this.id, JsonRpcErrors.internal(requestId)))
    })
  }
}

/** In place of an answer that nobody has read to its end and that is too large to be kept. */
const lost = JsonRpcErrors.refusal(
  hubCodes.outcomeUnknown,
  "answer_lost",
  "The request was answered, but the connection was lost and the answer is too large to be kept; what it did is done"
)
