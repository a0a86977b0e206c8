/**
 * The way back for one POST over HTTP+SSE: 202 at once, and the answers on the stream that carries the session.
 *
 * Source: MCP 2024-11-05 `basic/transports`, "HTTP with SSE".
 */
import { Cause } from "effect"
import type { ClientExchange } from "../../actors/calls/ClientExchange.ts"
import { failure, type JsonRpcId, type JsonRpcMessage, success } from "../../domain/protocol/JsonRpc.ts"
import type { Guard } from "../wire/Guard.ts"
import * as JsonRpcErrors from "../wire/JsonRpcErrors.ts"
import { overloaded } from "../wire/Refusals.ts"
import type { WireReply } from "../wire/Wire.ts"

export interface EventExchangeOptions {
  readonly reply: WireReply
  /** The stream's: a client that can be told nothing more has to open another one. */
  readonly guard: Guard
  /** Sends on the stream; false: it has ended. */
  readonly send: (message: JsonRpcMessage) => boolean
  readonly isBatch: boolean
}

/** One POST, shared by the messages of a batch. */
export interface EventExchange {
  readonly exchange: (id: JsonRpcId) => ClientExchange
  /** All messages have been taken. */
  readonly accept: () => void
}

export const accept = (reply: WireReply): void => reply.send(202, "Accepted", { "content-type": "text/plain" })

export const make = ({ guard, isBatch, reply, send }: EventExchangeOptions): EventExchange => {
  /** The POST; what comes later goes to the stream, whatever it is. */
  let answered = false
  return {
    exchange: (id) => ({
      send,
      succeed: (result) => guard.run(() => void send(success(id, result))),
      fail: (error, requestId) =>
        guard.run(() => {
          const response = failure(id, JsonRpcErrors.toErrorObject(error, requestId))
          if (error._tag !== "UserOverloaded" || isBatch || answered) return void send(response)
          answered = true
          overloaded(reply, response, error.retryAfterSeconds)
        }),
      die: (cause, requestId) =>
        guard.run(() => {
          guard.background(JsonRpcErrors.logDefect(Cause.pretty(cause), requestId))
          send(failure(id, JsonRpcErrors.internal(requestId)))
        })
    }),
    accept: () => {
      if (answered) return
      answered = true
      accept(reply)
    }
  }
}
