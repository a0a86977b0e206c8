/**
 * The calls in flight on one connection to an HTTP upstream, and what an incoming message belongs to.
 *
 * Each call gets an id of the connection's own, so that clients which all count from 1 cannot meet, and, when its
 * client or the hub wants progress, that same id as progress token: a token never leaves the hub as the client wrote it,
 * and progress finds its call by the token on whatever stream it arrives (MCP `basic/utilities/progress`). A client that
 * gave no token hears of none.
 */
import {
  classify,
  isSameId,
  type JsonObject,
  type JsonRpcId,
  type JsonRpcRequest,
  type JsonRpcResponse,
  numericId,
  request,
  wasToAnswer
} from "../../../domain/protocol/JsonRpc.ts"
import type { UpstreamCall, UpstreamMessage } from "../connection/UpstreamConnection.ts"
import { metaOf } from "../../../domain/protocol/JsonObjects.ts"
import { encodeMessage, type OutgoingMessage } from "../../../domain/protocol/json/CarriedJson.ts"
import { answeredId, maxBatch } from "../../../domain/protocol/json/ServerMessages.ts"
import type { Unusable } from "./ExchangeRequest.ts"

export interface PendingCall {
  readonly id: number
  readonly call: UpstreamCall
  /** The request as sent. */
  readonly message: JsonRpcRequest
  readonly body: OutgoingMessage
  /** The client's own progress token. */
  readonly token: JsonRpcId | undefined
  sent: boolean
  /** The first answer; later ones are late. */
  response: JsonRpcResponse | undefined
}

/** `true`: this was the answer of the call whose stream it came on. `invalid`: it was to be, and is none. */
export type Routed = boolean | Unusable

export interface UpstreamHttpCalls {
  readonly open: (call: UpstreamCall) => PendingCall
  readonly close: (pending: PendingCall) => void
  /** Hands on a parsed JSON value that came on the stream of `origin`, or on no call's stream. */
  readonly route: (value: unknown, origin: PendingCall | undefined) => Routed
  /** Whether a text that nobody can read was to answer the call. */
  readonly wasAnswer: (text: string, call: PendingCall) => boolean
}

/** `paramsOf` gives the parameters as they go out, before the progress token is put in, where they are others. */
export const make = (
  onMessage: (message: UpstreamMessage) => void,
  onLate: () => void,
  paramsOf?: (call: UpstreamCall) => JsonObject | undefined
): UpstreamHttpCalls => {
  const calls = new Map<number, PendingCall>()
  let lastId = 0

  const open = (call: UpstreamCall): PendingCall => {
    const id = ++lastId
    const token = call.params?.["_meta"] === undefined ? undefined : progressToken(call.params)
    const params = paramsOf === undefined ? call.params : paramsOf(call)
    const asks = token !== undefined || call.onProgress !== undefined
    const message = request(id, call.method, asks ? withProgressToken(params, id) : params)
    const pending: PendingCall = {
      id,
      call,
      token,
      message,
      body: encodeMessage(message),
      sent: false,
      response: undefined
    }
    calls.set(id, pending)
    return pending
  }

  const progress = (message: UpstreamMessage): void => {
    const pending = calls.get(numericId(message.params?.["progressToken"]))
    if (pending === undefined || pending.response !== undefined) return onLate()
    const { call, token } = pending
    if (token === undefined && call.onProgress === undefined) return onLate()
    call.onProgress?.()
    if (token === undefined) return
    call.onMessage({ ...message, params: { ...message.params, progressToken: token } })
  }

  const awaits = (id: unknown, origin: PendingCall | undefined): boolean =>
    origin !== undefined && origin.response === undefined && isSameId(id, origin.id)

  /** Revision 2025-03-26 knows batches, and a server may answer with one. */
  const routeAll = (values: ReadonlyArray<unknown>, origin: PendingCall | undefined): Routed => {
    if (values.length === 0 || values.length > maxBatch) return "noise"
    const all = values.map((value) => (Array.isArray(value) ? "noise" : route(value, origin)))
    return all.includes(true) || (all.find((routed) => routed === "invalid" || routed === "noise") ?? false)
  }

  const route = (value: unknown, origin: PendingCall | undefined): Routed => {
    if (Array.isArray(value)) return routeAll(value, origin)
    const classified = classify(value)
    switch (classified.kind) {
      case "invalid": {
        return wasToAnswer(value) && awaits(classified.id, origin) ? "invalid" : "noise"
      }
      case "response": {
        if (origin === undefined || !awaits(classified.message.id, origin) || !calls.has(origin.id)) {
          onLate()
          return false
        }
        origin.response = classified.message
        return true
      }
      default: {
        const message = classified.message
        if (message.method === "notifications/progress") progress(message)
        else if (origin === undefined) onMessage(message)
        else if (origin.response === undefined && calls.has(origin.id)) origin.call.onMessage(message)
        else onLate()
        return false
      }
    }
  }

  return {
    open,
    close: (pending) => void calls.delete(pending.id),
    route,
    wasAnswer: (text, call) => awaits(answeredId(text), call)
  }
}

const progressToken = (params: JsonObject | undefined): JsonRpcId | undefined => {
  const token = metaOf(params)?.["progressToken"]
  return typeof token === "string" || typeof token === "number" ? token : undefined
}

const withProgressToken = (params: JsonObject | undefined, token: number): JsonObject => ({
  ...params,
  _meta: { ...metaOf(params), progressToken: token }
})
