/**
 * Carries one request to its upstream where at least one side is stateless.
 *
 * Both are: as it is, but that the upstream's `requestState` is sealed for the user on its way to the client and opened
 * on its way back. The upstream alone: its questions are asked in rounds, see `UpstreamRounds`. The client alone: the
 * open call is parked, see `ParkedCalls`.
 *
 * Source: MCP 2026-07-28, multi round-trip requests.
 */
import { Effect, Predicate } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { interactiveMethods } from "../../domain/protocol/eras/Admission.ts"
import { failure, type JsonObject, type JsonRpcRequest, type JsonRpcResponse } from "../../domain/protocol/JsonRpc.ts"
import { clientCapability } from "../../domain/protocol/Methods.ts"
import { urlElicitations } from "../../domain/protocol/eras/ToStateful.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import type { Call, Send } from "./Call.ts"
import type { ClientExchange } from "./ClientExchange.ts"
import { type ClientQuestions, undeclared } from "./ClientQuestions.ts"
import { admitQuestions, questionsOf } from "./InputQuestions.ts"
import type { OfferedCapabilities } from "./OfferedCapabilities.ts"
import type { Ask, Outcome, ParkedCalls } from "./ParkedCalls.ts"
import { MethodNotSupported, type RequestError, UserOverloaded } from "../../domain/requests/RequestErrors.ts"
import type { Content, RequestStates, Subject } from "./RequestStates.ts"
import type { UpstreamConnection, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import * as UpstreamRounds from "./UpstreamRounds.ts"
import { metaOf, objectOrEmpty } from "../../domain/protocol/JsonObjects.ts"
/** How a stateless client's retry goes on. */
export type Retry =
  | { readonly kind: "done"; readonly result: unknown }
  | {
      readonly kind: "send"
      readonly params: JsonObject | undefined
      /** The server whose state it is: nobody else's business. */
      readonly server?: string | undefined
    }

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
  readonly offered: OfferedCapabilities
  readonly states: RequestStates
  readonly parked: ParkedCalls
  readonly questions: ClientQuestions
  /** A place among the calls that a user may leave open at servers while nobody waits for them. */
  readonly openCalls: { readonly take: (user: UserId) => boolean; readonly give: (user: UserId) => void }
  readonly sendNow: UpstreamRounds.RoundsOptions["sendNow"]
  /** Runs in the session's scope. */
  readonly background: (effect: Effect.Effect<unknown, unknown>) => void
  /** Progress, log, and whatever else of a call's stream concerns the client or the session. */
  readonly onMessage: (call: Call, connection: UpstreamConnection, message: UpstreamMessage) => void
}

const subjectOf = ({ context, message }: Call): Subject => ({
  userId: context.principal.userId,
  sessionId: context.sessionId,
  method: message.method,
  params: message.params
})

/** A retry is a new request with a progress token of its own: what it is told carries that one. */
const ownExchange = ({ exchange, message: { params } }: Call): ClientExchange =>
  sendingBy(exchange, (message) => {
    if (!("method" in message) || message.method !== "notifications/progress") return exchange.send(message)
    const progressToken = metaOf(params)?.["progressToken"]
    return progressToken !== undefined && exchange.send({ ...message, params: { ...message.params, progressToken } })
  })

/** The same way back, but for the messages before the answer. */
const sendingBy = (exchange: ClientExchange, send: ClientExchange["send"]): ClientExchange => ({
  send,
  succeed: (result, requestId) => exchange.succeed(result, requestId),
  fail: (error, requestId) => exchange.fail(error, requestId),
  die: (cause, requestId) => exchange.die(cause, requestId)
})

/** No server was told that the client knows tasks, so whatever task is meant is not this client's. */
const noTasks = new MethodNotSupported({
  message: "Tasks are carried between clients and servers of revision 2025-11-25 alone; call the tool without one"
})

const tooManyOpen = new UserOverloaded({
  message: "This user has as many calls open as allowed, waiting for answers; answer one of them, or wait",
  retryAfterSeconds: 1
})

