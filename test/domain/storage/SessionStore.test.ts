import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import type { Repositories } from "../../../src/domain/storage/Repositories.ts"
import { type KeyId, SessionId, type UserId } from "../../../src/domain/Ids.ts"
import { sessionDigest, SessionStore, type StoredSession } from "../../../src/domain/records/SessionStore.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { stores } from "../../support/Identity.ts"

const now = Date.UTC(2026, 2, 29, 1, 30)
const minute = 60_000
const longAgo = now - 15 * minute

let runs = 0

/** Two users with a key each, of their own for every test. */
const adaAndBo = Effect.gen(function* () {
  yield* TestClock.setTime(now)
  const users = yield* Users
  const keys = yield* HubKeys
  const run = ++runs
  const make = Effect.fnUntraced(function* (username: string) {
    const { id: userId } = yield* users.add({ username: `${username}-${run}` })
    const { row } = yield* keys.create({ userId })
    return { userId, keyId: row.id }
  })
  return { ada: yield* make("store-ada"), bo: yield* make("store-bo") }
})

interface Owner {
  readonly userId: UserId
  readonly keyId: KeyId
}

const sessionOf = ({ keyId, userId }: Owner, wireId: string, more: Partial<StoredSession> = {}): StoredSession => ({
  digest: sessionDigest(userId, keyId, "*", wireId),
  sessionId: SessionId.make(randomUUID()),
  userId,
  keyId,
  target: "*",
  protocolVersion: "2025-11-25",
  client: { capabilities: { roots: {} }, clientInfo: { name: "editor", version: "1" }, subscriptions: [] },
  adopted: false,
  createdAt: now - 5 * minute,
  lastActiveAt: now,
  ...more
})

const hubs = () => ({ one: randomUUID(), other: randomUUID() })

