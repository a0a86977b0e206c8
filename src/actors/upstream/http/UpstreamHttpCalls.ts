/**
 * The calls in flight on one connection to an HTTP upstream, and what an incoming message belongs to.
 *
 * Each call gets an id of the connection's own, so that clients which all count from 1 cannot meet, and, when its
 * client asked for progress, that same id as progress token: a token never leaves the hub as the client wrote it, and
 * progress finds its call by the token on whatever stream it arrives (MCP `basic/utilities/progress`).
 */
import {
  classify,
  type JsonObject,
  type JsonRpcId,
  type JsonRpcRequest,
  type JsonRpcResponse,
  request
} from "../../../domain/protocol/JsonRpc.ts"
import type { UpstreamCall, UpstreamMessage } from "../connection/UpstreamConnection.ts"
import { metaOf } from "../../../domain/protocol/JsonObjects.ts"

export interface PendingCall {
  readonly id: number
  readonly call: UpstreamCall
  /** The request as sent. */
  readonly message: JsonRpcRequest
  readonly body: string
  /** The client's own progress token. */
  readonly token: JsonRpcId | undefined
  sent: boolean
  /** The first answer; later ones are late. */
  response: JsonRpcResponse | undefined
}

/** `answered`: this was the answer of the call whose stream it came on. */
export type Routed = boolean | "invalid"

export interface UpstreamHttpCalls {
  readonly open: (call: UpstreamCall) => PendingCall
  readonly close: (pending: PendingCall) => void
  /** Hands on a parsed JSON value that came on the stream of `origin`, or on no call's stream. */
  readonly route: (value: unknown, origin: PendingCall | undefined) => Routed
}

/** `paramsOf` gives the parameters as they go out, before the progress token is put in. */
export const make = (
  onMessage: (message: UpstreamMessage) => void,
  onLate: () => void,
  paramsOf: (call: UpstreamCall) => JsonObject | undefined = ({ params }) => params
): UpstreamHttpCalls => {
  const calls = new Map<number, PendingCall>()
  let lastId = 0

  const open = (call: UpstreamCall): PendingCall => {
    const id = ++lastId
    const token = progressToken(call.params)
    const params = paramsOf(call)
    const message = request(id, call.method, token === undefined ? params : withProgressToken(params!, id))
    const pending: PendingCall = {
      id,
      call,
      token,
      message,
      body: JSON.stringify(message),
      sent: false,
      response: undefined
    }
    calls.set(id, pending)
    return pending
  }

  const progress = (message: UpstreamMessage): void => {
    const pending = calls.get(message.params?.["progressToken"] as number)
    if (pending?.token === undefined || pending.response !== undefined) return onLate()
    pending.call.onMessage({ ...message, params: { ...message.params, progressToken: pending.token } })
  }

  const route = (value: unknown, origin: PendingCall | undefined): Routed => {
    const classified = classify(value)
    switch (classified.kind) {
      case "invalid":
        return "invalid"
      case "response": {
        if (
          origin === undefined ||
          origin.response !== undefined ||
          classified.message.id !== origin.id ||
          !calls.has(origin.id)
        ) {
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

  return { open, close: (pending) => void calls.delete(pending.id), route }
}

const progressToken = (params: JsonObject | undefined): JsonRpcId | undefined => {
  const token = metaOf(params)?.["progressToken"]
  return typeof token === "string" || typeof token === "number" ? token : undefined
}

const withProgressToken = (params: JsonObject, token: number): JsonObject => ({
  ...params,
  _meta: { ...metaOf(params), progressToken: token }
})
