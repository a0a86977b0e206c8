/** The SQLite file as the hub uses it: through threads, beside other processes, and under long reads. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Database from "../../../src/cli/database/Database.ts"
import { databaseFile } from "../../../src/cli/database/SqliteFile.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Principals } from "../../../src/domain/identity/Principals.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { AuditLog, millisPerDay } from "../../../src/domain/records/AuditLog.ts"
import { LongReads } from "../../../src/domain/storage/sql/LongReads.ts"
import { orUnavailable } from "../../../src/domain/storage/sql/Unavailable.ts"
import * as Migrations from "../../../src/domain/storage/migrations/Migrations.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import { SessionId, UserId } from "../../../src/domain/Ids.ts"
import { embeddedForTest, folder } from "../../support/Embedded.ts"
import { heap } from "../../support/Heap.ts"
import { credentials } from "../../support/Identity.ts"

const repositories = Repositories.layer.pipe(Layer.provide(credentials), Layer.provideMerge(Migrations.layer))

/** Numbers up to this, made by the database. */
const numbers = (most: number) => `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${most})`

layer(embeddedForTest, { timeout: "60 seconds", excludeTestServices: true })("The embedded database", (it) => {
  it.effect("keeps nothing of its answers", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ask = sql.unsafe<{ readonly row: number }>(`${numbers(500)} select i as row from n`)
      const asked = (times: number) => Effect.forEach(Array.from({ length: times }), () => ask, { discard: true })
      yield* asked(20)
      const before = heap()
      yield* asked(400)
      // 200 000 rows: whoever kept them would hold tens of megabytes.
      assert.isBelow(heap() - before, 8 * 1024 * 1024)
      assert.strictEqual((yield* ask).at(-1)?.row, 500)
    })
  )

  it.effect("gives the room of removed rows to new ones, and its log does not grow", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table "visits" ("id" integer primary key, "filling" text not null) strict`
      const round = Effect.andThen(
        sql.unsafe(`${numbers(500)} insert into "visits" select i, printf('%.*c', 2000, 'x') from n`),
        sql`delete from "visits"`
      )
      const size = Effect.map(
        sql<{ readonly pages: number; readonly file: string }>`
          select page_count as pages, file from pragma_page_count, pragma_database_list where name = 'main'`,
        ([row]) => ({ pages: row!.pages, log: statSync(`${row!.file}-wal`).size })
      )
      yield* Effect.repeat(round, { times: 5 })
      const before = yield* size
      // A megabyte each time.
      yield* Effect.repeat(round, { times: 40 })
      const after = yield* size
      assert.isAtMost(after.pages, before.pages + 10)
      assert.isBelow(after.log, 8 * 1024 * 1024)
    })
  )

  it.effect("answers statements sent side by side each with its own, an error among them too", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const answers = yield* Effect.forEach(
        Array.from({ length: 60 }, (_, place) => place),
        Effect.fnUntraced(function* (place) {
          if (place % 7 === 3) return (yield* Effect.flip(sql`select no_such_function(${place}) as place`))._tag
          const [row] = yield* sql<{ readonly place: number }>`
            select ${place} as place, printf('%.*c', 20000, 'x') as filling`
          return row?.place
        }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        answers,
        answers.map((_, place) => (place % 7 === 3 ? "SqlError" : place))
      )
    })
  )

  it.effect("a transaction is all or nothing, a savepoint in it too, and others' statements are no part of it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table "marks" ("mark" text primary key) strict`
      const put = (mark: string) => sql`insert into "marks" ("mark") values (${mark})`
      const begun = yield* Deferred.make<void>()
      const undone = Effect.gen(function* () {
        yield* put("undone")
        yield* Deferred.succeed(begun, undefined)
        return yield* Effect.fail("undone")
      }).pipe(sql.withTransaction)
      const fiber = yield* Effect.forkChild(Effect.flip(undone))
      yield* Deferred.await(begun)
      yield* put("beside")
      assert.strictEqual(yield* Fiber.join(fiber), "undone")
      yield* Effect.gen(function* () {
        yield* put("outer")
        yield* Effect.ignore(sql.withTransaction(Effect.andThen(put("inner"), Effect.fail("undone"))))
        const twice = yield* Effect.flip(put("outer"))
        assert.strictEqual(twice.reason._tag, "UniqueViolation")
        yield* put("last")
      }).pipe(sql.withTransaction)
      const rows = yield* sql<{ readonly mark: string }>`select "mark" from "marks" order by 1`
      assert.deepStrictEqual(
        rows.map((row) => row.mark),
        ["beside", "last", "outer"]
      )
    })
  )

  it.effect("a long read of the audit log holds up no other statement", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const reads = (yield* LongReads)!
      yield* reads`select 1 as warm`
      let isReading = true
      const reading = yield* reads.unsafe(`${numbers(3_000_000)} select count(*) as rows from n`).pipe(
        Effect.tap(() => Effect.sync(() => (isReading = false))),
        Effect.forkChild({ startImmediately: true })
      )
      for (let look = 0; look < 20; look++) yield* sql`select ${look} as look`
      assert.isTrue(isReading)
      assert.deepStrictEqual(yield* Fiber.join(reading), [{ rows: 3_000_000 }])
    })
  )

  it.effect("the connection for long reads writes nothing", () =>
    Effect.gen(function* () {
      const reads = (yield* LongReads)!
      const refused = yield* Effect.flip(reads`create table "never" ("a" integer)`)
      assert.match(refused.reason.message ?? "", /readonly/)
    })
  )
})

