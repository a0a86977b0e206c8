/**
 * Announcements of changes to keys, users and groups, so that caches drop them and sessions end.
 *
 * `publish` inside a transaction announces when, and only if, it commits. Subscribers hear of changes made by any process
 * on the database, in memory by this one.
 */
import { Context, Effect, Layer, PubSub, Stream, Schema } from "effect"
import type { DatabaseUnavailable } from "./IdentityErrors.ts"
import { KeyId, UserId } from "../Ids.ts"

/** `missed`: announcements may have been lost, so everything cached must be checked again. */
export type KeyNews = { readonly _tag: "changed"; readonly event: KeyEvent } | { readonly _tag: "missed" }

export class KeyEvents extends Context.Service<
  KeyEvents,
  {
    readonly publish: (events: ReadonlyArray<KeyEvent>) => Effect.Effect<void, DatabaseUnavailable>
    /** News from the subscription on. */
    readonly news: Stream.Stream<KeyNews>
  }
>()("mcphub/domain/identity/KeyEvents") {
  /** Announces within this process, at once. */
  static readonly layerMemory: Layer.Layer<KeyEvents> = Layer.effect(
    KeyEvents,
    Effect.suspend(() => inProcess)
  )
}

/** Announces to whoever listens in this process. */
const inProcess = Effect.gen(function* () {
  const hub = yield* PubSub.unbounded<KeyNews>()
  return KeyEvents.of({
    publish: (events) =>
      Effect.asVoid(
        PubSub.publishAll(
          hub,
          events.map((event) => ({ _tag: "changed" as const, event }))
        )
      ),
    news: Stream.fromPubSub(hub)
  })
})

/**
 * One change. `keyId` absent: everything of the user. `revoked` true: the key or user no longer opens the hub and its
 * sessions end; false: tokens, groups or names changed and sessions go on with fresh values.
 */
export const KeyEvent = Schema.Struct({
  userId: UserId,
  keyId: Schema.optional(KeyId),
  revoked: Schema.Boolean
})

export type KeyEvent = typeof KeyEvent.Type
