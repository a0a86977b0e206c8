/**
 * The subscription of one connection to a stateless upstream: a `subscriptions/listen` that stays open for as long as the
 * connection does, for changes of the lists the server announces and of the resources somebody wants to hear about.
 *
 * A subscription that ends is opened again after a growing pause; what changed in between is not known, so the lists
 * count as changed. Waiting for the acknowledgement is bounded on its own: a server that never gives one holds up nobody.
 *
 * Source: MCP 2026-07-28 `basic/utilities/subscriptions`.
 */
import { Deferred, Effect, FiberHandle, type Scope } from "effect"
import { rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { isJsonObject, metaKeys, metaOf } from "../../domain/protocol/Stateless.ts"
import { pause } from "./StreamPause.ts"
import type { CallContext, UpstreamCall, UpstreamConnection, UpstreamMessage } from "./UpstreamConnection.ts"
import type { UpstreamError } from "./UpstreamErrors.ts"
import { protocolError } from "./UpstreamHttpErrors.ts"

/** Milliseconds for the acknowledgement. */
const acknowledgeMs = 5_000

export const acknowledged = "notifications/subscriptions/acknowledged"

export interface ListenOptions {
  readonly server: string
  readonly capabilities: JsonObject
  /** Sends one subscription and succeeds when the server ends it. */
  readonly send: (call: UpstreamCall) => Effect.Effect<unknown, UpstreamError>
  readonly onMessage: (message: UpstreamMessage) => void
  /** Whose context a subscription opened now carries. */
  readonly context: () => CallContext
}

type Listen = NonNullable<UpstreamConnection["listen"]>

/** The lists a server may announce changes of: its capability, the wish in the filter, the message. */
const announced = [
  ["tools", "toolsListChanged", "notifications/tools/list_changed"],
  ["prompts", "promptsListChanged", "notifications/prompts/list_changed"],
  ["resources", "resourcesListChanged", "notifications/resources/list_changed"]
] as const

const offers = (capabilities: JsonObject, capability: string, what: string): boolean => {
  const offer = capabilities[capability]
  return isJsonObject(offer) && offer[what] === true
}

/** The message without the mark of the subscription it came on, which means nothing beyond this connection. */
export const untagged = (message: UpstreamMessage): UpstreamMessage => {
  const meta = metaOf(message.params)
  if (meta === undefined || !(metaKeys.subscriptionId in meta)) return message
  const { [metaKeys.subscriptionId]: _, ...rest } = meta
  const { _meta: __, ...params } = message.params!
  return { ...message, params: Object.keys(rest).length === 0 ? params : { ...params, _meta: rest } }
}

interface Waiter {
  readonly uris: ReadonlyArray<string>
  readonly done: Deferred.Deferred<void, UpstreamError>
}

export const make = Effect.fnUntraced(function* (options: ListenOptions): Effect.fn.Return<Listen, never, Scope.Scope> {
  const { capabilities, server } = options
  const running = yield* FiberHandle.make<void>()
  const lists = announced.filter(([capability]) => offers(capabilities, capability, "listChanged"))
  const subscribes = offers(capabilities, "resources", "subscribe")
  const waiting = new Set<Waiter>()
  /** The filter of the subscription under way, as text, and what the server accepted of it. */
  let current: string | undefined
  let accepted: ReadonlySet<unknown> | undefined

  const filterOf = (uris: ReadonlyArray<string>): JsonObject => ({
    ...Object.fromEntries(lists.map(([, wish]) => [wish, true])),
    ...(uris.length === 0 ? {} : { resourceSubscriptions: uris })
  })

  const settle = (effect: (waiter: Waiter) => Effect.Effect<void, UpstreamError>) => {
    for (const waiter of waiting) Deferred.doneUnsafe(waiter.done, effect(waiter))
    waiting.clear()
  }

  const answerFor = ({ uris }: Waiter) =>
    uris.every((uri) => accepted?.has(uri) === true)
      ? Effect.void
      : Effect.fail(protocolError(server, "stream", "did not accept the subscription to every resource"))

  const run = Effect.fnUntraced(function* (filter: JsonObject, wanted: string) {
    let quiet = 0
    let before = false
    while (true) {
      let ours: ReadonlyArray<unknown> | undefined
      const onMessage = (message: UpstreamMessage) => {
        if (message.method !== acknowledged) {
          quiet = 0
          return options.onMessage(untagged(message))
        }
        // Late, of a subscription that another has taken the place of: it is not what is waited for.
        if (wanted !== current) return
        const honored = (message.params?.["notifications"] ?? {}) as JsonObject
        ours = Object.keys(honored)
        accepted = new Set(Array.isArray(honored["resourceSubscriptions"]) ? honored["resourceSubscriptions"] : [])
        settle(answerFor)
        if (before) for (const [, , method] of lists) options.onMessage({ jsonrpc: "2.0", method })
        before = true
      }
      const error = yield* options
        .send({
          method: "subscriptions/listen",
          params: { notifications: filter },
          context: options.context(),
          onMessage
        })
        .pipe(Effect.match({ onFailure: (failure) => failure, onSuccess: () => undefined }))
      accepted = undefined
      if (error === undefined) {
        settle(() => Effect.fail(protocolError(server, "stream", "ended a subscription it had not acknowledged")))
        // Nothing was accepted, so there is nothing to wait for.
        if (ours?.length === 0) return
      } else {
        settle(() => Effect.fail(error))
        if (error._tag === "UpstreamErrorResponse" && error.code !== rpcCodes.internal) return
        if (error._tag !== "UpstreamFailed" || error.reason !== "closed") quiet = Math.max(quiet, 3)
      }
      yield* pause(quiet, error?._tag === "UpstreamUnavailable" ? error.retryAfterMs : undefined)
      quiet++
    }
  })

  return Effect.fnUntraced(function* (uris: ReadonlyArray<string>) {
    if (uris.length > 0 && !subscribes) {
      return yield* protocolError(server, "send", "offers no subscriptions to resources")
    }
    const filter = filterOf(uris)
    const wanted = JSON.stringify(filter)
    const waiter: Waiter = { uris, done: Deferred.makeUnsafe() }
    if (wanted === current && accepted !== undefined) return yield* answerFor(waiter)
    const underWay = wanted === current && waiting.size > 0
    current = wanted
    if (wanted === "{}") return yield* FiberHandle.clear(running)
    waiting.add(waiter)
    if (!underWay) {
      accepted = undefined
      yield* FiberHandle.run(running, run(filter, wanted))
    }
    yield* Deferred.await(waiter.done).pipe(
      Effect.timeoutOrElse({
        duration: acknowledgeMs,
        orElse: () =>
          Effect.fail(protocolError(server, "stream", `did not acknowledge a subscription within ${acknowledgeMs} ms`))
      }),
      Effect.ensuring(Effect.sync(() => waiting.delete(waiter)))
    )
  })
})
