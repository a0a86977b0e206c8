import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Redacted, Scope, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Database from "../../../src/cli/database/Database.ts"
import { databaseFile } from "../../../src/cli/database/SqliteFile.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import { KeyEvents } from "../../../src/domain/identity/KeyEvents.ts"
import { orUnavailable } from "../../../src/domain/storage/sql/Unavailable.ts"
import * as Migrations from "../../../src/domain/storage/migrations/Migrations.ts"
import { Principals } from "../../../src/domain/identity/Principals.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { embeddedForTest, folder } from "../../support/Embedded.ts"
import { credentials } from "../../support/Identity.ts"
import { hasPostgres, Postgres } from "../../support/Postgres.ts"

const repositories = Repositories.layer.pipe(Layer.provide(credentials), Layer.provideMerge(Migrations.layer))

/** A hub's storage on a database, as an own instance. */
const hub = (options: Database.DatabaseOptions) => repositories.pipe(Layer.provideMerge(Database.layer(options)))

describe("The embedded database", () => {
  it.live("keeps what was stored when it is opened again", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const key = yield* Effect.gen(function* () {
        const ada = yield* (yield* Users).add({ username: "ada" })
        return (yield* (yield* HubKeys).create({ userId: ada.id })).key
      }).pipe(Effect.provide(hub({ dataDir }), { local: true }))
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* (yield* Principals).authenticate(key)).username, "ada")
        assert.deepStrictEqual(yield* Migrations.pending, [])
      }).pipe(Effect.provide(hub({ dataDir }), { local: true }))
    }).pipe(Effect.scoped)
  )

  it.live("is not opened twice, and is taken over from a process that was killed", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const select = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1 as one`)
      const open = Effect.provide(select, Database.layer({ dataDir }), { local: true })
      const second = yield* Effect.provide(Effect.flip(open), Database.layer({ dataDir }), { local: true })
      assert.strictEqual(second._tag, "DataDirInUse")
      assert.include(second.message, String(process.pid))
      const child = spawn(process.execPath, ["--version"], { stdio: "ignore" })
      yield* Effect.callback<void>((resume) => void child.once("exit", () => resume(Effect.void)))
      writeFileSync(join(dataDir, "db.lock"), JSON.stringify({ pid: child.pid, since: 1 }))
      assert.deepStrictEqual(yield* open, [{ one: 1 }])
    }).pipe(Effect.scoped)
  )

  it.live("is waited for where another command has it for a moment, by all who come at once", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const select = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1 as one`)
      const open = Effect.suspend(() =>
        Effect.provide(select, Layer.fresh(Database.layer({ dataDir })), { local: true })
      )
      const all = yield* Effect.all(
        Array.from({ length: 8 }, () => open),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(all, 8)
    }).pipe(Effect.scoped)
  )

  it.live("a lock that names nobody, or a process whose number another one has now, stops nobody", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const select = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1 as one`)
      const open = Effect.provide(select, Database.layer({ dataDir }), { local: true })
      const lock = join(dataDir, "db.lock")
      const own = yield* Effect.provide(
        Effect.sync(() => readFileSync(lock, "utf8")),
        Database.layer({ dataDir }),
        { local: true }
      )
      for (const content of ["", '{"pid":']) {
        writeFileSync(lock, content)
        assert.deepStrictEqual(yield* open, [{ one: 1 }], content)
      }
      // Lives until its standard input ends.
      const child = yield* Effect.acquireRelease(
        Effect.sync(() => spawn("cat", { stdio: ["pipe", "ignore", "ignore"] })),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      yield* Effect.callback<void>((resume) => void child.once("spawn", () => resume(Effect.void)))
      writeFileSync(lock, JSON.stringify({ pid: child.pid, since: 1 }))
      assert.strictEqual((yield* Effect.flip(open))._tag, "DataDirInUse")
      const { started } = JSON.parse(own)
      assert.strictEqual(typeof started, existsSync("/proc/self/stat") ? "string" : "undefined")
      if (started === undefined) return
      writeFileSync(lock, JSON.stringify({ pid: child.pid, since: 1, started: "1" }))
      assert.deepStrictEqual(yield* open, [{ one: 1 }])
      // The process that began then.
      const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8")
      const begun = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]
      writeFileSync(lock, JSON.stringify({ pid: child.pid, since: 1, started: begun }))
      assert.strictEqual((yield* Effect.flip(open))._tag, "DataDirInUse")
    }).pipe(Effect.scoped)
  )

  it.live("is made again when its making was broken off", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      writeFileSync(databaseFile(dataDir), "")
      const pending = Effect.provide(Migrations.pending, hub({ dataDir }), { local: true })
      assert.deepStrictEqual(yield* pending, [])
    }).pipe(Effect.scoped)
  )

  it.live("announces a change after it committed and not when it was rolled back", () =>
    Effect.gen(function* () {
      const [sql, users, events] = [yield* SqlClient.SqlClient, yield* Users, yield* KeyEvents]
      const [ada, bo] = [yield* users.add({ username: "ada" }), yield* users.add({ username: "bo" })]
      const heard = yield* events.news.pipe(
        Stream.take(1),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* Effect.flip(sql.withTransaction(Effect.andThen(users.setActive(ada.id, false), Effect.fail("undone"))))
      yield* users.setActive(bo.id, false)
      assert.deepStrictEqual(yield* Fiber.join(heard), [{ _tag: "changed", event: { userId: bo.id, revoked: true } }])
      assert.isTrue((yield* users.byId(ada.id)).isActive)
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
})

if (hasPostgres) {
  describe("Two hubs on one PostgreSQL", () => {
    it.live("a key revoked at one is rejected at the other within a second, the other user's is not", () =>
      Effect.gen(function* () {
        const databaseUrl = yield* (yield* Postgres).database
        const build = Layer.build(Layer.fresh(hub({ databaseUrl, dataDir: "" })))
        const here = yield* build
        const there = yield* build
        const made = yield* Effect.gen(function* () {
          const [users, keys] = [yield* Users, yield* HubKeys]
          const [ada, bo] = [yield* users.add({ username: "ada" }), yield* users.add({ username: "bo" })]
          return { adas: yield* keys.create({ userId: ada.id }), bos: yield* keys.create({ userId: bo.id }) }
        }).pipe(Effect.provide(here))
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
            here
          )
          const waited = yield* Effect.timeoutOption(Deferred.await(revoked), "1 second")
          assert.isTrue(Option.isSome(waited))
          assert.strictEqual((yield* Effect.flip(principals.authenticate(made.adas.key)))._tag, "KeyRejected")
          assert.strictEqual(principals.peek(Redacted.value(made.bos.key))?.username, "bo")
        }).pipe(Effect.provide(there))
      }).pipe(Effect.scoped, Effect.provide(Postgres.layer))
    )

    it.live("B21: a subscription whose connection is cut is renewed, and what was revoked meanwhile is found", () =>
      Effect.gen(function* () {
        const server = yield* Postgres
        const databaseUrl = yield* server.database
        const scope = yield* Scope.make()
        const here = yield* Layer.buildWithScope(hub({ databaseUrl, dataDir: "" }), scope)
        yield* Effect.gen(function* () {
          const [users, keys, principals, sql] = [
            yield* Users,
            yield* HubKeys,
            yield* Principals,
            yield* SqlClient.SqlClient
          ]
          const ada = yield* users.add({ username: "ada" })
          const { key, row } = yield* keys.create({ userId: ada.id })
          yield* principals.authenticate(key)
          const revoked = yield* Deferred.make<void>()
          yield* principals.invalidations.pipe(
            Stream.filter((event) => event.revoked && event.keyId === row.id),
            Stream.runForEach(() => Deferred.succeed(revoked, undefined)),
            Effect.forkScoped({ startImmediately: true })
          )
          // By hand, so that nothing announces it; then every other connection of the hub is cut.
          yield* server.on(
            databaseUrl,
            Effect.gen(function* () {
              const other = yield* SqlClient.SqlClient
              yield* other`update "mcphub_keys" set "isActive" = false where "id" = ${row.id}::uuid`
              yield* other`select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()`
            })
          )
          assert.isTrue(Option.isSome(yield* Effect.timeoutOption(Deferred.await(revoked), "10 seconds")))
          assert.strictEqual((yield* Effect.flip(principals.authenticate(key)))._tag, "KeyRejected")
          assert.strictEqual((yield* sql`select 1 as one`).length, 1)
        }).pipe(Effect.provide(here), Effect.scoped)
        yield* Scope.close(scope, Exit.void)
      }).pipe(Effect.scoped, Effect.provide(Postgres.layer))
    )

    it.live("a connection that is lost within a transaction is a typed failure, as it is outside of one", () =>
      Effect.gen(function* () {
        const databaseUrl = yield* (yield* Postgres).database
        yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const lost = sql`select pg_terminate_backend(pg_backend_pid())`
          for (const statement of [lost, sql.withTransaction(lost)]) {
            assert.strictEqual((yield* Effect.flip(orUnavailable(statement)))._tag, "DatabaseUnavailable")
          }
          assert.strictEqual((yield* sql`select 1 as one`).length, 1)
        }).pipe(Effect.provide(Database.layerPostgres(databaseUrl)))
      }).pipe(Effect.scoped, Effect.provide(Postgres.layer))
    )

    it.live("a server that cannot be reached is a typed failure that names the remedy and no password", () =>
      Effect.gen(function* () {
        const databaseUrl = Redacted.make("postgres://hub:canary@127.0.0.1:9/none")
        const layer = Repositories.layerRepositories.pipe(
          Layer.provide(credentials),
          Layer.provide(Database.layer({ databaseUrl, dataDir: "" }))
        )
        const error = yield* Effect.provide(
          Effect.flatMap(Users, (users) => Effect.flip(users.list)),
          layer
        )
        assert.strictEqual(error._tag, "DatabaseUnavailable")
        assert.include(error.message, "DATABASE_URL")
        assert.notInclude(error.message, "canary")
      })
    )
  })
}
