/**
 * A connection to an MCP server of revision 2026-07-28 over HTTP: requests that each say all about themselves, and one
 * subscription. There is no session to open, to keep or to leave.
 *
 * A call is one exchange. Closing it is how it is cancelled, and losing it loses the call: nothing is resumed and nothing
 * sent twice, except what the server provably refused unread (an unsupported revision that it then offers, headers that
 * do not fit a tool as it is now).
 *
 * Source: MCP 2026-07-28 `basic/transports` (streamable HTTP), `basic/lifecycle` (`server/discover`).
 */
import { Deferred, Effect, type Scope } from "effect"
import type { JsonObject } from "../../../domain/protocol/JsonRpc.ts"
import { standardHeaders } from "../../../domain/protocol/eras/StandardHeaders.ts"
import { firstAnswerBytes, listBytes, readPage } from "../../../domain/protocol/json/ServerResults.ts"
import { shortened } from "../../../domain/protocol/json/ServerWords.ts"
import { statelessCodes } from "../../../domain/protocol/eras/StatelessErrors.ts"
import { statelessVersion } from "../../../domain/protocol/Versions.ts"
import { startLimits } from "../connection/StartLimits.ts"
import type { AnswerBytes } from "../../limits/AnswerBytes.ts"
import type { FairShare } from "../../limits/FairShare.ts"
import { RequestTracker } from "../../requests/RequestTracker.ts"
import {
  discoveredInfo,
  discoverRefused,
  eraLost,
  noLongerSpoken,
  offersNothingElse,
  overloaded,
  patienceFor,
  wantsSameAgain
} from "../era/EraEvidence.ts"
import { timeoutAwake } from "../../../domain/AwakeTimeout.ts"
import { outgoing } from "../era/StatelessEnvelope.ts"
import { checked } from "../era/StatelessResult.ts"
import * as ToolHeaders from "./ToolHeaders.ts"
import type {
  CallContext,
  ConnectOptions,
  UpstreamCall,
  UpstreamConnection,
  UpstreamInfo
} from "../connection/UpstreamConnection.ts"
import {
  type EraNotSpoken,
  eraNotSpoken,
  isForOperator,
  type UpstreamError,
  UpstreamUnavailable,
  reasonToOpen
} from "../../../domain/requests/UpstreamErrors.ts"
import type { UpstreamHeaders } from "../connection/UpstreamHeaders.ts"
import { conclude } from "./UpstreamHttpAnswer.ts"
import * as UpstreamHttpCalls from "./UpstreamHttpCalls.ts"
import { connectionGone } from "./UpstreamHttpErrors.ts"
import * as UpstreamHttpWire from "./UpstreamHttpWire.ts"
import * as UpstreamListen from "../era/UpstreamListen.ts"
import type { UserPools } from "./UserPools.ts"
import { waiting } from "../../../domain/requests/Waits.ts"

/** More pages than any server has; one that repeats its cursor does not keep the hub reading. */
const maxPages = 50

interface Sent {
  /** The status of the response, for what a refusal means. */
  status: number
}

