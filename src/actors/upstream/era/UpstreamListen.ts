/**
 * The subscription of one connection to a stateless upstream: a `subscriptions/listen` that stays open for as long as the
 * connection does, for changes of the lists the server announces and of the resources somebody wants to hear about.
 *
 * Another set of resources is another subscription, which stands before the one it replaces is closed, if that one ever
 * stood. A subscription that ends is opened again after a growing pause; what changed in between is not known, so
 * everything counts as changed.
 * Waiting for the acknowledgement is bounded on its own: a server that never gives one holds up nobody.
 *
 * Source: MCP 2026-07-28 `basic/utilities/subscriptions`.
 */
import { Deferred, Effect, type Fiber, type Scope } from "effect"
import { rpcCodes } from "../../../domain/protocol/ErrorCodes.ts"
import type { JsonObject } from "../../../domain/protocol/JsonRpc.ts"
import { isJsonObject, metaOf } from "../../../domain/protocol/JsonObjects.ts"
import { metaKeys } from "../../../domain/protocol/eras/RequestMeta.ts"
import { timeoutAwake } from "../../../domain/AwakeTimeout.ts"
import { pause } from "./StreamPause.ts"
import type {
  CallContext,
  UpstreamCall,
  UpstreamConnection,
  UpstreamMessage
} from "../connection/UpstreamConnection.ts"
import { type UpstreamError, protocolError } from "../../../domain/requests/UpstreamErrors.ts"
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

/** One subscription, opened again whenever it ends, until another takes its place. */
interface Subscription {
  /** The filter as text. */
  readonly wanted: string
  readonly filter: JsonObject
  /** What the server accepted of the resources, while a stream stands. */
  accepted: ReadonlySet<unknown> | undefined
  /** A stream has broken, and nobody has been told yet that anything may have changed. */
  missed: boolean
  fiber: Fiber.Fiber<void> | undefined
}

const nothing: Subscription = { wanted: "{}", filter: {}, accepted: undefined, missed: false, fiber: undefined }

export const make = Effect.fnUntraced(function* (options: ListenOptions): Effect.fn.Return<Listen, never, Scope.Scope> {
  const { capabilities, server } = options
  const scope = yield* Effect.scope
  const lists = announced.filter(([capability]) => offers(capabilities, capability, "listChanged"))
  const subscribes = offers(capabilities, "resources", "subscribe")
  const waiting = new Set<Waiter>()
  let current = nothing
  /** Streams that stand until the current one does, so that nothing is missed in between. */
  let replaced: ReadonlyArray<Subscription> = []

  const filterOf = (uris: ReadonlyArray<string>): JsonObject => ({
    ...Object.fromEntries(lists.map(([, wish]) => [wish, true])),
    ...(uris.length === 0 ? {} : { resourceSubscriptions: uris })
  })

  const retire = (): void => {
    for (const { fiber } of replaced) fiber?.interruptUnsafe()
    replaced = []
  }

  /** Tells those who wait for this subscription, unless another has taken its place. */
  const settle = (
    subscription: Subscription,
    outcome: (waiter: Waiter) => Effect.Effect<void, UpstreamError>
  ): void => {
    if (subscription !== current) return
    // Whoever is told may go on at once, and wait for another subscription: not for this one's outcome.
    const told = [...waiting].map((waiter) => [waiter, outcome(waiter)] as const)
    waiting.clear()
    for (const [{ done }, answer] of told) Deferred.doneUnsafe(done, answer)
  }

  const answerFor = ({ uris }: Waiter) =>
    uris.every((uri) => current.accepted?.has(uri) === true)
      ? Effect.void
      : Effect.fail(protocolError(server, "stream", "did not accept the subscription to every resource"))

  /** While no stream stood, anything may have changed. */
  const announceAll = ({ accepted = new Set() }: Subscription): void => {
    for (const [, , method] of lists) options.onMessage({ jsonrpc: "2.0", method })
    for (const uri of accepted) {
      options.onMessage({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } })
    }
  }

  const run = Effect.fnUntraced(function* (subscription: Subscription) {
    let quiet = 0
    while (true) {
      let honored: JsonObject | undefined
      const onMessage = (message: UpstreamMessage): void => {
        if (message.method !== acknowledged) {
          quiet = 0
          return options.onMessage(untagged(message))
        }
        honored = (message.params?.["notifications"] ?? {}) as JsonObject
        const uris = honored["resourceSubscriptions"]
        subscription.accepted = new Set(Array.isArray(uris) ? uris : [])
        if (subscription === current) {
          subscription.missed ||= replaced.some(({ missed }) => missed)
          retire()
        }
        settle(subscription, answerFor)
        if (subscription.missed) announceAll(subscription)
        subscription.missed = false
      }
      const error = yield* options
        .send({
          method: "subscriptions/listen",
          params: { notifications: subscription.filter },
          context: options.context(),
          onMessage
        })
        .pipe(Effect.match({ onFailure: (failure) => failure, onSuccess: () => undefined }))
      subscription.missed ||= subscription.accepted !== undefined
      subscription.accepted = undefined
      if (error === undefined) {
        settle(subscription, () =>
          Effect.fail(protocolError(server, "stream", "ended a subscription it had not acknowledged"))
        )
        // Nothing was accepted, so there is nothing to wait for.
        if (honored !== undefined && Object.keys(honored).length === 0) return
      } else {
        settle(subscription, () => Effect.fail(error))
        if (error._tag === "UpstreamErrorResponse" && error.code !== rpcCodes.internal) return
        if (error._tag !== "UpstreamFailed" || error.reason !== "closed") quiet = Math.max(quiet, 3)
      }
      yield* pause(quiet, error?._tag === "UpstreamUnavailable" ? error.retryAfterMs : undefined)
      quiet++
    }
  })

  const replace = Effect.fnUntraced(function* (filter: JsonObject, wanted: string) {
    const next: Subscription = { wanted, filter, accepted: undefined, missed: current.missed, fiber: undefined }
    // One without a stream misses nothing by being closed; a server that acknowledges none would gather them.
    if (current.accepted === undefined) current.fiber?.interruptUnsafe()
    else replaced = [...replaced, current]
    current = next
    next.fiber = yield* Effect.forkIn(run(next), scope)
  })

  return Effect.fnUntraced(function* (uris: ReadonlyArray<string>) {
    if (uris.length > 0 && !subscribes) {
      return yield* protocolError(server, "send", "offers no subscriptions to resources")
    }
    const filter = filterOf(uris)
    const wanted = JSON.stringify(filter)
    if (wanted === nothing.wanted) {
      replaced = [...replaced, current]
      current = nothing
      return retire()
    }
    const waiter: Waiter = { uris, done: Deferred.makeUnsafe() }
    if (wanted === current.wanted && current.accepted !== undefined) return yield* answerFor(waiter)
    const underWay = wanted === current.wanted && waiting.size > 0
    waiting.add(waiter)
    if (!underWay) yield* replace(filter, wanted)
    yield* Deferred.await(waiter.done).pipe(
      timeoutAwake(acknowledgeMs, () =>
        Effect.fail(protocolError(server, "stream", `did not acknowledge a subscription within ${acknowledgeMs} ms`))
      ),
      Effect.ensuring(Effect.sync(() => waiting.delete(waiter)))
    )
  })
})
