/**
 * Carries a stateful client's request to a stateless upstream: what the upstream asks for by `input_required` becomes
 * real requests on the client's own stream, and the request is sent again with the answers, until it is done.
 *
 * Source: MCP 2026-07-28, multi round-trip requests.
 */
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { isFailure, type JsonObject, type JsonRpcRequest, type JsonRpcResponse } from "../../domain/protocol/JsonRpc.ts"
import { CarriedJson, carriedInAnswer } from "../../domain/protocol/json/CarriedJson.ts"
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

/** On whose behalf a server asks. */
interface Asking {
  readonly call: Call
  readonly server: string
  readonly held: HeldAnswers
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
  const askClient = ({ call, held, server }: Asking, key: string, asked: JsonObject): Effect.Effect<JsonRpcResponse> =>
    Effect.callback((resume) => {
      const params = isJsonObject(asked["params"]) ? identified(asked["params"]) : undefined
      const message: JsonRpcRequest = { jsonrpc: "2.0", id: key, method: textOrEmpty(asked["method"]), params }
      questions.ask(server, message, {
        reply: (response) => {
          held.take(response)
          resume(Effect.succeed(response))
        },
        send: (outgoing) =>
          call.exchange.send(outgoing) || ("id" in outgoing && "method" in outgoing && sendNow(outgoing)),
        record: call.record
      })
    })

  const answers = Effect.fnUntraced(function* (asking: Asking, asked: Readonly<Record<string, JsonObject>>) {
    const responses = yield* Effect.forEach(
      Object.entries(asked),
      ([key, one]) => Effect.map(askClient(asking, key, one), (response) => [key, response] as const),
      { concurrency: "unbounded" }
    )
    const given: Record<string, unknown> = {}
    for (const [key, response] of responses) {
      if (isFailure(response)) {
        const { code, data, message } = response.error
        const { server } = asking
        // The client knows what it said; what is large of it is not sent back.
        const told = data === undefined || data instanceof CarriedJson ? {} : { data }
        return yield* new UpstreamErrorResponse({ server, code, message, ...told })
      }
      given[key] = response.result
    }
    return given
  })

  const go = Effect.fnUntraced(function* (
    asking: Asking,
    connection: UpstreamConnection,
    params: JsonObject | undefined,
    send: Send
  ): Effect.fn.Return<unknown, RequestError> {
    const { call, server } = asking
    if (params?.["task"] !== undefined) {
      return yield* new InvalidParams({
        message: `Server ${server} speaks a revision without the tasks of 2025-11-25; call the tool without "params.task"`
      })
    }
    let next = params
    for (let round = 0; round < maxRounds; round++) {
      const result = yield* send(next, (message) => onMessage(call, connection, message))
      asking.held.letGo()
      const questions = questionsOf(result)
      if (questions === undefined) return result
      const asked = yield* admitQuestions(call.message.method, server, questions.inputRequests, offered(server))
      const inputResponses = yield* answers(asking, asked)
      const { requestState } = questions
      next = { ...params, inputResponses, ...(requestState === undefined ? {} : { requestState }) }
    }
    return yield* new UpstreamFailed({
      server,
      reason: "protocol",
      phase: "body",
      message: `Server ${server} asked for input ${maxRounds} times without answering; the call was given up`
    })
  })

  return (call, connection, params, send) =>
    Effect.suspend(() => {
      const held = new HeldAnswers()
      const carried = go({ call, held, server: connection.server }, connection, params, send)
      return Effect.ensuring(
        carried,
        Effect.sync(() => held.end())
      )
    })
}

/** The client's large answers, until they have been sent on. */
class HeldAnswers {
  private carried: Array<CarriedJson> = []
  private hasEnded = false

  take(response: JsonRpcResponse): void {
    const carried = carriedInAnswer(response)
    if (carried === undefined || this.hasEnded) return
    carried.isTaken = true
    this.carried.push(carried)
  }

  letGo(): void {
    for (const carried of this.carried) carried.release()
    this.carried = []
  }

  end(): void {
    this.hasEnded = true
    this.letGo()
  }
}