export const make = (options: BridgeOptions): EraBridge => {
  const { background, era, openCalls, parked, states } = options
  const rounds = UpstreamRounds.make(options)

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

  /** 2025-11-25: addresses the user has to visit before the request, sent again, can succeed. */
  const visiting = (call: Call, answer: Effect.Effect<unknown, RequestError>) =>
    Effect.catchTag(
      answer,
      "UpstreamErrorResponse",
      Effect.fnUntraced(function* (error): Effect.fn.Return<unknown, RequestError> {
        const { server } = error
        const visits = urlElicitations(error)
        if (visits === undefined) return yield* error
        yield* admitQuestions(call.message.method, server, visits, options.offered(server))
        return yield* sealed(call, visits, { upstream: { server } })
      })
    )

  const question = (call: Call, connection: UpstreamConnection, ask: Ask, message: JsonRpcRequest): void => {
    const reply = (response: JsonRpcResponse): void => background(connection.respond(response, call.context))
    const capability = clientCapability(message.method)
    if (message.method === "ping") return reply({ jsonrpc: "2.0", id: message.id, result: {} })
    if (capability === undefined || !(capability in options.offered(connection.server))) {
      return reply(failure(message.id, undeclared(message.method)))
    }
    ask.question(message, reply)
  }

  /** A stateless client's call to a stateful upstream: its questions park the call. */
  const park = (call: Call, connection: UpstreamConnection, params: JsonObject | undefined, send: Send) => {
    const { userId } = call.context.principal
    const run = (ask: Ask): Effect.Effect<unknown, RequestError> => {
      const asks = (message: JsonRpcRequest): void => question(call, connection, ask, message)
      const begin = Effect.suspend(() => {
        if (!openCalls.take(userId)) return tooManyOpen
        const inFlight = asking.get(connection.server) ?? new Set()
        asking.set(connection.server, inFlight.add(asks))
        return Effect.void
      })
      const end = Effect.sync(() => {
        const inFlight = asking.get(connection.server)
        inFlight?.delete(asks)
        if (inFlight?.size === 0) asking.delete(connection.server)
        openCalls.give(userId)
      })
      return Effect.acquireUseRelease(
        begin,
        () => parkable(ask, asks),
        () => end
      )
    }
    const parkable = (ask: Ask, asks: (message: JsonRpcRequest) => void) =>
      send(params, (message) => {
        if ("id" in message) return asks(message)
        if (message.method === "notifications/cancelled") return ask.withdraw(message.params?.["requestId"])
        options.onMessage({ ...call, exchange: sendingBy(call.exchange, ask.send) }, connection, message)
      })
    return visiting(
      call,
      Effect.flatMap(parked.start(connection.server, ownExchange(call), run, call.context.waits), (outcome) =>
        outcomeOf(call, outcome)
      )
    )
  }

  /** Both stateless: the upstream's own state goes to the client sealed for this user. */
  const passAsking = Effect.fnUntraced(function* (call: Call, server: string, result: unknown) {
    const asking = questionsOf(result)
    if (asking === undefined) return result
    const { inputRequests, requestState } = asking
    yield* admitQuestions(call.message.method, server, inputRequests, options.offered(server))
    const upstream = Predicate.isString(requestState) ? { server, state: requestState } : { server }
    const wrapped = yield* sealed(call, inputRequests, { upstream })
    return { ...(result as JsonObject), requestState: wrapped.requestState }
  })

  const carry: EraBridge["carry"] = (call, connection, params, send) => {
    const { method } = call.message
    if (method.startsWith("tasks/")) return noTasks
    if (era === "stateful") return rounds(call, connection, params, send)
    if (connection.era === "stateful" && interactiveMethods.has(method)) return park(call, connection, params, send)
    const sent = send(params, (message) => options.onMessage(call, connection, message))
    return connection.era === "stateless"
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
          return Effect.succeed({
            kind: "send",
            params: own === undefined ? rest : { ...rest, requestState: own },
            server: upstream?.server
          })
        }
        const resumed = parked.resume(
          job,
          ownExchange(call),
          objectOrEmpty(params["inputResponses"]),
          call.context.waits
        )
        return visiting(
          call,
          Effect.flatMap(resumed, (outcome) => outcomeOf(call, outcome))
        ).pipe(Effect.map((result): Retry => ({ kind: "done", result })))
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
