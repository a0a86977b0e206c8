/**
 * Announcements of changes to keys, users and groups, so that caches drop them and sessions end.
 *
 * `publish` inside a transaction announces when, and only if, it commits. Subscribers hear of changes made by this
 * process (memory and embedded database) or by any process on the database (PostgreSQL, through LISTEN/NOTIFY).
 */
import { Context, Effect, Layer, PubSub, Stream, Schema } from "effect"
import { SqlClient } from "effect/sql"
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
    Effect.suspend(() => inProcess((publish) => publish))
  )

  /** Announces within this process once the surrounding transaction has committed: for the embedded database. */
  static readonly layerInProcess: Layer.Layer<KeyEvents, never, SqlClient.SqlClient> = Layer.effect(
    KeyEvents,
    Effect.flatMap(SqlClient.SqlClient, (sql) => inProcess(sql.afterCommit))
  )
}

const inProcess = Effect.fnUntraced(function* (when: (publish: Effect.Effect<void>) => Effect.Effect<void>) {
  const hub = yield* PubSub.unbounded<KeyNews>()
  return KeyEvents.of({
    publish: (events) =>
      when(
        Effect.asVoid(
          PubSub.publishAll(
            hub,
            events.map((event) => ({ _tag: "changed" as const, event }))
          )
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
