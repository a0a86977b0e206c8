/**
 * Carries one request to its upstream across the eras, in all four combinations.
 *
 * Same era: as it is (a stateless upstream's `requestState` is sealed for the user on its way to the client and opened
 * on its way back). Stateful client, stateless upstream: what the upstream asks for by `input_required` becomes real
 * requests on the client's stream, and the hub sends the request again with the answers. Stateless client, stateful
 * upstream: the open call is parked, see `ParkedCalls`.
 *
 * Source: MCP 2026-07-28, multi round-trip requests.
 */
import { Effect, Predicate } from "effect"
import {
  failure,
  isFailure,
  type JsonObject,
  type JsonRpcRequest,
  type JsonRpcResponse
} from "../domain/protocol/JsonRpc.ts"
import { clientCapability } from "../domain/protocol/Methods.ts"
import type { Era } from "../domain/protocol/Versions.ts"
import type { Call } from "./Call.ts"
import type { ClientExchange } from "./ClientExchange.ts"
import { type ClientRequests, undeclared } from "./ClientRequests.ts"
import type { Ask, Outcome, ParkedCalls } from "./ParkedCalls.ts"
import type { RequestError } from "./RequestErrors.ts"
import type { Content, RequestStates, Subject } from "./RequestStates.ts"
import { UpstreamErrorResponse, UpstreamFailed } from "./upstream/UpstreamErrors.ts"
import type { UpstreamConnection, UpstreamMessage } from "./upstream/UpstreamConnection.ts"

/** Sends the request with these params; messages of the upstream on its stream go to `onMessage`. */
export type Send = (
  params: JsonObject | undefined,
  onMessage: (message: UpstreamMessage) => void
) => Effect.Effect<unknown, RequestError>

/** How a stateless client's retry goes on. */
export type Retry =
  | { readonly kind: "done"; readonly result: unknown }
  | { readonly kind: "send"; readonly params: JsonObject | undefined }

export interface EraBridge {
  readonly carry: (
    call: Call,
    connection: UpstreamConnection,
    params: JsonObject | undefined,
    send: Send
  ) => Effect.Effect<unknown, RequestError>
  /**
   * A question of a stateful upstream that came on no call's stream: it can only be asked on behalf of a call, so it is
   * the one in flight there, if there is exactly one. False: nobody can be asked.
   */
  readonly attribute: (server: string, message: JsonRpcRequest) => boolean
  /** Opens the `requestState` of a retry; a request without one is sent as it is. */
  readonly retry: (call: Call) => Effect.Effect<Retry, RequestError>
}

export interface BridgeOptions {
  readonly era: Era
  readonly capabilities: JsonObject
  readonly states: RequestStates
  readonly parked: ParkedCalls
  readonly questions: ClientRequests
  /** Runs in the session's scope. */
  readonly background: (effect: Effect.Effect<unknown, unknown>) => void
  /** Progress, log, and whatever else of a call's stream concerns the client or the session. */
  readonly onMessage: (call: Call, connection: UpstreamConnection, message: UpstreamMessage) => void
}

/** Only these may take several rounds. */
const roundTrip = new Set(["tools/call", "prompts/get", "resources/read"])
/** An upstream that keeps asking is not served for ever. */
const maxRounds = 8

const subjectOf = ({ context, message, principal }: Call): Subject => ({
  userId: principal.userId,
  sessionId: context.sessionId,
  method: message.method,
  name: String(message.params?.["name"] ?? message.params?.["uri"] ?? "")
})

const isAsking = (result: unknown): result is JsonObject =>
  Predicate.isObject(result) && (result as JsonObject)["resultType"] === "input_required"

/** A retry is a new request with a progress token of its own: what it is told carries that one. */
const ownExchange = ({ exchange, message: { params } }: Call): ClientExchange => ({
  ...exchange,
  send: (message) => {
    if (!("method" in message) || message.method !== "notifications/progress") return exchange.send(message)
    const progressToken = objectAt(params ?? {}, "_meta")["progressToken"]
    return progressToken !== undefined && exchange.send({ ...message, params: { ...message.params, progressToken } })
  }
})

const objectAt = (value: JsonObject, field: string): JsonObject => {
  const found = value[field]
  return Predicate.isObject(found) ? (found as JsonObject) : {}
}

