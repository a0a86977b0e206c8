import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import type { AuditEvent } from "../../../src/domain/records/AuditEvent.ts"
import { AuditLog, millisPerDay } from "../../../src/domain/records/AuditLog.ts"
import { SessionId, UserId } from "../../../src/domain/Ids.ts"
import { stores } from "../../support/Identity.ts"

/** Half past midnight, UTC: the day before begins half an hour ago, and local time may be on either side. */
const now = Date.UTC(2026, 2, 29, 0, 30)

const person = (username: string) => ({
  userId: UserId.make(randomUUID()),
  username,
  keyId: randomUUID(),
  sessionId: SessionId.make(randomUUID())
})

const event = (who: ReturnType<typeof person>, more: Partial<AuditEvent> = {}): AuditEvent => ({
  id: `user-${who.userId}-${randomUUID()}`,
  time: now,
  kind: "request",
  ...who,
  server: "files",
  method: "tools/call",
  target: "files-read",
  outcome: "completed",
  durationMs: 12.345,
  errorCode: null,
  errorKind: null,
  origin: null,
  ...more
})

const targets = (rows: ReadonlyArray<{ readonly target: string | null }>) => rows.map((row) => row.target)

for (const [place, store] of stores) {
  describe(`The audit log ${place}`, () => {
    layer(store, { timeout: "60 seconds", excludeTestServices: true })((it) => {
      it.effect("finds rows by session, target and time, the newest first and part by part", () =>
        Effect.gen(function* () {
          const log = yield* AuditLog
          const [ada, bo] = [person("ada"), person("bo")]
          const at = (who: ReturnType<typeof person>, target: string, time: number) => event(who, { target, time })
          const rows = [1, 2, 3, 4].flatMap((hour) => [
            at(ada, `a${hour}`, now + hour),
            at(bo, "files-read", now + hour)
          ])
          yield* log.append(rows)
          const own = { userId: ada.userId, newest: true }
          const first = yield* log.find({ ...own, limit: 3 })
          assert.deepStrictEqual(targets(first), ["a4", "a3", "a2"])
          assert.deepStrictEqual(targets(yield* log.find({ ...own, before: first.at(-1)!.seq, limit: 3 })), ["a1"])
          assert.deepStrictEqual(targets(yield* log.find({ ...own, since: now + 2, until: now + 4, limit: 9 })), [
            "a3",
            "a2"
          ])
          assert.deepStrictEqual(targets(yield* log.find({ ...own, target: "a2", limit: 9 })), ["a2"])
          const { sessionId } = bo
          assert.strictEqual((yield* log.find({ sessionId, target: "files-read", limit: 9 })).length, 4)
          assert.deepStrictEqual(yield* log.find({ ...own, sessionId, limit: 9 }), [])
        })
      )

      it.effect("gives back what was written, in that order, each user's own where asked for", () =>
        Effect.gen(function* () {
          const log = yield* AuditLog
          const [ada, bo] = [person("ada"), person("bo")]
          const first = event(ada)
          const second = event(bo, {
            kind: "notification",
            time: now + 1,
            server: null,
            target: null,
            outcome: "failed",
            errorCode: -32_000,
            errorKind: "upstream_error",
            origin: "upstream"
          })
          const third = event(ada, {
            time: now + 2,
            outcome: "timedOut",
            errorCode: 1408,
            errorKind: "timeout",
            origin: "hub"
          })
          yield* log.append([first, second])
          yield* log.append([third])
          const all = yield* log.find({ limit: 3 })
          assert.deepStrictEqual(
            all.map(({ seq: _seq, ...row }) => row),
            [first, second, third]
          )
          assert.isTrue(all[0]!.seq < all[1]!.seq && all[1]!.seq < all[2]!.seq)
          const adas = yield* log.find({ userId: ada.userId, limit: 100 })
          assert.deepStrictEqual(
            adas.map((row) => row.id),
            [first.id, third.id]
          )
          assert.deepStrictEqual(yield* log.find({ userId: bo.userId, outcome: "timedOut", limit: 100 }), [])
        })
      )

      it.effect("is asked by server, outcome, time and place, and answers with the latest or with what follows", () =>
        Effect.gen(function* () {
          const log = yield* AuditLog
          const ada = person("ada")
          const { userId } = ada
          yield* log.append([
            event(ada, { target: "1", server: "mail" }),
            event(ada, { target: "2", time: now + 1_000, outcome: "cancelled" }),
            event(ada, { target: "3", time: now + 2_000 }),
            event(ada, { target: "4", time: now + 3_000, outcome: "cancelled" })
          ])
          const ask = (query: object) => log.find({ userId, limit: 10, ...query })
          assert.deepStrictEqual(targets(yield* ask({ server: "mail" })), ["1"])
          assert.deepStrictEqual(targets(yield* ask({ outcome: "cancelled" })), ["2", "4"])
          assert.deepStrictEqual(targets(yield* ask({ since: now + 2_000 })), ["3", "4"])
          assert.deepStrictEqual(targets(yield* ask({ limit: 2 })), ["3", "4"])
          const [first] = yield* ask({})
          assert.deepStrictEqual(targets(yield* ask({ after: first!.seq, limit: 2 })), ["2", "3"])
          assert.deepStrictEqual(targets(yield* ask({ after: first!.seq, server: "mail" })), [])
        })
      )

      it.effect("an attempt that is made again writes nothing twice", () =>
        Effect.gen(function* () {
          const log = yield* AuditLog
          const ada = person("ada")
          const [first, second] = [event(ada, { target: "1" }), event(ada, { target: "2" })]
          yield* log.append([first])
          yield* log.append([first, second])
          yield* log.append([])
          assert.deepStrictEqual(targets(yield* log.find({ userId: ada.userId, limit: 10 })), ["1", "2"])
        })
      )

      it.effect("rows written at the same time all get there, in one order for everybody", () =>
        Effect.gen(function* () {
          const log = yield* AuditLog
          const ada = person("ada")
          const batches = Array.from({ length: 12 }, (_, day) => [
            event(ada, { time: now + day * millisPerDay }),
            event(ada, { time: now + day * millisPerDay })
          ])
          yield* Effect.forEach(batches, log.append, { concurrency: "unbounded" })
          const rows = yield* log.find({ userId: ada.userId, limit: 100 })
          assert.deepStrictEqual(new Set(rows.map((row) => row.id)), new Set(batches.flat().map((one) => one.id)))
          assert.deepStrictEqual(new Set(rows.map((row) => row.seq)).size, 24)
        })
      )

      it.effect("days that are over for long enough go, whole days and no others", () =>
        Effect.gen(function* () {
          const log = yield* AuditLog
          const [ada, bo] = [person("ada"), person("bo")]
          const today = Math.floor(now / millisPerDay) * millisPerDay
          yield* log.append([
            event(ada, { target: "gone", time: today - 2 * millisPerDay - 1 }),
            event(bo, { target: "gone", time: today - 40 * millisPerDay }),
            event(ada, { target: "kept", time: today - 2 * millisPerDay }),
            event(person("cy"), { time: today - millisPerDay }),
            event(bo, { target: "kept", time: today })
          ])
          yield* log.retain(now, 2)
          for (const { userId } of [ada, bo]) {
            assert.deepStrictEqual(targets(yield* log.find({ userId, limit: 10 })), ["kept"])
          }
          // A row that comes late for a day that went is written all the same.
          yield* log.append([event(ada, { target: "late", time: today - 40 * millisPerDay })])
          assert.deepStrictEqual(targets(yield* log.find({ userId: ada.userId, limit: 10 })), ["kept", "late"])
          yield* log.retain(now, 2)
          assert.deepStrictEqual(targets(yield* log.find({ userId: ada.userId, limit: 10 })), ["kept"])
        })
      )

      it.effect("a clock that jumps ahead takes no row, until there are rows of a second day", () =>
        Effect.gen(function* () {
          const log = yield* AuditLog
          const [ada, bo] = [person("ada"), person("bo")]
          // Later than every row of the tests before.
          const last = now + 100 * millisPerDay
          const ahead = last + 400 * millisPerDay
          yield* log.append([
            event(ada, { target: "old", time: last - 3 * millisPerDay }),
            event(ada, { target: "before", time: last - millisPerDay }),
            event(bo, { target: "last", time: last })
          ])
          const rows = Effect.map(
            Effect.forEach([ada, bo], ({ userId }) => log.find({ userId, limit: 10 })),
            (found) => found.map(targets)
          )
          yield* log.retain(ahead, 2)
          assert.deepStrictEqual(yield* rows, [["before"], ["last"]])
          yield* log.append([event(ada, { target: "ahead", time: ahead })])
          yield* log.retain(ahead + 1_000, 2)
          assert.deepStrictEqual(yield* rows, [["before", "ahead"], ["last"]])
          // The clock is set right, and what it wrote of the future stays.
          yield* log.retain(last, 2)
          assert.deepStrictEqual(yield* rows, [["before", "ahead"], ["last"]])
          yield* log.append([event(bo, { target: "after", time: ahead + millisPerDay })])
          yield* log.retain(ahead + millisPerDay, 2)
          assert.deepStrictEqual(yield* rows, [["ahead"], ["after"]])
        })
      )
    })
  })
}
