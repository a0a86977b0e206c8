/**
 * The way back to the client: one POST (`ClientExchange`), or the session's GET stream (`EventSink`). The wire
 * implements them; the actor only calls them, so it never sees a socket.
 */
import type { Cause } from "effect"
import type { RequestId } from "../domain/Ids.ts"
import type { JsonRpcMessage } from "../domain/protocol/JsonRpc.ts"
import type { RequestError } from "./RequestErrors.ts"

export interface ClientExchange {
  /** Sends a message that belongs to this request, before its answer. False: the client is gone. */
  readonly send: (message: JsonRpcMessage) => boolean
  readonly succeed: (result: unknown) => void
  readonly fail: (error: RequestError, requestId: RequestId | undefined) => void
  /** A defect: the client learns only that it happened. */
  readonly die: (cause: Cause.Cause<unknown>, requestId: RequestId | undefined) => void
}

export interface EventSink {
  /** False: the stream is gone or full, the message was not taken. */
  readonly send: (message: JsonRpcMessage) => boolean
  readonly end: () => void
}
