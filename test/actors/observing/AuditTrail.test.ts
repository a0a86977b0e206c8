import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { AuditTrail } from "../../../src/actors/observing/AuditTrail.ts"
import * as AuditWriter from "../../../src/actors/observing/AuditWriter.ts"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import { LogOutput, LogSink } from "../../../src/actors/observing/LogOutput.ts"
import * as Logging from "../../../src/actors/observing/Logging.ts"
import { RequestLog } from "../../../src/actors/observing/RequestLog.ts"
import { RequestTracker } from "../../../src/actors/requests/RequestTracker.ts"
import type { AuditEvent } from "../../../src/domain/records/AuditEvent.ts"
import { AuditLog } from "../../../src/domain/records/AuditLog.ts"
import * as AuditLogMemory from "../../../src/domain/storage/memory/AuditLogMemory.ts"
import { defaults, HubConfig } from "../../../src/domain/config/HubConfig.ts"
import { SessionId } from "../../../src/domain/Ids.ts"
import { DatabaseUnavailable } from "../../../src/domain/identity/IdentityErrors.ts"
import { ada, bo, call, hanging } from "../support/Requests.ts"

/** A log whose database a test takes away, lets hang, or breaks. */
const makeLog = Effect.gen(function* () {
  const state: { mode: "up" | "down" | "hangs" | "broken"; attempts: number } = { mode: "up", attempts: 0 }
  const memory = yield* Effect.provide(AuditLog, AuditLogMemory.layer)
  const append: AuditLog["Service"]["append"] = (events) =>
    Effect.suspend(() => {
      state.attempts++
      if (state.mode === "down") return new DatabaseUnavailable({ message: "The database does not answer" })
      if (state.mode === "hangs") return Effect.never
      if (state.mode === "broken" || events.some(({ id }) => id === "broken"))
        return Effect.die(new Error("A statement failed"))
      return memory.append(events)
    })
  return { state, rows: memory.find({ limit: 10_000 }), layer: Layer.succeed(AuditLog, { ...memory, append }) }
})

const tracked = (log: Layer.Layer<AuditLog>, config: Partial<typeof defaults> = {}) =>
  RequestTracker.layer.pipe(
    Layer.provide(RequestLog.layerOff),
    Layer.provideMerge(AuditTrail.layer),
    Layer.provideMerge([HubMetrics.layer, log]),
    Layer.provide(Layer.succeed(HubConfig, { ...defaults, ...config }))
  )

const written = TestClock.adjust("250 millis")

