/**
 * JSON-RPC over the one channel a child process has: which answer belongs to which call, and which call a message of
 * the server belongs to.
 *
 * Ids and progress tokens are minted here, one namespace per connection, because the calls of several client requests
 * (which may all be called `1`) share the channel. Attribution of what the server sends on its own:
 * - progress goes by its token, with the client's own token put back;
 * - what a subscription brings goes to the request that opened it (revision 2026-07-28);
 * - a cancellation goes where the request it cancels went;
 * - requests (sampling, elicitation, roots), log messages and completed elicitations go to the call they name in
 *   `_meta` (our `mcphub/requestId` or progress token), else to the call in flight when there is exactly one, else to
 *   the connection: with several in flight the protocol does not say whose it is, and a guess could show one
 *   request's question to another. Where several users share the connection, the only call in flight is no evidence
 *   either: what a server says late, of a call that has timed out, would reach another user;
 * - everything else (`list_changed`, `resources/updated`) belongs to the connection.
 *
 * Source: MCP `basic/transports` (stdio), `basic/utilities/progress` and `cancellation`.
 */
import { Effect } from "effect"
import {
  classify,
  failure,
  isAnonymousError,
  isFailure,
  isSameId,
  type JsonObject,
  type JsonRpcErrorObject,
  type JsonRpcFailure,
  type JsonRpcId,
  type JsonRpcMessage,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type JsonRpcSuccess,
  notification,
  numericId,
  request,
  success,
  wasToAnswer
} from "../../../domain/protocol/JsonRpc.ts"
import { rpcCodes } from "../../../domain/protocol/ErrorCodes.ts"
import { metaOf, objectOrEmpty } from "../../../domain/protocol/JsonObjects.ts"
import { answeredId, maxBatch, readFromServer, serverError } from "../../../domain/protocol/json/ServerMessages.ts"
import { encodeMessage, type OutgoingMessage } from "../../../domain/protocol/json/CarriedJson.ts"
import { RawJson } from "../../../domain/protocol/json/RawJson.ts"
import { metaKeys } from "../../../domain/protocol/eras/RequestMeta.ts"
import type { UpstreamCall, UpstreamMessage } from "../connection/UpstreamConnection.ts"
import {
  protocolError,
  UpstreamErrorResponse,
  UpstreamFailed,
  UpstreamUnavailable
} from "../../../domain/requests/UpstreamErrors.ts"
import { answerLimits, tooLarge } from "../connection/AnswerLimits.ts"
import { messageUnits } from "../connection/PacedReading.ts"

/** The request's id in `params._meta` of everything sent to a stdio server. */
export const requestIdKey = "mcphub/requestId"

export interface StdioConnectionOptions {
  readonly server: string
  /** Queues one line; false when the child does not read. With `isLast`, what it carries is let go of once written. */
  readonly send: (line: OutgoingMessage, isLast: boolean) => boolean
  readonly onMessage: (message: UpstreamMessage) => void
  /** An answer to a request that has ended, or a second answer. */
  readonly onLate: () => void
  /** A line that is no JSON-RPC message. */
  readonly onNoise: () => void
  /** A receiver of a message failed: a defect of the hub's own. */
  readonly onDefect: (cause: unknown) => void
  /** What the server wrote about a failure, as it may be repeated: without the secrets it was started with. */
  readonly scrub: (error: JsonRpcErrorObject) => JsonRpcErrorObject
  /** Reading a message of the call, other than its answer, has cost N units (`PacedReading`). */
  readonly onWork?: (call: UpstreamCall, units: number) => void
  /** Several users' calls share the channel: what names no call belongs to none. */
  readonly severalUsers: boolean
  /** Whether requests carry the hub's request id (not with `context: "none"`). */
  readonly tag: boolean
  /** Revision 2026-07-28: what each request says about itself. The server may ask for nothing there. */
  readonly stateless?: ((call: UpstreamCall) => JsonObject) | undefined
}

