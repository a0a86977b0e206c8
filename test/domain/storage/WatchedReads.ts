/** Principals over real repositories in memory, whose reads and announcements a test counts, delays and loses. */
import { Effect, Layer, PubSub, type Scope, Stream } from "effect"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import type { DatabaseUnavailable } from "../../../src/domain/identity/IdentityErrors.ts"
import { KeyEvents, type KeyNews } from "../../../src/domain/identity/KeyEvents.ts"
import { Principals } from "../../../src/domain/identity/Principals.ts"
import { credentials } from "../../support/Identity.ts"

/** What a test does to the reads of the real memory repository. */
export interface Reads {
  count: number
  before: Effect.Effect<void, DatabaseUnavailable>
  after: Effect.Effect<void>
  writes: Array<number>
  /** Statements that ask for several keys together. */
  asked: number
  /** Announcements get lost, as on a connection that was cut. */
  deaf: boolean
  /** Says that some may have been lost. */
  missed: Effect.Effect<unknown>
}

const watched = (reads: Reads) =>
  Layer.effect(
    HubKeys,
    Effect.map(HubKeys, (keys) =>
      HubKeys.of({
        ...keys,
        principal: (key) =>
          Effect.suspend(() => {
            reads.count++
            return Effect.andThen(reads.before, keys.principal(key)).pipe(Effect.tap(reads.after))
          }),
        exist: (asked) =>
          Effect.suspend(() => {
            reads.asked++
            return Effect.andThen(reads.before, keys.exist(asked))
          }),
        principalOf: (keyId) => Effect.andThen(reads.before, keys.principalOf(keyId)),
        unusable: (asked) => Effect.andThen(reads.before, keys.unusable(asked)),
        recordUse: (uses) =>
          Effect.andThen(
            reads.before,
            Effect.andThen(
              Effect.sync(() => reads.writes.push(uses.length)),
              keys.recordUse(uses)
            )
          )
      })
    )
  )

/** The real announcements, which a test can lose. */
const hearing = (reads: Reads) =>
  Layer.effect(
    KeyEvents,
    Effect.gen(function* () {
      const events = yield* KeyEvents
      const cuts = yield* PubSub.unbounded<KeyNews>()
      reads.missed = PubSub.publish(cuts, { _tag: "missed" })
      const heard = Stream.filter(events.news, () => !reads.deaf)
      return { ...events, news: Stream.merge(heard, Stream.fromPubSub(cuts)) }
    })
  )

/** Runs a test on the real principals over repositories in memory that it watches. */
export const run = <A, E>(
  test: (reads: Reads) => Effect.Effect<A, E, Repositories.Repositories | Principals | Scope.Scope>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const reads: Reads = {
      count: 0,
      before: Effect.void,
      after: Effect.void,
      writes: [],
      asked: 0,
      deaf: false,
      missed: Effect.void
    }
    const layer = Principals.layer.pipe(
      Layer.provide([watched(reads), hearing(reads)]),
      Layer.provideMerge(Repositories.layerRepositoriesMemory),
      Layer.provide(credentials),
      Layer.orDie
    )
    return Effect.scoped(Effect.provide(test(reads), layer))
  })
