/**
 * Carries a stateful client's request to a stateless upstream: what the upstream asks for by `input_required` becomes
 * real requests on the client's own stream, and the request is sent again with the answers, until it is done.
 *
 * Source: MCP 2026-07-28, multi round-trip requests.
 */
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { isFailure, type JsonObject, type JsonRpcRequest, type JsonRpcResponse } from "../../domain/protocol/JsonRpc.ts"
import { isJsonObject, textOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import type { Call, Send } from "./Call.ts"
import type { ClientQuestions } from "./ClientQuestions.ts"
import { admitQuestions, questionsOf } from "./InputQuestions.ts"
import type { OfferedCapabilities } from "./OfferedCapabilities.ts"
import { InvalidParams, type RequestError } from "../../domain/requests/RequestErrors.ts"
import type { UpstreamConnection, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import { UpstreamErrorResponse, UpstreamFailed } from "../../domain/requests/UpstreamErrors.ts"

export interface RoundsOptions {
  readonly offered: OfferedCapabilities
  readonly questions: ClientQuestions
  /** On the session's own stream, where the call's is gone. */
  readonly sendNow: (message: JsonRpcRequest) => boolean
  readonly onMessage: (call: Call, connection: UpstreamConnection, message: UpstreamMessage) => void
}

export type Rounds = (
  call: Call,
  connection: UpstreamConnection,
  params: JsonObject | undefined,
  send: Send
) => Effect.Effect<unknown, RequestError>

/** An upstream that keeps asking is not served for ever. */
const maxRounds = 8

/** The stateful revisions know a visit to an address by an id. */
const identified = (params: JsonObject): JsonObject =>
  params["mode"] === "url" ? { ...params, elicitationId: randomUUID() } : params

export const make = ({ offered, onMessage, questions, sendNow }: RoundsOptions): Rounds => {
  const askClient = (call: Call, server: string, key: string, asked: JsonObject): Effect.Effect<JsonRpcResponse> =>
    Effect.callback((resume) => {
      const params = isJsonObject(asked["params"]) ? identified(asked["params"]) : undefined
      const message: JsonRpcRequest = { jsonrpc: "2.0", id: key, method: textOrEmpty(asked["method"]), params }
      questions.ask(server, message, {
        reply: (response) => resume(Effect.succeed(response)),
        send: (outgoing) =>
          call.exchange.send(outgoing) || ("id" in outgoing && "method" in outgoing && sendNow(outgoing)),
        record: call.record
      })
    })

  const answers = Effect.fnUntraced(function* (
    call: Call,
    server: string,
    asked: Readonly<Record<string, JsonObject>>
  ) {
    const responses = yield* Effect.forEach(
      Object.entries(asked),
      ([key, one]) => Effect.map(askClient(call, server, key, one), (response) => [key, response] as const),
      { concurrency: "unbounded" }
    )
    const given: Record<string, unknown> = {}
    for (const [key, response] of responses) {
      if (isFailure(response)) {
        const { code, data, message } = response.error
        return yield* new UpstreamErrorResponse({ server, code, message, ...(data === undefined ? {} : { data }) })
      }
      given[key] = response.result
    }
    return given
  })

  return Effect.fnUntraced(function* (call, connection, params, send) {
    const { server } = connection
    if (params?.["task"] !== undefined) {
      return yield* new InvalidParams({
        message: `Server ${server} speaks a revision without the tasks of 2025-11-25; call the tool without "params.task"`
      })
    }
    let next = params
    for (let round = 0; round < maxRounds; round++) {
      const result = yield* send(next, (message) => onMessage(call, connection, message))
      const asking = questionsOf(result)
      if (asking === undefined) return result
      const asked = yield* admitQuestions(call.message.method, server, asking.inputRequests, offered(server))
      const inputResponses = yield* answers(call, server, asked)
      const { requestState } = asking
      next = { ...params, inputResponses, ...(requestState === undefined ? {} : { requestState }) }
    }
    return yield* new UpstreamFailed({
      server,
      reason: "protocol",
      phase: "body",
      message: `Server ${server} asked for input ${maxRounds} times without answering; the call was given up`
    })
  })
}