describe("An embedded database", () => {
  it.live("old rows of the audit log go in portions, between which others get their turn", () =>
    Effect.gen(function* () {
      const log = yield* AuditLog
      const sql = yield* SqlClient.SqlClient
      const now = Date.UTC(2026, 2, 29, 12)
      const who = {
        userId: UserId.make(randomUUID()),
        username: "ada",
        keyId: randomUUID(),
        sessionId: SessionId.make(randomUUID())
      }
      const rowsAt = (time: number, count: number) =>
        Array.from({ length: count }, () => ({
          id: randomUUID(),
          time,
          kind: "request" as const,
          ...who,
          server: null,
          method: "ping",
          target: null,
          outcome: "completed" as const,
          durationMs: 1,
          errorCode: null,
          errorKind: null,
          origin: null
        }))
      yield* log.append(rowsAt(now - 9 * millisPerDay, 5_000))
      yield* log.append([...rowsAt(now - millisPerDay, 1), ...rowsAt(now, 2)])
      let isRemoving = true
      const removing = yield* log.retain(now, 2).pipe(
        Effect.tap(() => Effect.sync(() => (isRemoving = false))),
        Effect.forkChild({ startImmediately: true })
      )
      let looks = 0
      while (isRemoving) {
        yield* sql`select 1 as look`
        looks++
      }
      yield* Fiber.join(removing)
      assert.isAbove(looks, 10)
      assert.lengthOf(yield* log.find({ limit: 10_000 }), 3)
    }).pipe(
      Effect.provide(
        Repositories.layerRepositories.pipe(
          Layer.provide(credentials),
          Layer.provideMerge(Migrations.layer),
          Layer.provideMerge(embeddedForTest)
        )
      )
    )
  )

  it.live("a key revoked by another process is rejected within a second, the other user's is not", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const build = (database: Layer.Layer<Database.DatabaseServices, unknown>) =>
        Layer.build(Layer.fresh(repositories.pipe(Layer.provideMerge(database))))
      const here = yield* build(Database.layerEmbedded(dataDir))
      // Connections of its own, as another process has them.
      const there = yield* build(Database.layerFile(databaseFile(dataDir)))
      const made = yield* Effect.gen(function* () {
        const [users, keys] = [yield* Users, yield* HubKeys]
        const [ada, bo] = [yield* users.add({ username: "ada" }), yield* users.add({ username: "bo" })]
        return { adas: yield* keys.create({ userId: ada.id }), bos: yield* keys.create({ userId: bo.id }) }
      }).pipe(Effect.provide(there))
      yield* Effect.gen(function* () {
        const principals = yield* Principals
        const revoked = yield* Deferred.make<void>()
        yield* principals.invalidations.pipe(
          Stream.filter((event) => event.revoked && event.keyId === made.adas.row.id),
          Stream.runForEach(() => Deferred.succeed(revoked, undefined)),
          Effect.forkScoped({ startImmediately: true })
        )
        yield* principals.authenticate(made.adas.key)
        yield* principals.authenticate(made.bos.key)
        yield* Effect.provide(
          Effect.flatMap(HubKeys, (keys) => keys.revoke(made.adas.row.id)),
          there
        )
        assert.isTrue(Option.isSome(yield* Effect.timeoutOption(Deferred.await(revoked), "1 second")))
        assert.strictEqual((yield* Effect.flip(principals.authenticate(made.adas.key)))._tag, "KeyRejected")
        assert.strictEqual((yield* principals.authenticate(made.bos.key)).username, "bo")
      }).pipe(Effect.provide(here))
    }).pipe(Effect.scoped)
  )

  it.live("a file that another process keeps locked is a typed failure, not an endless wait", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`create table "marks" ("mark" text) strict`
        const other = yield* Layer.build(Layer.fresh(Database.layerFile(databaseFile(dataDir))))
        const held = yield* Effect.provide(SqlClient.SqlClient, other)
        yield* held.withTransaction(
          Effect.gen(function* () {
            yield* sql`pragma busy_timeout = 1`
            const refused = yield* Effect.flip(orUnavailable(sql`insert into "marks" ("mark") values ('a')`))
            assert.strictEqual(refused._tag, "DatabaseUnavailable")
            assert.lengthOf(yield* sql`select "mark" from "marks"`, 0)
          })
        )
        yield* sql`insert into "marks" ("mark") values ('b')`
        assert.deepStrictEqual(yield* sql`select "mark" from "marks"`, [{ mark: "b" }])
      }).pipe(Effect.provide(Database.layerEmbedded(dataDir), { local: true }))
    }).pipe(Effect.scoped)
  )

  it.live("folder and files are their owner's alone", () =>
    Effect.gen(function* () {
      const dataDir = join(yield* folder, "data")
      yield* Effect.gen(function* () {
        yield* (yield* SqlClient.SqlClient)`create table "marks" ("mark" text) strict`
        assert.strictEqual(statSync(dataDir).mode & 0o777, 0o700)
        const files = readdirSync(dataDir).filter((name) => name.startsWith("mcphub.sqlite"))
        assert.sameMembers(files, ["mcphub.sqlite", "mcphub.sqlite-shm", "mcphub.sqlite-wal"])
        for (const name of files) assert.strictEqual(statSync(join(dataDir, name)).mode & 0o777, 0o600, name)
      }).pipe(Effect.provide(Database.layerEmbedded(dataDir), { local: true }))
    }).pipe(Effect.scoped)
  )

  it.live("the folder of an earlier version's database is refused with a remedy, and left as it is", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      mkdirSync(join(dataDir, "db"))
      writeFileSync(join(dataDir, "db", "PG_VERSION"), "18\n")
      const open = Effect.provide(SqlClient.SqlClient, Database.layerEmbedded(dataDir), { local: true })
      const refused = yield* Effect.flip(open)
      assert.strictEqual(refused._tag, "EmbeddedDatabaseFailed")
      assert.include(refused.message, join(dataDir, "db"))
      assert.include(refused.message, "--data")
      assert.deepStrictEqual(readdirSync(dataDir), ["db"])
      assert.strictEqual(readFileSync(join(dataDir, "db", "PG_VERSION"), "utf8"), "18\n")
    }).pipe(Effect.scoped)
  )

  it.live("a file that is no database is a typed failure", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      writeFileSync(databaseFile(dataDir), "no database ".repeat(1_000))
      const open = Effect.provide(SqlClient.SqlClient, Database.layerEmbedded(dataDir), { local: true })
      assert.strictEqual((yield* Effect.flip(open))._tag, "SqlError")
    }).pipe(Effect.scoped)
  )
})
