import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { spawn } from "node:child_process"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import * as Database from "../../../src/cli/database/Database.ts"
import { databaseFile } from "../../../src/cli/database/SqliteFile.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import * as Migrations from "../../../src/domain/storage/migrations/Migrations.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import { mcphub, program } from "../support/Program.ts"
import { folder } from "../../support/Embedded.ts"
import { credentials } from "../../support/Identity.ts"

const storage = (dataDir: string) =>
  Layer.fresh(
    Repositories.layerRepositories.pipe(
      Layer.provide(credentials),
      Layer.provideMerge(Migrations.layer),
      Layer.provideMerge(Database.layerEmbedded(dataDir))
    )
  )

const places = Effect.gen(function* () {
  const cwd = yield* folder
  const dataDir = join(cwd, ".mcphub")
  return { cwd, dataDir, file: join(cwd, "backup.sqlite") }
})

describe("A backup of the embedded database", () => {
  it.live("beside writes is whole, its owner's alone, and opens as the database of a hub", () =>
    Effect.gen(function* () {
      const { cwd, dataDir, file } = yield* places
      const { key } = yield* Effect.gen(function* () {
        const users = yield* Users
        const ada = yield* users.add({ username: "ada" })
        const made = yield* (yield* HubKeys).create({ userId: ada.id })
        const writing = yield* Effect.forever(users.recordLogin(ada.id)).pipe(Effect.forkChild)
        const ran = yield* mcphub(["backup", file, "--json"], { cwd })
        yield* Fiber.interrupt(writing)
        assert.deepStrictEqual(ran, {
          code: 0,
          stdout: `${JSON.stringify({ file, bytes: statSync(file).size }, null, 2)}\n`,
          stderr: ""
        })
        yield* users.add({ username: "later" })
        return made
      }).pipe(Effect.provide(storage(dataDir), { local: true }))
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      const restored = join(cwd, "restored")
      mkdirSync(restored)
      copyFileSync(file, databaseFile(restored))
      yield* Effect.gen(function* () {
        const [found] = [yield* (yield* HubKeys).principal(key)]
        assert.strictEqual(found._tag === "Some" ? found.value.username : undefined, "ada")
        const names = (yield* (yield* Users).list).map((user) => user.username)
        assert.deepStrictEqual(names, ["ada"])
      }).pipe(Effect.provide(storage(restored), { local: true }))
    }).pipe(Effect.scoped)
  )

  it.live("without a hub is the same, after a killed one too", () =>
    Effect.gen(function* () {
      const { cwd, dataDir, file } = yield* places
      yield* Effect.flatMap(Users, (users) => users.add({ username: "ada" })).pipe(
        Effect.provide(storage(dataDir), { local: true })
      )
      assert.strictEqual((yield* mcphub(["backup", file], { cwd })).code, 0)
      assert.strictEqual(readFileSync(file).subarray(0, 15).toString(), "SQLite format 3")
      assert.strictEqual((yield* mcphub(["backup", `${file}.2`], { cwd })).code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("replaces what a killed one has left unfinished", () =>
    Effect.gen(function* () {
      const { cwd, dataDir, file } = yield* places
      yield* Effect.flatMap(Users, (users) => users.add({ username: "ada" })).pipe(
        Effect.provide(storage(dataDir), { local: true })
      )
      const killed = spawn("true", { stdio: "ignore" })
      yield* Effect.callback<void>((resume) => void killed.once("exit", () => resume(Effect.void)))
      // One of a process that has ended, one whose number this process has got, and one that may be being written.
      const running = `${file}.unfinished.${process.ppid}`
      for (const left of [`${file}.unfinished.${killed.pid}`, `${file}.unfinished.${process.pid}`, running]) {
        writeFileSync(left, "SQLite format 3, half of it")
      }
      assert.strictEqual((yield* mcphub(["backup", file], { cwd })).code, 0)
      assert.sameMembers(readdirSync(cwd), [".mcphub", "backup.sqlite", basename(running)])
      assert.isTrue(readFileSync(file).includes("ada"))
    }).pipe(Effect.scoped)
  )

  it.live("two to the same file at once make one whole file, and neither leaves anything else", () =>
    Effect.gen(function* () {
      const { cwd, dataDir, file } = yield* places
      yield* Effect.flatMap(Users, (users) => users.add({ username: "ada" })).pipe(
        Effect.provide(storage(dataDir), { local: true })
      )
      const both = Effect.all([program(["backup", file], { cwd }), program(["backup", file], { cwd })], {
        concurrency: 2
      })
      const codes = (yield* both).map(({ code }) => code)
      assert.deepStrictEqual(codes.toSorted(), [0, 2])
      assert.sameMembers(readdirSync(cwd), [".mcphub", "backup.sqlite"])
      const restored = join(cwd, "restored")
      mkdirSync(restored)
      copyFileSync(file, databaseFile(restored))
      const users = yield* Effect.flatMap(Users, ({ list }) => list).pipe(
        Effect.provide(storage(restored), { local: true })
      )
      assert.deepStrictEqual(
        users.map((user) => user.username),
        ["ada"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("never overwrites a file, and says why there is none", () =>
    Effect.gen(function* () {
      const { cwd, dataDir, file } = yield* places
      const missing = yield* mcphub(["backup", file], { cwd })
      assert.strictEqual(missing.code, 2)
      assert.include(missing.stderr, "There is no embedded database")
      yield* Effect.provide(Effect.void, storage(dataDir), { local: true })
      writeFileSync(file, "precious")
      const refused = yield* mcphub(["backup", file], { cwd })
      assert.strictEqual(refused.code, 2)
      assert.include(refused.stderr, "exists and is left as it is")
      assert.strictEqual(readFileSync(file, "utf8"), "precious")
      const nowhere = yield* mcphub(["backup", join(cwd, "no", "folder")], { cwd })
      assert.strictEqual(nowhere.code, 2)
      const elsewhere = yield* mcphub(["backup", file], { cwd, env: { DATABASE_URL: "postgres://hub@127.0.0.1/hub" } })
      assert.strictEqual(elsewhere.code, 1)
      assert.include(elsewhere.stderr, "pg_dump")
      assert.sameMembers(readdirSync(cwd), [".mcphub", "backup.sqlite"])
    }).pipe(Effect.scoped)
  )
})

describe("A damaged embedded database", () => {
  it.live("is found by doctor", () =>
    Effect.gen(function* () {
      const { cwd, dataDir } = yield* places
      yield* Effect.gen(function* () {
        const ada = yield* (yield* Users).add({ username: "ada" })
        yield* (yield* HubKeys).create({ userId: ada.id })
      }).pipe(Effect.provide(storage(dataDir), { local: true }))
      const database = (yield* mcphub(["doctor", "--json"], { cwd })).stdout
      assert.strictEqual(levelOf(database), "ok")
      // A row's digest stands in its table and in the index by which it is found.
      const bytes = readFileSync(databaseFile(dataDir))
      const at = bytes.lastIndexOf("sha256:")
      assert.notStrictEqual(at, bytes.indexOf("sha256:"))
      bytes.write("SHA256:", at)
      writeFileSync(databaseFile(dataDir), bytes)
      const ran = yield* mcphub(["doctor", "--json"], { cwd })
      assert.strictEqual(ran.code, 2)
      assert.strictEqual(levelOf(ran.stdout), "fail")
      assert.notInclude(ran.stdout, "HA256:")
      assert.include(detailOf(ran.stdout), `${databaseFile(dataDir)} is damaged`)
    }).pipe(Effect.scoped)
  )

  it.live("is named when the first look finds nothing and a table cannot be read", () =>
    Effect.gen(function* () {
      const { cwd, dataDir } = yield* places
      const file = databaseFile(dataDir)
      const [table] = yield* Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => sql<{ readonly page: number }>`select rootpage as page from sqlite_schema where name = 'users'`
      ).pipe(Effect.provide(storage(dataDir), { local: true }))
      const begin = (table!.page - 1) * 4096
      writeFileSync(file, readFileSync(file).fill(0xa5, begin, begin + 4096))
      const doctor = yield* mcphub(["doctor", "--json"], { cwd })
      assert.strictEqual(doctor.code, 2)
      assert.include(detailOf(doctor.stdout), `${file} is damaged (database disk image is malformed)`)
      const told = `mcphub: ${file} is damaged (database disk image is malformed); restore a backup`
      for (const args of [
        ["start", "--port", "0"],
        ["user", "ls"]
      ]) {
        const ran = yield* mcphub(args, { cwd })
        assert.strictEqual(ran.code, 3)
        assert.include(ran.stderr, told)
      }
    }).pipe(Effect.scoped)
  )

  /** `Uint8Array.fill` over the whole file from there on, as a disk that fails leaves it. */
  const damages: ReadonlyArray<readonly [what: string, from: number, words: string]> = [
    ["file that is no database any more", 0, "file is not a database"],
    ["file whose pages do not fit its first one", 4096, "database disk image is malformed"]
  ]
  for (const [what, from, words] of damages) {
    it.live(`is named with the remedy by every command and by start: a ${what}`, () =>
      Effect.gen(function* () {
        const { cwd, dataDir } = yield* places
        const file = databaseFile(dataDir)
        yield* Effect.flatMap(Users, (users) => users.add({ username: "ada" })).pipe(
          Effect.provide(storage(dataDir), { local: true })
        )
        assert.match(detailOf((yield* mcphub(["doctor", "--json"], { cwd })).stdout), /^SQLite .* is sound$/)
        writeFileSync(file, readFileSync(file).fill(0xa5, from))
        const before = readFileSync(file)
        const doctor = yield* mcphub(["doctor", "--json"], { cwd })
        assert.strictEqual(doctor.code, 2)
        assert.strictEqual(levelOf(doctor.stdout), "fail")
        const told = `${file} is damaged (${words}); restore a backup, see docs/operations/running.md`
        assert.strictEqual(detailOf(doctor.stdout), told)
        for (const args of [
          ["start", "--port", "0"],
          ["user", "ls"]
        ]) {
          const ran = yield* mcphub(args, { cwd })
          assert.deepStrictEqual(ran, { code: 3, stdout: "", stderr: `mcphub: ${told}\n` })
        }
        assert.isTrue(before.equals(readFileSync(file)))
      }).pipe(Effect.scoped)
    )
  }
})

interface Check {
  readonly check: string
  readonly level: string
  readonly detail: string
}

const databaseCheck = (report: string): Check | undefined =>
  (JSON.parse(report).checks as ReadonlyArray<Check>).find(({ check }) => check === "database")

const levelOf = (report: string): string | undefined => databaseCheck(report)?.level

const detailOf = (report: string): string => databaseCheck(report)?.detail ?? ""