describe("The audit trail", () => {
  it.effect("has exactly one row for every request and notification, however it ended", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      yield* Effect.gen(function* () {
        const tracker = yield* RequestTracker
        yield* tracker.track(call(ada), (record) =>
          Effect.sync(() => {
            record.server = "files"
            record.target = "files-read"
          })
        )
        yield* tracker.track(call(ada, { method: "notifications/progress", kind: "notification" }), () => Effect.void)
        yield* Effect.exit(
          tracker.track(call(bo), () => Effect.fail({ _tag: "UpstreamFailed", message: "ghp_canary" }))
        )
        yield* Effect.exit(tracker.track(call(bo), () => Effect.die("a defect")))
        const late = yield* hanging(call(ada))
        const cancelled = yield* hanging(call(bo))
        yield* tracker.endWith(cancelled.record.requestId, "cancelled", "The client cancelled the request")
        const left = yield* hanging(call(bo, { sessionId: SessionId.make("another-of-bo") }))
        yield* Fiber.interrupt(left.fiber)
        yield* TestClock.adjust(30_000)
        yield* Fiber.await(late.fiber)
        yield* hanging(call(bo))
        assert.strictEqual(yield* tracker.cleanupUser(bo.userId), 1)
        yield* written
        const rows = yield* log.rows
        assert.deepStrictEqual(
          rows.map((row) => [row.username, row.kind, row.outcome, row.errorCode, row.errorKind, row.origin]),
          [
            ["ada", "request", "completed", null, null, null],
            ["ada", "notification", "completed", null, null, null],
            ["bo", "request", "failed", null, "upstream_failed", "upstream"],
            ["bo", "request", "failed", null, "internal", "hub"],
            ["bo", "request", "cancelled", 1499, "cancelled", "hub"],
            ["bo", "request", "cancelled", null, "cancelled", "hub"],
            ["ada", "request", "timedOut", 1408, "timeout", "hub"],
            ["bo", "request", "sessionClosed", 1499, "session_closed", "hub"]
          ]
        )
        assert.strictEqual(new Set(rows.map((row) => row.id)).size, 8)
        const { id, seq: _seq, ...first } = rows[0]!
        assert.match(id, /^user-ada-id-session-of-ada-tools\/call-0-[0-9a-f]{24}$/)
        assert.deepStrictEqual(first, {
          time: 0,
          kind: "request",
          userId: ada.userId,
          username: "ada",
          keyId: "key-of-ada",
          sessionId: SessionId.make("session-of-ada"),
          server: "files",
          method: "tools/call",
          target: "files-read",
          outcome: "completed",
          durationMs: 0,
          errorCode: null,
          errorKind: null,
          origin: null
        })
        assert.strictEqual(rows.find((row) => row.outcome === "timedOut")!.durationMs, 30_000)
        assert.notInclude(JSON.stringify(rows), "ghp_canary")
      }).pipe(Effect.provide(tracked(log.layer)))
    })
  )

  it.effect("rows leave together a quarter of a second later, or when somebody asks", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      yield* Effect.gen(function* () {
        const tracker = yield* RequestTracker
        const trail = yield* AuditTrail
        yield* tracker.track(call(ada), () => Effect.void)
        yield* TestClock.adjust("249 millis")
        assert.deepStrictEqual(yield* log.rows, [])
        yield* tracker.track(call(bo), () => Effect.void)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* log.rows).length, 2)
        yield* tracker.track(call(bo), () => Effect.void)
        yield* trail.flush
        assert.strictEqual((yield* log.rows).length, 3)
      }).pipe(Effect.provide(tracked(log.layer)))
    })
  )

  it.effect("what ends while the hub stops is written too, the requests the stop itself ends included", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      const scope = yield* Scope.make()
      const services = yield* Layer.buildWithScope(tracked(log.layer), scope)
      yield* Effect.gen(function* () {
        const tracker = yield* RequestTracker
        yield* tracker.track(call(ada), () => Effect.void)
        yield* tracker.trackRequest(call(bo))
      }).pipe(Effect.provideContext(services))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(
        (yield* log.rows).map((row) => [row.username, row.outcome]),
        [
          ["ada", "completed"],
          ["bo", "sessionClosed"]
        ]
      )
    })
  )

  it.effect("holds no key and nothing a database or a terminal cannot take, whatever a client calls a tool", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      const key = `mcphub_${"0123456789abcdef".repeat(4)}`
      yield* Effect.gen(function* () {
        const tracker = yield* RequestTracker
        yield* tracker.track(call(ada, { method: `tools/\u0000\u001b[31m\u2028${key}` }), (record) =>
          Effect.sync(() => {
            record.target = `\ud800 ${key} ${"y".repeat(1_000_000)}`
            record.errorCode = 1e308
          })
        )
        yield* written
        const [row] = yield* log.rows
        assert.strictEqual(row!.method, "tools/\ufffd\ufffd[31m\ufffdmcphub_<redacted>")
        assert.match(row!.target!, /^\ufffd mcphub_<redacted> y+$/)
        assert.strictEqual(row!.target!.length, 256)
        assert.isNull(row!.errorCode)
        assert.strictEqual(row!.outcome, "failed")
      }).pipe(Effect.provide(tracked(log.layer)))
    })
  )

  it.effect("AUDIT_RETENTION_DAYS=0 writes nothing, and nothing can be called written", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      yield* Effect.gen(function* () {
        const tracker = yield* RequestTracker
        const trail = yield* AuditTrail
        yield* tracker.track(call(ada), () => Effect.void)
        yield* written
        yield* trail.flush
        assert.deepStrictEqual(yield* log.rows, [])
        assert.isFalse(trail.writable(ada.userId))
      }).pipe(Effect.provide(tracked(log.layer, { auditRetentionDays: 0 })))
    })
  )
})

const row = (id: string, { keyId, userId, username } = ada): AuditEvent => ({
  id,
  time: 0,
  kind: "request",
  userId,
  username,
  keyId,
  sessionId: SessionId.make("session-of-ada"),
  server: null,
  method: "ping",
  target: null,
  outcome: "completed",
  durationMs: 0,
  errorCode: null,
  errorKind: null,
  origin: null
})

/** What was logged, as text. */
const makeLines = () => {
  const chunks: Array<string> = []
  const layer = Logging.layer({ level: "Info" }).pipe(
    Layer.provideMerge(LogOutput.layer),
    Layer.provide(Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => void chunks.push(chunk)) }))
  )
  return { layer, text: () => chunks.join("") }
}

