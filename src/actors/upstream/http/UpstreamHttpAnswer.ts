/**
 * Turns the end of an exchange into the result or the error of its call.
 *
 * An answer counts wherever HTTP allows one: in a JSON body, on the event stream, or as a JSON-RPC error under an HTTP
 * error status. An event stream that ends early is resumed from its last event (MCP `basic/transports`, resumability)
 * when the server gives event ids, until the caller's deadline.
 */
import { Deferred, Effect } from "effect"
import {
  isAnonymousError,
  isFailure,
  type JsonRpcFailure,
  type JsonRpcResponse,
  type JsonRpcSuccess
} from "../../../domain/protocol/JsonRpc.ts"
import { readFromServer, serverError } from "../../../domain/protocol/json/ServerMessages.ts"
import { shortened, wordsIn } from "../../../domain/protocol/json/ServerWords.ts"
import { statelessCodes } from "../../../domain/protocol/eras/StatelessErrors.ts"
import type { Era } from "../../../domain/protocol/Versions.ts"
import { UpstreamErrorResponse, type UpstreamError, protocolError } from "../../../domain/requests/UpstreamErrors.ts"
import type { PendingCall, UpstreamHttpCalls } from "./UpstreamHttpCalls.ts"
import { closedError, statusError } from "./UpstreamHttpErrors.ts"
import type { ResponseHead } from "./ResponseHead.ts"
import type { ExchangeEnd } from "./ExchangeRequest.ts"
import type { UpstreamHttpWire } from "./UpstreamHttpWire.ts"
import { retryAfterMs } from "./RetryAfter.ts"

/** Milliseconds before a stream is resumed when the server names no time, and at the least. */
const resumeMs = 1_000
const minResumeMs = 100
const maxResumeMs = 30_000

export interface AnswerOptions {
  readonly server: string
  readonly wire: UpstreamHttpWire
  readonly calls: UpstreamHttpCalls
  /** Event streams are resumed only where there are sessions; without, a call is its one exchange. */
  readonly era: Era
  readonly closed: Deferred.Deferred<string>
  readonly onLate: () => void
}

/** The result of a call whose exchange has ended. */
export const conclude = (
  options: AnswerOptions,
  pending: PendingCall,
  end: ExchangeEnd
): Effect.Effect<unknown, UpstreamError> => {
  const { server } = options
  if (end.kind === "body") {
    const problem = readBody(options, pending, end.head, end.body)
    if (problem !== undefined && end.head.status >= 300) return refused(options, pending, end)
    if (problem !== undefined) return Effect.fail(protocolError(server, "body", problem))
  } else if (end.kind === "stream" && pending.response === undefined) {
    if (end.lastEventId === undefined || options.era === "stateless") {
      return Effect.fail(closedError(server, "stream", "ended its event stream without an answer"))
    }
    return Effect.flatMap(resumeStream(options, pending, end.lastEventId, end.retryMs), () => outcome(options, pending))
  }
  return outcome(options, pending, end.head)
}

const outcome = (
  { server, wire }: AnswerOptions,
  pending: PendingCall,
  head?: ResponseHead
): Effect.Effect<unknown, UpstreamError> => {
  const response = pending.response as JsonRpcResponse
  if (!isFailure(response)) return Effect.succeed(response.result)
  const askedMs = head === undefined ? undefined : retryAfterMs(head)
  return Effect.flatMap(wire.scrubber(pending.call.context), (scrubber) => {
    const { code, message, data } = scrubber.json(serverError(response.error))
    return Effect.fail(
      new UpstreamErrorResponse({
        server,
        code,
        message,
        ...(data === undefined ? {} : { data }),
        ...(askedMs === undefined ? {} : { retryAfterMs: askedMs })
      })
    )
  })
}

