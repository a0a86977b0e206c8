/**
 * The way back to the client: one POST (`ClientExchange`), one connection of a stream that can be resumed
 * (`EventWriter`), or a stream that ends with its connection (`EventSink`). The wire implements them; the actor only
 * calls them, so it never sees a socket.
 */
import type { Cause } from "effect"
import type { RequestId } from "../../domain/Ids.ts"
import type { JsonRpcMessage } from "../../domain/protocol/JsonRpc.ts"
import type { JsonBody } from "../../domain/protocol/json/RawJson.ts"
import type { RequestError } from "../../domain/requests/RequestErrors.ts"

export interface ClientExchange {
  /** Sends a message that belongs to this request, before its answer. False: the client is gone. */
  readonly send: (message: JsonRpcMessage) => boolean
  readonly succeed: (result: unknown, requestId: RequestId | undefined) => void
  readonly fail: (error: RequestError, requestId: RequestId | undefined) => void
  /** A defect: the client learns only that it happened. */
  readonly die: (cause: Cause.Cause<unknown>, requestId: RequestId | undefined) => void
}

export interface EventWriter {
  /** Writes one event; a text is one line, or empty. False: the connection is gone or full, the event was not taken. */
  readonly event: (id: string, json: JsonBody) => boolean
  readonly end: () => void
}

export interface EventSink {
  /** False: the stream is gone or full, the message was not taken. */
  readonly send: (message: JsonRpcMessage) => boolean
  readonly end: () => void
}