describe("The audit writer", () => {
  const ids = (rows: ReadonlyArray<{ readonly id: string }>) => rows.map(({ id }) => id)

  for (const mode of ["down", "hangs"] as const) {
    it.effect(
      `B20: with a database that ${mode === "down" ? "is away" : "hangs"}, rows wait and none is lost or doubled`,
      () =>
        Effect.gen(function* () {
          const log = yield* makeLog
          const lines = makeLines()
          yield* Effect.gen(function* () {
            const writer = yield* AuditWriter.make({ retentionDays: 90 })
            const metrics = yield* HubMetrics
            log.state.mode = mode
            writer.add(row("1"))
            yield* TestClock.adjust("6 seconds")
            assert.isFalse(writer.writable(ada.userId))
            writer.add(row("2"))
            yield* TestClock.adjust("60 seconds")
            assert.deepStrictEqual(yield* log.rows, [])
            assert.strictEqual(metrics.value("mcphub_audit_waiting"), 2)
            log.state.mode = "up"
            yield* TestClock.adjust("6 seconds")
            assert.deepStrictEqual(ids(yield* log.rows), ["1", "2"])
            assert.isTrue(writer.writable(ada.userId))
            assert.strictEqual(metrics.value("mcphub_audit_rows_total"), 2)
            assert.strictEqual(metrics.value("mcphub_audit_lost_total"), 0)
            assert.strictEqual(metrics.value("mcphub_audit_waiting"), 0)
            yield* TestClock.adjust("1 second")
            // One line for the trouble and one for its end, however many attempts there were.
            assert.strictEqual(lines.text().split("cannot be written").length - 1, 1)
            assert.strictEqual(lines.text().split("is written again").length - 1, 1)
          }).pipe(Effect.scoped, Effect.provide([log.layer, HubMetrics.layer, lines.layer]))
        })
    )
  }

  it.effect(
    "B39: a user's rows beyond their part are lost, counted and said once with whose they are; no other's",
    () =>
      Effect.gen(function* () {
        const log = yield* makeLog
        const lines = makeLines()
        yield* Effect.gen(function* () {
          const writer = yield* AuditWriter.make({ retentionDays: 90, capacity: 6 })
          const metrics = yield* HubMetrics
          log.state.mode = "down"
          for (const id of ["1", "2", "3", "4", "5"]) writer.add(row(id))
          // Half is as much as one alone may have, and a third where there are two.
          assert.isFalse(writer.writable(ada.userId))
          assert.isTrue(writer.writable(bo.userId))
          writer.add(row("6", bo))
          writer.add(row("7", bo))
          yield* TestClock.adjust("3 seconds")
          assert.strictEqual(metrics.value("mcphub_audit_lost_total"), 2)
          assert.strictEqual(lines.text().split("further ones are lost").length - 1, 1)
          assert.match(lines.text(), /"userId":"ada-id","user":"ada"[^\n]*further ones are lost/)
          log.state.mode = "up"
          yield* TestClock.adjust("2 seconds")
          assert.deepStrictEqual(ids(yield* log.rows), ["1", "2", "3", "6", "7"])
          assert.isTrue(writer.writable(ada.userId))
          assert.match(lines.text(), /"user":"ada"[^\n]*2 rows of a user were lost/)
          assert.notInclude(lines.text(), '"user":"bo"')
        }).pipe(Effect.scoped, Effect.provide([log.layer, HubMetrics.layer, lines.layer]))
      })
  )

  it.effect("B40: a reserved place is kept for its row whatever comes before it, and counts as the user's", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      yield* Effect.gen(function* () {
        const writer = yield* AuditWriter.make({ retentionDays: 90, capacity: 4 })
        assert.isTrue(writer.reserve(ada.userId))
        assert.isTrue(writer.reserve(ada.userId))
        assert.isFalse(writer.reserve(ada.userId))
        writer.add(row("without", ada))
        writer.add(row("bos", bo))
        writer.add(row("first"), true)
        writer.release(ada.userId)
        assert.isTrue(writer.reserve(ada.userId))
        yield* writer.flush
        assert.deepStrictEqual(ids(yield* log.rows), ["bos", "first"])
        log.state.mode = "down"
        writer.add(row("late"), true)
        yield* writer.flush
        // What is not known to be writable is reserved for nobody.
        assert.isFalse(writer.reserve(bo.userId))
        log.state.mode = "up"
        yield* writer.flush
        assert.deepStrictEqual(ids(yield* log.rows), ["bos", "first", "late"])
        assert.isTrue(writer.reserve(bo.userId))
      }).pipe(Effect.scoped, Effect.provide([log.layer, HubMetrics.layer]))
    })
  )

  it.effect("a batch of which nothing can be written is given up, counted and said, and does not stop the others", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      const lines = makeLines()
      yield* Effect.gen(function* () {
        const writer = yield* AuditWriter.make({ retentionDays: 90 })
        const metrics = yield* HubMetrics
        log.state.mode = "broken"
        for (let id = 0; id < 500; id++) writer.add(row(String(id)))
        yield* TestClock.adjust("1 second")
        assert.isBelow(log.state.attempts, 40)
        log.state.mode = "up"
        writer.add(row("after"))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(ids(yield* log.rows), ["after"])
        assert.strictEqual(metrics.value("mcphub_audit_lost_total"), 500)
        assert.include(lines.text(), "audit rows could not be written")
      }).pipe(Effect.scoped, Effect.provide([log.layer, HubMetrics.layer, lines.layer]))
    })
  )

  it.effect("B39: a row that can never be written takes none of the others of its batch with it", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      const lines = makeLines()
      yield* Effect.gen(function* () {
        const writer = yield* AuditWriter.make({ retentionDays: 90 })
        const metrics = yield* HubMetrics
        for (const id of ["1", "2"]) writer.add(row(id, bo))
        writer.add(row("broken", ada))
        for (const id of ["3", "4"]) writer.add(row(id, bo))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(ids(yield* log.rows), ["1", "2", "3", "4"])
        assert.strictEqual(metrics.value("mcphub_audit_lost_total"), 1)
        assert.strictEqual(metrics.value("mcphub_audit_rows_total"), 4)
        assert.match(lines.text(), /"users":\["ada"\][^\n]*1 audit rows could not be written/)
      }).pipe(Effect.scoped, Effect.provide([log.layer, HubMetrics.layer, lines.layer]))
    })
  )

  it.effect("a stop with the database away takes ten seconds at most and says how many rows are lost", () =>
    Effect.gen(function* () {
      const log = yield* makeLog
      const lines = makeLines()
      yield* Effect.gen(function* () {
        const scope = yield* Scope.make()
        const writer = yield* AuditWriter.make({ retentionDays: 90 }).pipe(Scope.provide(scope))
        log.state.mode = "hangs"
        writer.add(row("1"))
        writer.add(row("2"))
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(closing)
        yield* TestClock.adjust("1 second")
        assert.include(lines.text(), "2 audit rows are lost")
      }).pipe(Effect.provide([log.layer, HubMetrics.layer, lines.layer]))
    })
  )

  it.effect("a write broken off by the stop is made again, once", () =>
    Effect.gen(function* () {
      const memory = yield* Effect.provide(AuditLog, AuditLogMemory.layer)
      const arrived = yield* Deferred.make<void>()
      let attempts = 0
      // The first attempt reaches the database, and its answer never comes.
      const append: AuditLog["Service"]["append"] = (events) =>
        Effect.andThen(
          memory.append(events),
          Effect.suspend(() =>
            ++attempts === 1 ? Effect.andThen(Deferred.succeed(arrived, undefined), Effect.never) : Effect.void
          )
        )
      yield* Effect.gen(function* () {
        const scope = yield* Scope.make()
        const writer = yield* AuditWriter.make({ retentionDays: 90 }).pipe(Scope.provide(scope))
        writer.add(row("1"))
        yield* TestClock.adjust("250 millis")
        yield* Deferred.await(arrived)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(attempts, 2)
        assert.deepStrictEqual(ids(yield* memory.find({ limit: 10 })), ["1"])
      }).pipe(Effect.provide([Layer.succeed(AuditLog, { ...memory, append }), HubMetrics.layer]))
    })
  )

  it.effect("old rows are removed at the start and every hour", () =>
    Effect.gen(function* () {
      const memory = yield* Effect.provide(AuditLog, AuditLogMemory.layer)
      const asked: Array<readonly [now: number, days: number]> = []
      const retain: AuditLog["Service"]["retain"] = (now, days) =>
        Effect.suspend(() => {
          asked.push([now, days])
          return asked.length === 1 ? new DatabaseUnavailable({ message: "The database does not answer" }) : Effect.void
        })
      yield* Effect.gen(function* () {
        yield* AuditWriter.make({ retentionDays: 7 })
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(asked, [
          [0, 7],
          [3_600_000, 7]
        ])
      }).pipe(Effect.scoped, Effect.provide([Layer.succeed(AuditLog, { ...memory, retain }), HubMetrics.layer]))
    })
  )
})
