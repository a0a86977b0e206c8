import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { SqlClient } from "effect/sql"
import { renameSync, rmSync, writeFileSync } from "node:fs"
import { Worker } from "node:worker_threads"
import { LogOutput, LogSink } from "../../../src/actors/observing/LogOutput.ts"
import * as Logging from "../../../src/actors/observing/Logging.ts"
import * as Database from "../../../src/cli/database/Database.ts"
import { databaseFile } from "../../../src/cli/database/SqliteFile.ts"
import { LongReads } from "../../../src/domain/storage/sql/LongReads.ts"
import { StorageCheck } from "../../../src/domain/storage/sql/StorageCheck.ts"
import { folder } from "../../support/Embedded.ts"

/** The threads that statements have been sent to, the latest last. */
const threads = Effect.acquireRelease(
  Effect.sync(() => {
    const original = Worker.prototype.postMessage
    const seen: Array<Worker> = []
    Worker.prototype.postMessage = function (this: Worker, ...message) {
      if (!seen.includes(this)) seen.push(this)
      return original.apply(this, message)
    }
    return { seen, restore: () => (Worker.prototype.postMessage = original) }
  }),
  ({ restore }) => Effect.sync(restore)
)

const start = Effect.gen(function* () {
  const { seen } = yield* threads
  const dataDir = yield* folder
  const chunks: Array<string> = []
  const logging = Logging.layer({ level: "Info" }).pipe(
    Layer.provideMerge(LogOutput.layer),
    Layer.provide(Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => void chunks.push(chunk)) }))
  )
  const services = yield* Layer.build(Database.layerEmbedded(dataDir).pipe(Layer.provideMerge(logging)))
  const sql = yield* SqlClient.SqlClient.pipe(Effect.provideContext(services))
  yield* sql`create table "notes" ("user" text not null, "text" text not null) strict`
  return {
    dataDir,
    services,
    sql,
    seen,
    /** Ends the thread as nothing in the hub does. */
    kill: Effect.promise(() => seen.at(-1)!.terminate()),
    log: () => chunks.join(""),
    lines: () => chunks.join("").split("has ended by itself").length - 1
  }
})

const add = (sql: SqlClient.SqlClient, user: string, text: string) =>
  sql`insert into "notes" ("user", "text") values (${user}, ${text})`

const notes = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ readonly text: string }>`select "text" from "notes" order by "text"`, (rows) =>
    rows.map(({ text }) => text)
  )

describe("a thread of the embedded database that ends by itself", () => {
  it.effect("B45: is replaced with the next statement; what was written is there, and the log says it once", () =>
    Effect.gen(function* () {
      const { kill, lines, seen, services, sql } = yield* start
      yield* add(sql, "ada", "before")
      yield* kill
      yield* add(sql, "bo", "after").pipe(Effect.retry({ times: 1 }))
      assert.deepStrictEqual(yield* notes(sql), ["after", "before"])
      assert.lengthOf(seen, 2)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(lines(), 1)
      const reads = (yield* LongReads.pipe(Effect.provideContext(services)))!
      assert.deepStrictEqual(yield* notes(reads), ["after", "before"])
      yield* kill
      assert.deepStrictEqual(yield* notes(reads), ["after", "before"])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(lines(), 2)
    }).pipe(Effect.scoped)
  )

  it.effect("B45: takes the transaction it was in with it, and nothing of that is written by another thread", () =>
    Effect.gen(function* () {
      const { kill, sql } = yield* start
      const [begun, killed] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const transfer = sql.withTransaction(
        Effect.gen(function* () {
          yield* add(sql, "ada", "first half")
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(killed)
          yield* Effect.ignore(add(sql, "ada", "second half"))
          yield* Effect.ignore(add(sql, "ada", "third half"))
        })
      )
      const adas = yield* Effect.forkChild(Effect.exit(transfer))
      yield* Deferred.await(begun)
      const bos = yield* Effect.forkChild(add(sql, "bo", "bo's").pipe(Effect.retry({ times: 1 })))
      yield* kill
      yield* Deferred.succeed(killed, undefined)
      assert.isTrue(Exit.isFailure(yield* Fiber.join(adas)))
      yield* Fiber.join(bos)
      assert.deepStrictEqual(yield* notes(sql), ["bo's"])
    }).pipe(Effect.scoped)
  )

  it.effect("B45: is not started anew without pause where threads end again and again; statements fail meanwhile", () =>
    Effect.gen(function* () {
      const { kill, log, seen, sql } = yield* start
      const pauses: Array<number> = []
      for (let n = 0; n < 9; n++) {
        yield* kill
        let pause = 0
        while (Exit.isFailure(yield* Effect.exit(notes(sql)))) {
          pause += 100
          yield* TestClock.adjust("100 millis")
        }
        pauses.push(pause)
      }
      assert.deepStrictEqual(pauses.slice(0, 4), [0, 100, 200, 400])
      assert.strictEqual(pauses.at(-1), 10_000)
      assert.lengthOf(seen, 10)
      assert.strictEqual(log().split('"pauseMs":10000').length - 1, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("B45: ends with the hub without a word", () =>
    Effect.gen(function* () {
      const chunks = yield* Effect.scoped(Effect.map(start, ({ log }) => log))
      assert.notInclude(chunks(), "has ended")
    }).pipe(Effect.scoped)
  )
})

describe("the file of the embedded database under a running hub", () => {
  const replace = (file: string) => {
    renameSync(file, `${file}.away`)
    writeFileSync(file, "")
  }
  for (const [what, change] of [
    ["removed", (file: string) => rmSync(file)],
    ["replaced", replace]
  ] as const) {
    it.effect(`B45: that was ${what} is no readiness, stands in the log once, and no thread opens another one`, () =>
      Effect.gen(function* () {
        const { dataDir, kill, log, services, sql } = yield* start
        const check = Effect.flatten(StorageCheck.pipe(Effect.provideContext(services)))
        assert.isUndefined(yield* check)
        change(databaseFile(dataDir))
        assert.include(yield* check, what)
        for (let n = 0; n < 3; n++) yield* TestClock.adjust("10 seconds")
        assert.strictEqual(log().split(`was ${what} while the hub runs`).length - 1, 1)
        yield* kill
        yield* Effect.exit(notes(sql))
        yield* TestClock.adjust("1 second")
        const error = yield* Effect.flip(notes(sql))
        assert.include(error.reason.message, what)
      }).pipe(Effect.scoped)
    )
  }
})