for (const [place, store] of stores) {
  describe(`Stored sessions ${place}`, () => {
    layer(store, { timeout: "60 seconds", excludeTestServices: true })((live) => {
      const it = {
        effect: <E>(name: string, test: () => Effect.Effect<void, E, Repositories>) =>
          live.effect(name, () => Effect.provide(test(), TestClock.layer()))
      }

      it.effect(
        "another run of the hub finds a session as it was written, by user, key, target and wire id alone",
        () =>
          Effect.gen(function* () {
            const { ada, bo } = yield* adaAndBo
            const sessions = yield* SessionStore
            const { one, other } = hubs()
            const wireId = randomUUID()
            const session = sessionOf(ada, wireId, {
              client: {
                // What JSON can hold and jsonb cannot.
                capabilities: { experimental: { odd: "\u0000 \ud800 ü" } },
                clientInfo: { name: "editor\u0000" },
                logLevel: "warning",
                subscriptions: [{ server: "notes", uri: "note://1", asked: "note://1" }]
              }
            })
            assert.deepStrictEqual(yield* sessions.save(one, [session]), [])
            const unknown = { kind: "unknown" } as const
            for (const digest of [
              sessionDigest(bo.userId, bo.keyId, "*", wireId),
              sessionDigest(ada.userId, bo.keyId, "*", wireId),
              sessionDigest(bo.userId, ada.keyId, "*", wireId),
              sessionDigest(ada.userId, ada.keyId, "server:notes", wireId),
              sessionDigest(ada.userId, ada.keyId, "*", randomUUID())
            ]) {
              assert.deepStrictEqual(yield* sessions.claim(other, digest, longAgo), unknown)
            }
            assert.deepStrictEqual(yield* sessions.claim(other, session.digest, longAgo), { kind: "found", session })
          })
      )

      it.effect("what is written again replaces what was, and a session idle too long is unknown", () =>
        Effect.gen(function* () {
          const { ada } = yield* adaAndBo
          const sessions = yield* SessionStore
          const { one, other } = hubs()
          const first = sessionOf(ada, randomUUID())
          const second = sessionOf(ada, randomUUID(), { lastActiveAt: longAgo - 1 })
          yield* sessions.save(one, [first, second])
          const later = { ...first, lastActiveAt: now + minute, client: { ...first.client, logLevel: "error" } }
          yield* sessions.save(one, [later])
          const found = yield* sessions.claim(other, first.digest, now + minute)
          assert.deepStrictEqual(found, { kind: "found", session: later })
          assert.deepStrictEqual(yield* sessions.claim(other, first.digest, now + minute + 1), { kind: "unknown" })
          assert.deepStrictEqual(yield* sessions.claim(other, second.digest, longAgo), { kind: "unknown" })
        })
      )

      it.effect("an ended session is not found and not written any more, a forgotten one may begin anew", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const sessions = yield* SessionStore
          const { one } = hubs()
          const ended = sessionOf(ada, "label")
          const forgotten = sessionOf(ada, "idle label", { adopted: true })
          const bos = sessionOf(bo, "label")
          yield* sessions.save(one, [ended, forgotten, bos])
          yield* sessions.end([ended.digest, "sha256:unknown"])
          yield* sessions.forget(one, [forgotten.digest])
          assert.deepStrictEqual(yield* sessions.save(one, [ended, bos]), [ended.digest])
          assert.deepStrictEqual(yield* sessions.claim(one, ended.digest, 0), { kind: "ended" })
          assert.deepStrictEqual(yield* sessions.claim(one, forgotten.digest, 0), { kind: "unknown" })
          assert.deepStrictEqual(yield* sessions.save(one, [forgotten]), [])
          assert.strictEqual((yield* sessions.claim(one, bos.digest, longAgo)).kind, "found")
        })
      )

      it.effect("B36: a hub whose session was claimed by another hears of it at its next write", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const sessions = yield* SessionStore
          const { one, other } = hubs()
          const moving = sessionOf(ada, randomUUID())
          const staying = sessionOf(bo, randomUUID())
          yield* sessions.save(one, [moving, staying])
          const digests = [moving.digest, staying.digest, "sha256:unknown"]
          assert.deepStrictEqual(yield* sessions.disowned(one, digests), [])
          yield* sessions.claim(other, moving.digest, longAgo)
          assert.deepStrictEqual(yield* sessions.disowned(one, digests), [moving.digest])
          // To the old owner it may seem idle by now.
          yield* sessions.forget(one, [moving.digest])
          const late = { ...moving, lastActiveAt: now + minute }
          assert.deepStrictEqual(yield* sessions.save(one, [late, staying]), [moving.digest])
          // What the old owner wrote last has changed nothing.
          const found = yield* sessions.claim(other, moving.digest, longAgo)
          assert.deepStrictEqual(found, { kind: "found", session: moving })
          assert.deepStrictEqual(yield* sessions.save(other, [late]), [])
          yield* sessions.end([moving.digest])
          assert.sameMembers([...(yield* sessions.disowned(other, digests))], digests.slice(0, 2))
        })
      )

      it.effect("a sweep removes what is idle, what has no valid key and ends of long ago, a batch at a time", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const sessions = yield* SessionStore
          const keys = yield* HubKeys
          const { one } = hubs()
          const settings = { activeSince: longAgo, endedSince: now - 60 * minute, limit: 10_000 }
          // What the other tests have left.
          yield* sessions.sweep({ activeSince: now + minute, endedSince: now + minute, limit: 10_000 })
          const idle = [1, 2, 3].map((index) => sessionOf(ada, `idle ${index}`, { lastActiveAt: longAgo - 1 }))
          const busy = sessionOf(ada, "busy")
          const ended = sessionOf(ada, "ended")
          const bos = sessionOf(bo, "busy")
          yield* sessions.save(one, [...idle, busy, ended, bos])
          yield* sessions.end([ended.digest])
          assert.strictEqual(yield* sessions.sweep({ ...settings, limit: 2 }), 2)
          assert.strictEqual(yield* sessions.sweep({ ...settings, limit: 2 }), 1)
          assert.strictEqual(yield* sessions.sweep(settings), 0)
          assert.strictEqual((yield* sessions.claim(one, ended.digest, 0)).kind, "ended")
          yield* keys.revoke(ada.keyId)
          assert.strictEqual(yield* sessions.sweep(settings), 1)
          assert.strictEqual((yield* sessions.claim(one, busy.digest, 0)).kind, "unknown")
          assert.strictEqual(yield* sessions.sweep({ ...settings, endedSince: now + 1 }), 1)
          assert.strictEqual((yield* sessions.claim(one, ended.digest, 0)).kind, "unknown")
          assert.strictEqual((yield* sessions.claim(one, bos.digest, longAgo)).kind, "found")
        })
      )
    })
  })
}
