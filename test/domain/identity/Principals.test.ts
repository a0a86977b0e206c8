import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Option, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Groups } from "../../../src/domain/identity/Groups.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { DatabaseUnavailable } from "../../../src/domain/identity/IdentityErrors.ts"
import { Principals } from "../../../src/domain/identity/Principals.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import * as StallingClock from "../../support/StallingClock.ts"
import { run } from "../storage/WatchedReads.ts"
import type { KeyEvent } from "../../../src/domain/identity/KeyEvents.ts"

type Key = Redacted.Redacted<string>

const adaAndBo = Effect.gen(function* () {
  const users = yield* Users
  const keys = yield* HubKeys
  const [ada, bo] = [yield* users.add({ username: "ada" }), yield* users.add({ username: "bo" })]
  return { ada, bo, adas: yield* keys.create({ userId: ada.id }), bos: yield* keys.create({ userId: bo.id }) }
})

/** The next invalidations, in the order they come, from now on. */
const heard = Effect.gen(function* () {
  const principals = yield* Principals
  const events: Array<KeyEvent> = []
  yield* principals.invalidations.pipe(
    Stream.runForEach((event) => Effect.sync(() => events.push(event))),
    Effect.forkScoped({ startImmediately: true })
  )
  return events
})

const settle = TestClock.adjust(0)