export const make = (options: BridgeOptions): EraBridge => {
  const { background, era, parked, questions, states } = options

  /** Calls that may park, by server. */
  const asking = new Map<string, Set<(message: JsonRpcRequest) => void>>()

  const sealed = (call: Call, inputRequests: JsonObject, content: Content) =>
    Effect.map(states.seal(subjectOf(call), content), (requestState) => ({
      resultType: "input_required",
      inputRequests,
      requestState
    }))

  const outcomeOf = (call: Call, outcome: Outcome): Effect.Effect<unknown> =>
    outcome.kind === "result"
      ? Effect.succeed(outcome.result)
      : sealed(call, outcome.inputRequests, { job: outcome.job })

  const question = (call: Call, connection: UpstreamConnection, ask: Ask, message: JsonRpcRequest): void => {
    const reply = (response: JsonRpcResponse): void => background(connection.respond(response, call.context))
    const capability = clientCapability(message.method)
    if (message.method === "ping") return reply({ jsonrpc: "2.0", id: message.id, result: {} })
    if (capability === undefined || !(capability in options.capabilities)) {
      return reply(failure(message.id, undeclared(message.method)))
    }
    ask.question(message, reply)
  }

  /** A stateless client's call to a stateful upstream: its questions park the call. */
  const park = (call: Call, connection: UpstreamConnection, params: JsonObject | undefined, send: Send) => {
    const run = (ask: Ask) => {
      const asks = (message: JsonRpcRequest): void => question(call, connection, ask, message)
      const inFlight = asking.get(connection.server) ?? new Set()
      asking.set(connection.server, inFlight.add(asks))
      const ended = Effect.sync(() => {
        inFlight.delete(asks)
        if (inFlight.size === 0) asking.delete(connection.server)
      })
      return Effect.ensuring(parkable(ask, asks), ended)
    }
    const parkable = (ask: Ask, asks: (message: JsonRpcRequest) => void) =>
      send(params, (message) => {
        if ("id" in message) return asks(message)
        if (message.method === "notifications/cancelled") return ask.withdraw(message.params?.["requestId"])
        options.onMessage({ ...call, exchange: { ...call.exchange, send: ask.send } }, connection, message)
      })
    return Effect.flatMap(parked.start(ownExchange(call), run), (outcome) => outcomeOf(call, outcome))
  }

  /** One question of a stateless upstream, asked for real. */
  const askClient = (call: Call, server: string, key: string, asked: JsonObject): Effect.Effect<JsonRpcResponse> =>
    Effect.callback((resume) => {
      const params = asked["params"] === undefined ? undefined : objectAt(asked, "params")
      const message: JsonRpcRequest = { jsonrpc: "2.0", id: key, method: String(asked["method"]), params }
      questions.ask(server, message, {
        reply: (response) => resume(Effect.succeed(response)),
        send: call.exchange.send,
        record: call.record
      })
    })

  /** A stateful client's call to a stateless upstream: asked, answered, sent again. */
  const rounds = Effect.fnUntraced(function* (
    call: Call,
    connection: UpstreamConnection,
    params: JsonObject | undefined,
    send: Send
  ) {
    const { server } = connection
    let next = params
    for (let round = 0; round < maxRounds; round++) {
      const result = yield* send(next, (message) => options.onMessage(call, connection, message))
      if (!isAsking(result)) return result
      const answers = yield* Effect.forEach(
        Object.entries(objectAt(result, "inputRequests")),
        ([key, asked]) =>
          Effect.map(
            askClient(call, server, key, Predicate.isObject(asked) ? (asked as JsonObject) : {}),
            (response) => [key, response] as const
          ),
        { concurrency: "unbounded" }
      )
      const inputResponses: Record<string, unknown> = {}
      for (const [key, response] of answers) {
        if (isFailure(response)) {
          const { code, data, message } = response.error
          return yield* new UpstreamErrorResponse({ server, code, message, ...(data === undefined ? {} : { data }) })
        }
        inputResponses[key] = response.result
      }
      const state = result["requestState"]
      next = { ...params, inputResponses, ...(state === undefined ? {} : { requestState: state }) }
    }
    return yield* new UpstreamFailed({
      server,
      reason: "protocol",
      phase: "body",
      message: `Server ${server} asked for input ${maxRounds} times without answering; the call was given up`
    })
  })

  /** Both stateless: the upstream's own state goes to the client sealed for this user. */
  const passAsking = (call: Call, server: string, result: unknown): Effect.Effect<unknown> => {
    if (!isAsking(result)) return Effect.succeed(result)
    const state = result["requestState"]
    const upstream = Predicate.isString(state) ? { server, state } : { server }
    return Effect.map(sealed(call, objectAt(result, "inputRequests"), { upstream }), (wrapped) => ({
      ...result,
      requestState: wrapped.requestState
    }))
  }

  const carry: EraBridge["carry"] = (call, connection, params, send) => {
    if (era === "stateful" && connection.era === "stateless") return rounds(call, connection, params, send)
    if (era === "stateless" && connection.era === "stateful" && roundTrip.has(call.message.method)) {
      return park(call, connection, params, send)
    }
    const sent = send(params, (message) => options.onMessage(call, connection, message))
    return era === "stateless" && connection.era === "stateless"
      ? Effect.flatMap(sent, (result) => passAsking(call, connection.server, result))
      : sent
  }

  const retry: EraBridge["retry"] = (call) => {
    const params = call.message.params
    const state = params?.["requestState"]
    if (params === undefined || state === undefined || era === "stateful") {
      return Effect.succeed({ kind: "send", params })
    }
    return Effect.flatMap(
      states.open(subjectOf(call), state),
      ({ job, upstream }): Effect.Effect<Retry, RequestError> => {
        if (job === undefined) {
          const { requestState: _, ...rest } = params
          const own = upstream?.state
          return Effect.succeed({ kind: "send", params: own === undefined ? rest : { ...rest, requestState: own } })
        }
        return parked.resume(job, ownExchange(call), objectAt(params, "inputResponses")).pipe(
          Effect.flatMap((outcome) => outcomeOf(call, outcome)),
          Effect.map((result): Retry => ({ kind: "done", result }))
        )
      }
    )
  }

  const attribute: EraBridge["attribute"] = (server, message) => {
    const inFlight = [...(asking.get(server) ?? [])]
    if (inFlight.length !== 1) return false
    inFlight[0]!(message)
    return true
  }

  return { attribute, carry, retry }
}
