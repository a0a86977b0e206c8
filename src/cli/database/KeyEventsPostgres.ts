/**
 * Key events through PostgreSQL's LISTEN/NOTIFY: every hub on the database hears every change once it is committed.
 *
 * The subscription holds a connection of its own and is renewed when it drops. What was announced meanwhile is lost to
 * it, so each subscription, the first too, begins with `missed`.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, PubSub, Queue, Schedule, Schema, Stream } from "effect"
import { KeyEvents, type KeyNews, KeyEvent } from "../../domain/identity/KeyEvents.ts"
import { orUnavailable } from "../../domain/storage/sql/Unavailable.ts"
const channel = "mcphub_key_events"

const Payload = Schema.fromJsonString(KeyEvent)

const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  const hub = yield* PubSub.unbounded<KeyNews>()
  // A server that stays away is reported once, not at every attempt.
  let reported = false

  const listen = Effect.gen(function* () {
    const notifications = yield* sql.listen(channel)
    reported = false
    yield* PubSub.publish(hub, { _tag: "missed" })
    while (true) {
      const { payload } = yield* Queue.take(notifications)
      const event = Schema.decodeUnknownOption(Payload)(payload)
      // Anyone who may connect may notify: what is no event at least makes everything be checked.
      const news: KeyNews = event._tag === "Some" ? { _tag: "changed", event: event.value } : { _tag: "missed" }
      yield* PubSub.publish(hub, news)
    }
  }).pipe(Effect.scoped)

  yield* listen.pipe(
    Effect.tapError(() =>
      Effect.suspend(() => {
        if (reported) return Effect.void
        reported = true
        return Effect.logWarning("The database is away, so changes to keys are not heard; subscribing again")
      })
    ),
    Effect.retry(Schedule.spaced("500 millis")),
    Effect.forkScoped
  )

  return KeyEvents.of({
    publish: Effect.fnUntraced(function* (events) {
      if (events.length === 0) return
      const payloads = JSON.stringify(events.map((event) => Schema.encodeSync(Payload)(event)))
      yield* sql`select pg_notify(${channel}, payload) from jsonb_array_elements_text(${payloads}::jsonb) as news(payload)`
    }, orUnavailable),
    news: Stream.fromPubSub(hub)
  })
})

export const layer: Layer.Layer<KeyEvents, never, PgClient.PgClient> = Layer.effect(KeyEvents, make)