export const connect = Effect.fnUntraced(function* (
  options: ConnectOptions
): Effect.fn.Return<
  UpstreamConnection,
  UpstreamError | EraNotSpoken,
  UpstreamHeaders | UserPools | AnswerBytes | FairShare | RequestTracker | Scope.Scope
> {
  const { name: server } = options
  const tracker = yield* RequestTracker
  const patience = patienceFor(options.config, yield* startLimits(options.config))
  const services = yield* Effect.context<never>()
  const onLate = () => tracker.lateResponse(server)
  const wire = yield* UpstreamHttpWire.make(options, statelessVersion)
  const calls = UpstreamHttpCalls.make(options.onMessage, onLate, outgoing(options))
  const closed = yield* Deferred.make<string>()
  const answers = { server, wire, calls, closed, onLate, era: "stateless" } as const
  let context = options.context

  const dropped = new Set<string>()
  const tools = ToolHeaders.make((tool, reason) => {
    if (dropped.has(tool)) return
    dropped.add(tool)
    Effect.runForkWith(services)(
      Effect.logWarning(`A tool of server ${server} is left out: its x-mcp-header annotations are invalid`).pipe(
        Effect.annotateLogs({ server, tool, reason })
      )
    )
  })

  const remember = (by: CallContext) => {
    if (by.principal.userId === options.context.principal.userId) context = by
  }

  /** One request, one exchange. `sent.status` is known when it ends. */
  const once = (call: UpstreamCall, sent: Sent, endless: boolean): Effect.Effect<unknown, UpstreamError> =>
    Effect.suspend(() => {
      const pending = calls.open({
        ...call,
        // Servers of this revision ask by `input_required`; a request of theirs is none that could be answered.
        onMessage: (message) => ("id" in message ? onLate() : call.onMessage(message))
      })
      const named = call.method === "tools/call" ? tools.headers(call.params) : {}
      return wire
        .send({
          method: "POST",
          context: call.context,
          body: pending.body,
          headers: { ...named, ...standardHeaders(pending.message) },
          endless,
          maxBytes: call.maxBytes,
          abrupt: true,
          onHead: ({ status }) => void (sent.status = status),
          onMessage: (message) => calls.route(message, pending),
          wasAwaited: (text) => calls.wasAnswer(text, pending),
          onLate
        })
        .pipe(
          Effect.flatMap((end) => conclude(answers, pending, end)),
          Effect.ensuring(Effect.sync(() => calls.close(pending)))
        )
    })

  const alive = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | UpstreamUnavailable> =>
    Effect.suspend((): Effect.Effect<A, E | UpstreamUnavailable> =>
      Deferred.isDoneUnsafe(closed) ? Effect.fail(connectionGone(server)) : effect
    )

  const exchange = (call: UpstreamCall, sent: Sent, endless = false): Effect.Effect<unknown, UpstreamError> =>
    Effect.suspend(() => {
      remember(call.context)
      return alive(once(call, sent, endless)).pipe(
        Effect.catchIf(
          (error) => error._tag === "UpstreamErrorResponse" && wantsSameAgain(error),
          () => once(call, sent, endless)
        )
      )
    })

  const discover = (sent: Sent): Effect.Effect<UpstreamInfo, UpstreamError | EraNotSpoken> =>
    exchange(
      {
        method: "server/discover",
        params: undefined,
        context: options.context,
        maxBytes: firstAnswerBytes,
        onMessage: () => {}
      },
      sent
    ).pipe(
      Effect.mapError((error) => refused(server, error, sent.status)),
      // Servers that know no such request may well leave it unanswered.
      timeoutAwake(patience, () => Effect.fail(eraNotSpoken("stateless", silent(server, patience)))),
      Effect.flatMap((result) => discoveredInfo(server, result))
    )

  /** The server no longer is what it was found to be: this connection is over, the next one finds out anew. */
  const over = (error: UpstreamError): UpstreamError => {
    Deferred.doneUnsafe(closed, Effect.succeed(eraLost))
    return noLongerSpoken(server, error.message)
  }

  /** The meaning of a failed call. A status that may be the era's or the call's own fault is the call's where the era stands. */
  const meaning = (sent: Sent, error: UpstreamError): Effect.Effect<UpstreamError> => {
    if (error._tag === "UpstreamErrorResponse" && offersNothingElse(error)) return Effect.succeed(over(error))
    const mayBeEra =
      error._tag === "UpstreamFailed" && error.reason === "status" && [400, 404, 405].includes(sent.status)
    if (!mayBeEra) return Effect.succeed(error)
    return Effect.match(discover({ status: 0 }), { onSuccess: () => error, onFailure: () => over(error) })
  }

  const call = (request: UpstreamCall): Effect.Effect<unknown, UpstreamError> =>
    Effect.suspend(() => {
      const sent: Sent = { status: 0 }
      return exchange(request, sent).pipe(
        Effect.catch((error) => Effect.flatMap(meaning(sent, error), Effect.fail)),
        Effect.flatMap(checked(server))
      )
    })

  const list = (request: UpstreamCall) => Effect.map(call(request), tools.learn)

  /** Learns the tools again, because a call did not fit what was known of them. */
  const relearn = Effect.fnUntraced(function* (by: CallContext) {
    let cursor: string | undefined
    for (let page = 0; page < maxPages; page++) {
      const params: JsonObject | undefined = cursor === undefined ? undefined : { cursor }
      const result = yield* list({
        method: "tools/list",
        params,
        context: by,
        maxBytes: listBytes,
        onMessage: () => {}
      })
      const read = readPage("tools", "stateless", result)
      cursor = read.ok ? read.value.nextCursor : undefined
      if (cursor === undefined) return
    }
  })

  const request: UpstreamConnection["request"] = (asked) => {
    if (asked.method === "tools/list") return list(asked)
    if (asked.method !== "tools/call") return call(asked)
    return call(asked).pipe(
      Effect.catchIf(
        (error) => error._tag === "UpstreamErrorResponse" && error.code === statelessCodes.headerMismatch,
        (mismatch) =>
          relearn(asked.context).pipe(
            Effect.mapError(() => mismatch),
            Effect.andThen(call(asked))
          )
      )
    )
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      Deferred.doneUnsafe(closed, Effect.succeed("session ended"))
      for (const running of wire.running) running.close()
    })
  )

  const info = yield* waiting(
    options.context.waits,
    { kind: "connection", stage: "server/discover", server },
    discover({ status: 0 })
  )
  const listen = yield* UpstreamListen.make({
    server,
    capabilities: info.capabilities,
    send: (subscription) => exchange(subscription, { status: 0 }, true),
    onMessage: options.onMessage,
    context: () => context
  })
  yield* listen([], options.context).pipe(Effect.ignore, Effect.forkScoped({ startImmediately: true }))

  return {
    server,
    era: "stateless",
    info,
    stateful: false,
    request,
    // Neither exists in this revision over HTTP.
    notify: () => Effect.void,
    respond: () => Effect.sync(onLate),
    listen,
    closed: Deferred.await(closed)
  }
})

const silent = (server: string, afterMs: number): UpstreamUnavailable =>
  new UpstreamUnavailable({
    server,
    reason: "timeout",
    message: `Server ${server} did not answer server/discover within ${afterMs} ms; check its log`
  })

/** What a failed `server/discover` says about the era. */
const refused = (server: string, error: UpstreamError, status: number): UpstreamError | EraNotSpoken => {
  const noEvidence = status === 401 || status === 403 || status === 429 || status >= 500
  switch (error._tag) {
    case "UpstreamErrorResponse":
      if (error.retryAfterMs !== undefined) return overloaded(error, error.retryAfterMs)
      return noEvidence
        ? new UpstreamUnavailable({
            server,
            reason: "status",
            message: `Server ${server} refused server/discover (HTTP ${status}): ${shortened(error.message)}`
          })
        : discoverRefused(error)
    case "UpstreamFailed": {
      if (isForOperator(error)) return error
      const broken = error.reason === "status" && status >= 500
      const unavailable = new UpstreamUnavailable({
        server,
        reason: reasonToOpen(error),
        message: broken ? `${error.message}; set its era to "stateful" if it fails over server/discover` : error.message
      })
      const otherwise = error.reason === "protocol" || (error.reason === "status" && !noEvidence)
      return otherwise ? eraNotSpoken("stateless", unavailable) : unavailable
    }
    default:
      return error
  }
}
