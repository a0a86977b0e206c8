/**
 * Requests of upstream servers to the client (elicitation, sampling, roots): each goes out under a random id owned by
 * this session, on the stream of the request it belongs to, and the answer finds its way back to the very connection
 * that asked. An answer with an id this session never gave out is dropped.
 */
import { randomUUID } from "node:crypto"
import {
  failure,
  isFailure,
  isSameId,
  type JsonObject,
  type JsonRpcErrorObject,
  type JsonRpcId,
  type JsonRpcMessage,
  type JsonRpcRequest,
  type JsonRpcResponse,
  notification,
  request,
  success
} from "../../domain/protocol/JsonRpc.ts"
import { hubCodes, rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import { clientCapability } from "../../domain/protocol/Methods.ts"
import type { RequestRecord } from "../requests/RequestTracker.ts"
import type { OfferedCapabilities } from "./OfferedCapabilities.ts"
import { metaOf, textOrEmpty } from "../../domain/protocol/JsonObjects.ts"

export interface Asking {
  /** Takes the answer, under the id of the question as it was asked. */
  readonly reply: (response: JsonRpcResponse) => void
  /** Takes the client's progress on the question, with the token as it was asked. */
  readonly progress?: ((params: JsonObject) => void) | undefined
  /** Sends to the client; false where no stream is there to carry it. */
  readonly send: (message: JsonRpcMessage) => boolean
  /** The request on whose behalf is asked: its clock stands still meanwhile. */
  readonly record?: RequestRecord | undefined
}

interface Pending extends Asking {
  readonly server: string
  readonly upstreamId: JsonRpcId
}

export interface ClientQuestions {
  readonly ask: (server: string, message: JsonRpcRequest, asking: Asking) => void
  /** The client's answer; false when nothing was asked under this id. */
  readonly answer: (response: JsonRpcResponse) => boolean
  /** The upstream takes a question back. */
  readonly withdraw: (server: string, params: JsonObject | undefined) => void
  /** The call a question belonged to has ended. */
  readonly settle: (record: RequestRecord) => void
  /** The client's progress on a question, in the upstream's own token. */
  readonly progress: (params: JsonObject | undefined) => void
  readonly pending: () => number
}

/** Of one session; the clock of a call stands still while it asks, so that time alone would not end a flood. */
const maxPending = 1024

/** An upstream asks for what the client has not offered. */
export const undeclared = (method: string): JsonRpcErrorObject => ({
  code: rpcCodes.methodNotFound,
  message: `The client did not declare what ${method} needs`
})

export const make = (offered: OfferedCapabilities): ClientQuestions => {
  const asked = new Map<JsonRpcId, Pending>()
  const tokens = new Map<string, { readonly pending: Pending; readonly token: unknown }>()

  const forget = (id: JsonRpcId, pending: Pending): void => {
    asked.delete(id)
    tokens.delete(String(id))
    pending.record?.resume()
  }

  const ask: ClientQuestions["ask"] = (server, message, asking) => {
    if (message.method === "ping") return asking.reply(success(message.id, {}))
    const capability = clientCapability(message.method)
    if (capability === undefined || !(capability in offered(server))) {
      return asking.reply(failure(message.id, undeclared(message.method)))
    }
    if (asked.size >= maxPending) {
      const refusal = { code: rpcCodes.internal, message: "Too many questions to this client wait for an answer" }
      return asking.reply(failure(message.id, refusal))
    }
    const id = randomUUID()
    const pending: Pending = { ...asking, server, upstreamId: message.id }
    const meta = metaOf(message.params)
    const token = meta?.["progressToken"]
    const params =
      token === undefined || message.params === undefined
        ? message.params
        : { ...message.params, _meta: { ...meta, progressToken: id } }
    if (token !== undefined) tokens.set(id, { pending, token })
    asked.set(id, pending)
    asking.record?.pause()
    if (!asking.send(request(id, message.method, params))) {
      forget(id, pending)
      const error = {
        code: hubCodes.upstreamUnavailable,
        message: "The client has no stream open on which it could be asked"
      }
      asking.reply(failure(message.id, error))
    }
  }

  const withdraw: ClientQuestions["withdraw"] = (server, params) => {
    for (const [id, pending] of asked) {
      if (pending.server !== server || !isSameId(pending.upstreamId, params?.["requestId"])) continue
      forget(id, pending)
      pending.send(notification("notifications/cancelled", { ...params, requestId: id }))
    }
  }

  return {
    ask,
    withdraw,
    answer: (response) => {
      if (response.id === undefined || response.id === null) return false
      const pending = asked.get(response.id)
      if (pending === undefined) return false
      forget(response.id, pending)
      pending.reply(
        isFailure(response) ? failure(pending.upstreamId, response.error) : success(pending.upstreamId, response.result)
      )
      return true
    },
    settle: (record) => {
      for (const [id, pending] of asked) {
        if (pending.record !== record) continue
        forget(id, pending)
        pending.send(
          notification("notifications/cancelled", { requestId: id, reason: "The request it belonged to has ended" })
        )
      }
    },
    progress: (params) => {
      const known = tokens.get(textOrEmpty(params?.["progressToken"]))
      known?.pending.progress?.({ ...params, progressToken: known.token })
    },
    pending: () => asked.size
  }
}