/** An error status, and the reason that the server gives for it. */
const refused = (
  { server, wire }: AnswerOptions,
  pending: PendingCall,
  { body, head }: Extract<ExchangeEnd, { kind: "body" }>
): Effect.Effect<never, UpstreamError> =>
  Effect.flatMap(wire.scrubber(pending.call.context), (scrubber) => {
    const words = typeof body === "string" ? shortened(scrubber.text(wordsIn(body))) : ""
    return Effect.fail(
      statusError(server, head.status, {
        retryAfterMs: retryAfterMs(head),
        sentCredentials: wire.sentCredentials,
        words
      })
    )
  })

/** Finds the answer in a whole body, or says what the body is instead: follows the server's name. */
const readBody = (
  { calls, era }: AnswerOptions,
  pending: PendingCall,
  head: ResponseHead,
  body: string | JsonRpcSuccess
): string | undefined => {
  const ok = head.status < 300
  if (body === "") return "accepted the request without answering it"
  if (!isJson(head.contentType)) return "answered with something else than JSON or an event stream; check its url"
  const read = typeof body === "string" ? readFromServer(body) : ({ ok: true, value: body } as const)
  if (!read.ok) return `sent an answer that ${read.reason}; report this to its author`
  const { value } = read
  if (!ok && isAnonymousError(value) && (era === "stateless" || tellsEra(pending, head.status, value))) {
    pending.response = value
    return undefined
  }
  const routed = calls.route(value, pending)
  if (routed === "invalid" || routed === "noise") return "sent an answer that is not a JSON-RPC message"
  return pending.response === undefined ? "answered a request it was not asked" : undefined
}

/** In the eras with sessions the status says it all, except where the error tells which era the server speaks instead. */
const tellsEra = ({ message }: PendingCall, status: number, { error }: JsonRpcFailure): boolean =>
  (status === 400 || status === 404 || status === 405) &&
  (message.method === "initialize" || error.code === statelessCodes.unsupportedVersion)

const isJson = (contentType: string): boolean => contentType === "application/json" || contentType.endsWith("+json")

const resumeStream = Effect.fnUntraced(function* (
  options: AnswerOptions,
  pending: PendingCall,
  firstEventId: string,
  firstRetryMs: number | undefined
): Effect.fn.Return<void, UpstreamError> {
  const { server, wire, calls, closed, onLate } = options
  let lastEventId = firstEventId
  let retryMs = firstRetryMs
  let idle = 0
  while (true) {
    const wait = Math.min(
      Math.max(retryMs ?? resumeMs, minResumeMs) * 2 ** Math.min(idle, 10),
      Math.max(retryMs ?? 0, maxResumeMs)
    )
    yield* Effect.raceFirst(
      Effect.sleep(wait),
      Effect.flatMap(Deferred.await(closed), () =>
        Effect.fail(closedError(server, "stream", "was disconnected because the session ended"))
      )
    )
    const end = yield* wire
      .send({
        method: "GET",
        context: pending.call.context,
        lastEventId,
        raw: pending.call.raw === true,
        onMessage: (message) => calls.route(message, pending),
        wasAwaited: (text) => calls.wasAnswer(text, pending),
        onLate
      })
      .pipe(
        // Nothing is lost by asking again: resuming repeats no work.
        Effect.catchTag("UpstreamUnavailable", () => Effect.undefined),
        Effect.catchIf(
          (error) => error._tag === "UpstreamFailed" && error.reason === "closed",
          () => Effect.undefined
        )
      )
    if (pending.response !== undefined) return
    if (end === undefined) {
      idle++
      continue
    }
    if (end.kind === "body") {
      return yield* closedError(
        server,
        "stream",
        `ended its event stream without an answer and would not resume it (HTTP ${end.head.status})`
      )
    }
    const next = end.kind === "stream" ? end.lastEventId : undefined
    idle = next === undefined || next === lastEventId ? idle + 1 : 0
    lastEventId = next ?? lastEventId
    if (end.kind === "stream") retryMs = end.retryMs ?? retryMs
  }
})