describe("Principals", () => {
  it.effect("a key is read once however many ask at once, and again only after 30 seconds", () =>
    run((reads) =>
      Effect.gen(function* () {
        const { ada, adas, bo, bos } = yield* adaAndBo
        const principals = yield* Principals
        const many = yield* Effect.forEach(Array.from({ length: 100 }), () => principals.authenticate(adas.key), {
          concurrency: "unbounded"
        })
        assert.isTrue(many.every((principal) => principal.userId === ada.id))
        assert.strictEqual(reads.count, 1)
        assert.strictEqual((yield* principals.authenticate(bos.key)).userId, bo.id)
        assert.strictEqual(reads.count, 2)
        yield* TestClock.adjust("29999 millis")
        assert.strictEqual(principals.peek(Redacted.value(adas.key))?.userId, ada.id)
        yield* principals.authenticate(adas.key)
        assert.strictEqual(reads.count, 2)
        yield* TestClock.adjust("1 millis")
        assert.isUndefined(principals.peek(Redacted.value(adas.key)))
        yield* principals.authenticate(adas.key)
        assert.strictEqual(reads.count, 3)
      })
    )
  )

  it.effect(
    "A01: every text that could be a key costs one read, whether there ever was such a key, and no other any",
    () =>
      run((reads) =>
        Effect.gen(function* () {
          const { ada, adas, bo } = yield* adaAndBo
          const [principals, keys, users] = [yield* Principals, yield* HubKeys, yield* Users]
          const make = Effect.map(keys.create({ userId: ada.id }), ({ key, row }) => ({ key, id: row.id }))
          const revoked = yield* make
          yield* keys.revoke(revoked.id)
          const expired = Redacted.make(`mcphub_${"e".repeat(64)}`)
          yield* keys.insert({ userId: ada.id, name: "old", key: expired, expiresAt: -1 })
          const deactivated = yield* keys.create({ userId: bo.id })
          yield* users.setActive(bo.id, false)
          const readsOf = (key: Key) =>
            Effect.gen(function* () {
              const before = reads.count + reads.asked
              assert.strictEqual((yield* Effect.flip(principals.authenticate(key)))._tag, "KeyRejected")
              return reads.count + reads.asked - before
            })
          // Near the text of a key that is valid, or far from all: as many.
          const near = Redacted.make(`${Redacted.value(adas.key).slice(0, -1)}-`)
          const unknown = Redacted.make(`mcphub_${"0".repeat(64)}`)
          const could = [unknown, near, expired, revoked.key, deactivated.key]
          assert.deepStrictEqual(yield* Effect.forEach(could, readsOf), [1, 1, 1, 1, 1])
          // What no key looks like is told in the documents: that it is answered sooner tells nothing about any key.
          const never = ["", "not a key", "mcphub_short", `sha256:${"0".repeat(64)}`, `mcphub_${"0".repeat(300)}`]
          const texts = never.map((text) => Redacted.make(text))
          assert.deepStrictEqual(yield* Effect.forEach(texts, readsOf), [0, 0, 0, 0, 0])
        })
      )
  )

  it.effect("unknown, malformed, revoked, expired and deactivated keys answer alike", () =>
    run(() =>
      Effect.gen(function* () {
        const { adas, bo, bos } = yield* adaAndBo
        const [principals, keys, users] = [yield* Principals, yield* HubKeys, yield* Users]
        const short = { key: Redacted.make(`mcphub_${"5".repeat(64)}`) }
        yield* keys.insert({ userId: bo.id, name: "short", key: short.key, expiresAt: 10_000 })
        yield* keys.revoke(adas.row.id)
        yield* users.setActive(bo.id, false)
        const presented = [adas.key, bos.key, Redacted.make(`mcphub_${"0".repeat(64)}`), Redacted.make("x"), short.key]
        const errors = yield* Effect.forEach(presented, (key) => Effect.flip(principals.authenticate(key)))
        yield* users.setActive(bo.id, true)
        yield* TestClock.adjust("10 seconds")
        errors.push(yield* Effect.flip(principals.authenticate(short.key)))
        assert.strictEqual(new Set(errors.map((error) => `${error._tag} ${error.message}`)).size, 1)
        assert.strictEqual(errors[0]?._tag, "KeyRejected")
      })
    )
  )

  it.effect("a wrong key is not looked up again at once, and a key made meanwhile is known at once", () =>
    run((reads) =>
      Effect.gen(function* () {
        const { ada } = yield* adaAndBo
        const [principals, keys] = [yield* Principals, yield* HubKeys]
        const key = Redacted.make(`mcphub_${"9".repeat(64)}`)
        yield* Effect.flip(principals.authenticate(key))
        yield* Effect.flip(principals.authenticate(key))
        yield* Effect.flip(principals.authenticate(Redacted.make("malformed")))
        assert.strictEqual(reads.count, 1)
        yield* keys.insert({ userId: ada.id, name: "late", key })
        yield* settle
        assert.strictEqual((yield* principals.authenticate(key)).userId, ada.id)
      })
    )
  )

  it.effect("A35: guessing reads the database at a bounded rate, whatever comes, and turns no valid key away", () =>
    run((reads) =>
      Effect.gen(function* () {
        const { ada, adas, bo, bos } = yield* adaAndBo
        const principals = yield* Principals
        yield* principals.authenticate(adas.key)
        reads.count = 0
        let guessed = 0
        const guess = Effect.suspend(() =>
          Effect.flip(principals.authenticate(Redacted.make(`mcphub_${String(guessed++).padStart(64, "0")}`)))
        )
        const flood = yield* Effect.forEach(Array.from({ length: 6_000 }), () => Effect.forkChild(guess))
        // Nobody has presented bo's key before, and a flood is under way.
        const bos1 = yield* Effect.forkChild(principals.authenticate(bos.key))
        yield* settle
        assert.strictEqual((yield* principals.authenticate(adas.key)).userId, ada.id)
        yield* TestClock.adjust("250 millis")
        assert.strictEqual((yield* Fiber.join(bos1)).userId, bo.id)
        const errors = yield* Effect.forEach(flood, Fiber.join)
        assert.isTrue(errors.every((error) => error._tag === "KeyRejected"))
        assert.strictEqual(guessed, 6_000)
        // One hundred at once are looked up each on its own, the rest in statements of five thousand, and bo's key.
        assert.deepStrictEqual([reads.count, reads.asked], [101, 2])

        for (let second = 0; second < 4; second++) {
          const more = yield* Effect.forEach(Array.from({ length: 1_000 }), () => Effect.forkChild(guess))
          yield* TestClock.adjust("1 second")
          yield* Effect.forEach(more, Fiber.join)
        }
        assert.isAtMost(reads.count - 101, 4 * 20)
        assert.isAtMost(reads.asked - 2, 4 * 4)
      })
    )
  )

  it.effect("A35: keys that are asked for together wait no longer than the database may take", () =>
    run((reads) =>
      Effect.gen(function* () {
        const { bos } = yield* adaAndBo
        const principals = yield* Principals
        const guesses = Array.from({ length: 110 }, (_, i) => Redacted.make(`mcphub_${String(i).padStart(64, "0")}`))
        yield* Effect.forEach(guesses.slice(10), (key) => Effect.flip(principals.authenticate(key)))
        reads.before = Effect.fail(new DatabaseUnavailable({ message: "down" }))
        const waiting = yield* Effect.forkChild(Effect.flip(principals.authenticate(bos.key)))
        yield* settle
        yield* TestClock.adjust("250 millis")
        assert.strictEqual((yield* Fiber.join(waiting))._tag, "IdentityUnavailable")
        reads.before = Effect.never
        const hanging = yield* Effect.forEach([...guesses.slice(0, 10), bos.key], (key) =>
          Effect.forkChild(Effect.flip(principals.authenticate(key)))
        )
        yield* settle
        yield* TestClock.adjust("3 seconds")
        for (const fiber of hanging) {
          assert.strictEqual((yield* Fiber.join(fiber))._tag, "IdentityUnavailable")
        }
        reads.before = Effect.void
        yield* TestClock.adjust("10 seconds")
        assert.isDefined(yield* principals.authenticate(bos.key))
      })
    )
  )

  it.effect("a revoked key is announced and forgotten, and the other user's goes on", () =>
    run(() =>
      Effect.gen(function* () {
        const { ada, adas, bo, bos } = yield* adaAndBo
        const [principals, keys, groups] = [yield* Principals, yield* HubKeys, yield* Groups]
        yield* principals.authenticate(adas.key)
        yield* principals.authenticate(bos.key)
        const events = yield* heard
        yield* keys.revoke(adas.row.id)
        yield* settle
        assert.deepStrictEqual(events, [{ userId: ada.id, keyId: adas.row.id, revoked: true }])
        assert.isUndefined(principals.peek(Redacted.value(adas.key)))
        assert.strictEqual((yield* Effect.flip(principals.authenticate(adas.key)))._tag, "KeyRejected")
        assert.strictEqual(principals.peek(Redacted.value(bos.key))?.userId, bo.id)
        yield* groups.create({ userId: bo.id, name: "work", servers: ["github"] })
        yield* settle
        assert.deepStrictEqual(events[1], { userId: bo.id, revoked: false })
        assert.strictEqual((yield* principals.authenticate(bos.key)).groups.length, 1)
      })
    )
  )

  it.effect("a key revoked while it is being read is not let in by what was read before", () =>
    run((reads) =>
      Effect.gen(function* () {
        const { adas } = yield* adaAndBo
        const [principals, keys] = [yield* Principals, yield* HubKeys]
        const [reading, revoked] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        reads.after = Effect.andThen(Deferred.succeed(reading, undefined), Deferred.await(revoked))
        const fiber = yield* Effect.forkChild(Effect.flip(principals.authenticate(adas.key)))
        yield* Deferred.await(reading)
        yield* keys.revoke(adas.row.id)
        yield* settle
        yield* Deferred.succeed(revoked, undefined)
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "KeyRejected")
      })
    )
  )

  it.effect("after announcements were lost nothing from before is believed, nor what was being read meanwhile", () =>
    run((reads) =>
      Effect.gen(function* () {
        const { adas, bos } = yield* adaAndBo
        const [principals, keys] = [yield* Principals, yield* HubKeys]
        const token = (key: Key) =>
          Effect.map(principals.authenticate(key), ({ serviceTokens }) => {
            const found = serviceTokens.get("GITHUB_TOKEN")
            return found === undefined ? undefined : Redacted.value(found)
          })
        const set = (to: string) =>
          Effect.forEach([adas, bos], ({ row }) =>
            keys.setTokens({ keyId: row.id }, { GITHUB_TOKEN: Redacted.make(`${to} of ${row.userId}`) })
          )
        yield* set("old")
        yield* token(adas.key)
        const [reading, lost] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        reads.after = Effect.andThen(Deferred.succeed(reading, undefined), Deferred.await(lost))
        const beingRead = yield* Effect.forkChild(token(bos.key))
        yield* Deferred.await(reading)
        reads.deaf = true
        yield* set("new")
        yield* settle
        assert.strictEqual(yield* token(adas.key), `old of ${adas.row.userId}`)
        yield* reads.missed
        yield* settle
        yield* Deferred.succeed(lost, undefined)
        assert.strictEqual(yield* token(adas.key), `new of ${adas.row.userId}`)
        assert.strictEqual(yield* Fiber.join(beingRead), `new of ${bos.row.userId}`)
      })
    )
  )

  it.effect("A51: who looked a key up before hears what became of it, and of its own alone; age is no news", () =>
    run((reads) =>
      Effect.gen(function* () {
        const { adas, bos } = yield* adaAndBo
        const [principals, keys] = [yield* Principals, yield* HubKeys]
        const [ada, bo] = yield* Effect.all([principals.authenticate(adas.key), principals.authenticate(bos.key)])
        const states = () => [ada, bo].map(({ standing }) => [standing.isCurrent, standing.key.isRevoked])
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(states(), [
          [true, false],
          [true, false]
        ])
        yield* keys.setTokens({ keyId: adas.row.id }, { GITHUB_TOKEN: Redacted.make("new") })
        yield* settle
        assert.deepStrictEqual(states(), [
          [false, false],
          [true, false]
        ])
        const renewed = Option.getOrThrow(yield* principals.renewed(ada))
        assert.strictEqual(Redacted.value(renewed.serviceTokens.get("GITHUB_TOKEN")!), "new")
        assert.deepStrictEqual([renewed.standing.isCurrent, ada.standing.isOlderThan(renewed.standing)], [true, true])
        assert.isFalse(ada.standing.isOlderThan(bo.standing))
        yield* reads.missed
        yield* settle
        assert.deepStrictEqual([...states(), renewed.standing.isCurrent], [[false, false], [false, false], false])
        yield* keys.revoke(adas.row.id)
        yield* settle
        assert.deepStrictEqual([...states(), renewed.standing.key.isRevoked], [[false, true], [false, false], true])
        assert.isTrue(Option.isNone(yield* principals.renewed(renewed)))
      })
    )
  )

  it.effect("a key opens nothing from the very millisecond of its expiry, though it was used just before", () =>
    run(() =>
      Effect.gen(function* () {
        const { ada, bos } = yield* adaAndBo
        const [principals, keys] = [yield* Principals, yield* HubKeys]
        const key = Redacted.make(`mcphub_${"5".repeat(64)}`)
        // Between two of the looks at expiring keys, every half second.
        yield* keys.insert({ userId: ada.id, name: "short", key, expiresAt: 10_250 })
        yield* TestClock.adjust("10249 millis")
        assert.strictEqual((yield* principals.authenticate(key)).userId, ada.id)
        yield* principals.authenticate(bos.key)
        yield* TestClock.adjust("1 millis")
        assert.isUndefined(principals.peek(Redacted.value(key)))
        assert.strictEqual((yield* Effect.flip(principals.authenticate(key)))._tag, "KeyRejected")
        assert.isDefined(principals.peek(Redacted.value(bos.key)))
      })
    )
  )

  it.effect("an expired key is announced within a second, an extended one is not", () =>
    run(() =>
      Effect.gen(function* () {
        const { ada, bo } = yield* adaAndBo
        const [principals, keys] = [yield* Principals, yield* HubKeys]
        const [adas, bos] = ["5", "6"].map((digit) => Redacted.make(`mcphub_${digit.repeat(64)}`)) as [Key, Key]
        const short = yield* keys.insert({ userId: ada.id, name: "short", key: adas, expiresAt: 10_000 })
        const long = yield* keys.insert({ userId: bo.id, name: "extended", key: bos, expiresAt: 10_000 })
        yield* principals.authenticate(adas)
        yield* principals.authenticate(bos)
        yield* TestClock.adjust("9999 millis")
        yield* keys.extend(long.id, 1)
        const events = yield* heard
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(
          events.filter((event) => event.revoked),
          [{ userId: ada.id, keyId: short.id, revoked: true }]
        )
        assert.strictEqual((yield* principals.authenticate(bos)).userId, bo.id)
      })
    )
  )

  it.effect(
    "B20: while the database is down cached keys serve 30 seconds, then and for others identity is unavailable",
    () =>
      run((reads) =>
        Effect.gen(function* () {
          const { ada, adas, bos } = yield* adaAndBo
          const principals = yield* Principals
          yield* principals.authenticate(adas.key)
          reads.before = Effect.fail(new DatabaseUnavailable({ message: "down" }))
          assert.strictEqual((yield* Effect.flip(principals.authenticate(bos.key)))._tag, "IdentityUnavailable")
          assert.strictEqual((yield* principals.authenticate(adas.key)).userId, ada.id)
          yield* TestClock.adjust("30 seconds")
          assert.strictEqual((yield* Effect.flip(principals.authenticate(adas.key)))._tag, "IdentityUnavailable")
          reads.before = Effect.void
          assert.strictEqual((yield* principals.authenticate(adas.key)).userId, ada.id)
        })
      )
  )

  it.effect("B21: a database that does not answer makes identity unavailable after exactly three seconds", () =>
    run((reads) =>
      Effect.gen(function* () {
        const { adas } = yield* adaAndBo
        const principals = yield* Principals
        reads.before = Effect.never
        const fiber = yield* Effect.forkChild(Effect.flip(principals.authenticate(adas.key)), {
          startImmediately: true
        })
        yield* TestClock.adjust("2999 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "IdentityUnavailable")
      })
    )
  )

  it.effect("B28: a database that answered while the process stood still makes identity available", () =>
    Effect.gen(function* () {
      const { clock, stall } = yield* StallingClock.make
      yield* run((reads) =>
        Effect.gen(function* () {
          const { ada, adas, bo, bos } = yield* adaAndBo
          const principals = yield* Principals
          const answer = yield* Deferred.make<void>()
          reads.before = Deferred.await(answer)
          const asking = yield* Effect.forEach([adas, bos], ({ key }) =>
            Effect.forkChild(principals.authenticate(key), { startImmediately: true })
          )
          yield* settle
          stall(2_000)
          yield* TestClock.adjust("3 seconds")
          yield* Deferred.succeed(answer, undefined)
          const known = yield* Effect.forEach(asking, Fiber.join)
          assert.deepStrictEqual(
            known.map(({ userId }) => userId),
            [ada.id, bo.id]
          )
        })
      ).pipe(Effect.provideService(Clock.Clock, clock))
    })
  )

  it.effect("defect 28: uses are written in batches, none lost while the database is down or when the hub stops", () =>
    Effect.gen(function* () {
      const batches: Array<number> = []
      const { counted, keys, row } = yield* run((reads) =>
        Effect.gen(function* () {
          const { adas, bos } = yield* adaAndBo
          const [principals, keys] = [yield* Principals, yield* HubKeys]
          for (let n = 0; n < 10; n++) yield* principals.authenticate(adas.key)
          for (let n = 0; n < 5; n++) principals.peek(Redacted.value(adas.key))
          yield* principals.authenticate(bos.key)
          assert.deepStrictEqual(reads.writes, [])
          reads.before = Effect.fail(new DatabaseUnavailable({ message: "down" }))
          yield* TestClock.adjust("5 seconds")
          assert.strictEqual((yield* keys.byId(adas.row.id)).usageCount, 0)
          reads.before = Effect.void
          yield* TestClock.adjust("5 seconds")
          assert.deepStrictEqual(reads.writes, [2])
          const counted = yield* keys.byId(adas.row.id)
          yield* principals.authenticate(adas.key)
          reads.writes = batches
          return { counted, keys, row: adas.row }
        })
      )
      assert.deepStrictEqual([counted.usageCount, counted.lastUsedAt], [15, 0])
      assert.deepStrictEqual(batches, [1])
      assert.strictEqual((yield* keys.byId(row.id)).usageCount, 16)
    })
  )

  it.effect("A72: bo's log-in does not wait behind the renewal of everybody's sessions", () =>
    run((reads) =>
      Effect.gen(function* () {
        const { ada, bos } = yield* adaAndBo
        const keys = yield* HubKeys
        const principals = yield* Principals
        const stale = []
        for (let n = 0; n < 1_000; n++) {
          const { key } = yield* keys.create({ userId: ada.id })
          stale.push(yield* principals.authenticate(key))
        }
        // Each read takes 15 ms; what the registry does for each session after announcements were missed.
        reads.before = Effect.sleep("15 millis")
        yield* reads.missed
        yield* settle
        assert.isTrue(stale.every(({ standing }) => !standing.isCurrent))
        yield* Effect.forkScoped(
          Effect.forEach(stale, (one) => Effect.ignore(principals.renewed(one)), { concurrency: "unbounded" })
        )
        yield* settle
        const login = yield* Effect.forkScoped(Effect.exit(principals.authenticate(bos.key)))
        let waited = 0
        while (login.pollUnsafe() === undefined && waited < 5_000) {
          yield* TestClock.adjust("15 millis")
          waited += 15
        }
        const exit = yield* Fiber.join(login)
        for (let n = 0; n < 300; n++) yield* TestClock.adjust("15 millis")
        reads.before = Effect.void
        assert.include(String(exit), "Success")
      })
    )
  )
})