type CallError = UpstreamFailed | UpstreamUnavailable | UpstreamErrorResponse

interface Pending {
  readonly call: UpstreamCall
  readonly clientToken: unknown
  readonly resume: (effect: Effect.Effect<unknown, CallError>) => void
}

export interface StdioConnection {
  readonly request: (call: UpstreamCall) => Effect.Effect<unknown, CallError>
  readonly notify: (method: string, params: JsonObject | undefined) => Effect.Effect<void, UpstreamUnavailable>
  readonly respond: (response: JsonRpcResponse) => Effect.Effect<void, UpstreamUnavailable>
  /** One line from the server, or what it says, where its result was not read; the units it costs (`PacedReading`). */
  readonly receive: (line: string | JsonRpcSuccess) => number
  /** A line exceeded its limit or its user's: whose answer it was is not known, so every call in flight fails. */
  readonly overflow: (whose: "line" | "user") => void
  /** The server is gone: fails what is in flight and whatever comes. */
  readonly end: (reason: string) => void
}

/** Requests of the server that may wait for an answer: more are refused, since each is remembered. */
const maxServerRequests = 1024

export const make = (options: StdioConnectionOptions): StdioConnection => {
  const { server } = options
  const pending = new Map<number, Pending>()
  const serverRequests = new Map<JsonRpcId, UpstreamCall | undefined>()
  let lastId = 0
  let ended: string | undefined

  const send = (message: JsonRpcMessage) => options.send(encodeMessage(message), true)

  const unsent = () =>
    ended === undefined
      ? new UpstreamUnavailable({
          server,
          reason: "backoff",
          message: `Server "${server}" does not read what it is sent; try again when its running calls have ended`,
          retryAfterMs: 1_000
        })
      : new UpstreamUnavailable({ server, reason: "exited", message: ended })

  const deliver = (call: UpstreamCall | undefined, message: UpstreamMessage) => {
    if (call !== undefined) options.onWork?.(call, messageUnits)
    try {
      if (call === undefined) options.onMessage(message)
      else call.onMessage(message)
    } catch (cause) {
      options.onDefect(cause)
    }
  }

  const failAll = (error: () => UpstreamFailed) => {
    const calls = [...pending.values()]
    pending.clear()
    for (const { resume } of calls) resume(Effect.fail(error()))
  }

  /** What the server answered to the call, in a line of so many characters. */
  const outcomeOf = (
    call: UpstreamCall,
    response: JsonRpcResponse,
    length: number
  ): Effect.Effect<unknown, CallError> => {
    if (call.maxBytes !== undefined && length > call.maxBytes) {
      return Effect.fail(tooLarge(server, "body", call.maxBytes))
    }
    if (isFailure(response)) {
      const { code, data, message } = options.scrub(serverError(response.error))
      return Effect.fail(new UpstreamErrorResponse({ server, code, message, ...(data === undefined ? {} : { data }) }))
    }
    const { result } = response
    if (!(result instanceof RawJson) || call.raw === true) return Effect.succeed(result)
    const read = readFromServer(result.text())
    return read.ok ? Effect.succeed(read.value) : Effect.fail(unreadable(read.reason))
  }

  const unreadable = (reason: string): UpstreamFailed =>
    protocolError(server, "body", `sent an answer that ${reason}; report this to its author`)

  const answered = (response: JsonRpcResponse, length: number): number => {
    const id = numericId(response.id)
    const entry = pending.get(id)
    if (entry === undefined) {
      options.onLate()
      return messageUnits
    }
    pending.delete(id)
    entry.resume(outcomeOf(entry.call, response, length))
    return 0
  }

  /** A line that nobody can read as a message: at most the call it was to answer fails of it. */
  const refused = (written: unknown, reason: string) => {
    const id = numericId(written)
    const entry = pending.get(id)
    if (entry === undefined) return options.onNoise()
    pending.delete(id)
    entry.resume(Effect.fail(unreadable(reason)))
  }

  /**
   * The id of the first request, while it is the only thing that was sent. Later on, an error that names no request may
   * be about a notification.
   */
  const introduction = (): number | undefined => {
    const [first] = pending
    return first !== undefined && lastId === 1 && isFirst(first[1].call.method) ? first[0] : undefined
  }

  /** The call a message names, or, where one user has the connection, the only one in flight. */
  const related = (message: UpstreamMessage): UpstreamCall | undefined => {
    const meta = metaOf(message.params)
    if (meta !== undefined) {
      const { progressToken, [requestIdKey]: requestId } = meta
      const byToken = pending.get(tokenId(progressToken))
      if (byToken !== undefined) return byToken.call
      if (requestId !== undefined) {
        for (const { call } of pending.values()) if (call.context.requestId === requestId) return call
      }
    }
    if (options.severalUsers) return undefined
    const calls = [...pending.values()].filter(({ call }) => call.method !== "subscriptions/listen")
    return calls.length === 1 ? calls[0]!.call : undefined
  }

  const subscriptionOf = (id: unknown): Pending | undefined => {
    const entry = options.stateless === undefined ? undefined : pending.get(numericId(id))
    return entry?.call.method === "subscriptions/listen" ? entry : undefined
  }

  const requested = (message: JsonRpcRequest) => {
    if (message.method === "ping") return void send(success(message.id, {}))
    if (options.stateless !== undefined) {
      const error = { code: rpcCodes.methodNotFound, message: "In this revision a server asks by its result alone" }
      return void send(failure(message.id, error))
    }
    if (serverRequests.size >= maxServerRequests) {
      const refusal = { code: rpcCodes.internal, message: "Too many requests of this server wait for an answer" }
      return void send(failure(message.id, refusal))
    }
    const call = related(message)
    serverRequests.set(message.id, call)
    deliver(call, message)
  }

  const notified = (message: JsonRpcNotification) => {
    const { params } = message
    switch (message.method) {
      case "notifications/progress": {
        const entry = pending.get(tokenId(params?.["progressToken"]))
        // Progress of a call that has ended, or that asked for none.
        if (entry === undefined || (entry.clientToken === undefined && entry.call.onProgress === undefined)) {
          return options.onNoise()
        }
        entry.call.onProgress?.()
        if (entry.clientToken === undefined) return
        return deliver(entry.call, { ...message, params: { ...params, progressToken: entry.clientToken } })
      }
      case "notifications/cancelled": {
        const id = params?.["requestId"] as JsonRpcId
        const subscription = subscriptionOf(id)
        // The server ends a subscription the way a client does.
        if (subscription !== undefined) {
          pending.delete(numericId(id))
          return subscription.resume(Effect.succeed({}))
        }
        const asked = serverRequests.has(id) ? id : [...serverRequests.keys()].find((one) => isSameId(one, id))
        if (asked === undefined) return options.onNoise()
        const call = serverRequests.get(asked)
        serverRequests.delete(asked)
        return deliver(call, message)
      }
      case "notifications/message":
      case "notifications/elicitation/complete":
        return deliver(related(message), message)
      default: {
        const id = metaOf(params)?.[metaKeys.subscriptionId]
        if (options.stateless === undefined || id === undefined) return deliver(undefined, message)
        const subscription = subscriptionOf(id)
        // Of one that has ended.
        return subscription === undefined ? options.onNoise() : deliver(subscription.call, message)
      }
    }
  }

  /** The units it costs. */
  const handle = (value: unknown, length: number): number => {
    const asked = isAnonymousError(value) ? introduction() : undefined
    if (asked !== undefined) return answered({ ...(value as JsonRpcFailure), id: asked }, length)
    const classified = classify(value)
    if (classified.kind === "response") return answered(classified.message, length)
    if (classified.kind === "request") requested(classified.message)
    else if (classified.kind === "notification") notified(classified.message)
    else if (wasToAnswer(value)) refused(classified.id, "is not a JSON-RPC message")
    else options.onNoise()
    return messageUnits
  }

  return {
    request: (call) =>
      Effect.callback<unknown, CallError>((resume) => {
        if (ended !== undefined) return resume(Effect.fail(unsent()))
        const id = ++lastId
        const { clientToken, params } = outgoing(call, options.stateless?.(call) ?? call.params, id, options.tag)
        pending.set(id, { call, clientToken, resume })
        if (!options.send(encodeMessage(request(id, call.method, params)), call.raw === true)) {
          pending.delete(id)
          return resume(Effect.fail(unsent()))
        }
        return Effect.sync(() => {
          // MCP `basic/utilities/cancellation`: initialize must not be cancelled.
          if (!pending.delete(id) || call.method === "initialize") return
          send(notification("notifications/cancelled", { requestId: id, reason: "The request was cancelled" }))
        })
      }),
    notify: (method, params) =>
      Effect.suspend(() => {
        // A cancellation is told by interrupting the call, under this channel's id: a client's id names nothing here.
        if (method === "notifications/cancelled" || method === "notifications/initialized") return Effect.void
        return send(notification(method, params)) ? Effect.void : Effect.fail(unsent())
      }),
    respond: (response) =>
      Effect.suspend(() => {
        // Answered, cancelled or unknown: a second answer would confuse the server.
        if (!serverRequests.delete(response.id as JsonRpcId)) return Effect.void
        return send(response) ? Effect.void : Effect.fail(unsent())
      }),
    receive: (line) => {
      if (typeof line !== "string") return answered(line, line.result instanceof RawJson ? line.result.byteLength : 0)
      const read = readFromServer(line)
      if (!read.ok) {
        refused(answeredId(line), read.reason)
        return messageUnits
      }
      // Batches exist in 2025-03-26.
      if (!Array.isArray(read.value)) return handle(read.value, line.length)
      if (read.value.length === 0 || read.value.length > maxBatch) {
        options.onNoise()
        return messageUnits
      }
      return read.value.reduce((units: number, value) => units + handle(value, line.length), 0)
    },
    overflow: (whose) =>
      failAll(
        () =>
          new UpstreamFailed({
            server,
            reason: "too-large",
            phase: "body",
            message:
              whose === "line"
                ? `Server "${server}" sent a message larger than the hub accepts; ask it for less at a time`
                : `A message of server "${server}" was given up, as ${answerLimits}; fetch fewer at a time`
          })
      ),
    end: (reason) => {
      if (ended !== undefined) return
      ended = reason
      failAll(() => new UpstreamFailed({ server, reason: "closed", phase: "headers", message: reason }))
      serverRequests.clear()
    }
  }
}

const isFirst = (method: string): boolean => method === "initialize" || method === "server/discover"

const tokenPrefix = "mcphub-"

const tokenId = (token: unknown): number =>
  typeof token === "string" && token.startsWith(tokenPrefix) ? Number(token.slice(tokenPrefix.length)) : Number.NaN

/** The call's params with a progress token and request id of the hub's own in place of the client's. */
const outgoing = (call: UpstreamCall, sent: JsonObject | undefined, id: number, tag: boolean) => {
  const given = sent?.["_meta"]
  const { progressToken: clientToken, [requestIdKey]: _, ...meta } = objectOrEmpty(given)
  const own = {
    ...meta,
    ...(clientToken === undefined && call.onProgress === undefined ? {} : { progressToken: `${tokenPrefix}${id}` }),
    ...(tag ? { [requestIdKey]: call.context.requestId } : {})
  }
  const params = given === undefined && Object.keys(own).length === 0 ? sent : { ...sent, _meta: own }
  return { clientToken, params }
}
