/**
 * Key events on the embedded database: at once within this process, and within a second from other processes that have the
 * file open.
 *
 * Each announcement is counted in the file by the transaction that makes the change. Four times a second SQLite is asked
 * whether any other connection has written, which costs it no read of the file; if so, a count beyond this process's own
 * announcements says that others have changed something.
 */
import { Effect, Layer, PubSub, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { KeyEvents, type KeyNews } from "../../domain/identity/KeyEvents.ts"
import { rowsOf } from "../../domain/storage/sql/Rows.ts"
import { orUnavailable } from "../../domain/storage/sql/Unavailable.ts"

const lookEvery = "250 millis"

const versions = rowsOf("version of the file", Schema.Struct({ data_version: Schema.Number }))
const counts = rowsOf("count of changes", Schema.Struct({ count: Schema.Number }))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const hub = yield* PubSub.unbounded<KeyNews>()
  let version: number | undefined
  /** Announcements of this process, and of the others as last seen. */
  let own = 0
  let others: number | undefined

  const look = Effect.gen(function* () {
    const [file] = yield* versions(sql`pragma data_version`)
    if (file === undefined || file.data_version === version) return
    // Before it is migrated the file has no count, and nobody has seen a key.
    const [changes] = yield* counts(sql`select "count" from "key_changes"`)
    version = file.data_version
    const now = (changes?.count ?? 0) - own
    if (now === others) return
    // The first time too: keys may have been seen before.
    others = now
    yield* PubSub.publish(hub, { _tag: "missed" })
  })

  yield* Effect.ignore(look).pipe(Effect.delay(lookEvery), Effect.forever, Effect.forkScoped)

  return KeyEvents.of({
    publish: Effect.fnUntraced(function* (events) {
      if (events.length === 0) return
      yield* sql`update "key_changes" set "count" = "count" + 1`
      yield* sql.afterCommit(
        Effect.suspend(() => {
          own++
          return PubSub.publishAll(
            hub,
            events.map((event) => ({ _tag: "changed" as const, event }))
          )
        })
      )
    }, orUnavailable),
    news: Stream.fromPubSub(hub)
  })
})

export const layer: Layer.Layer<KeyEvents, never, SqlClient.SqlClient> = Layer.effect(KeyEvents, make)
