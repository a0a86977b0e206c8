import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Database from "../../../src/cli/database/Database.ts"
import { databaseFile } from "../../../src/cli/database/SqliteFile.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import * as Migrations from "../../../src/domain/storage/migrations/Migrations.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import { mcphub } from "../support/Program.ts"
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
    }).pipe(Effect.scoped)
  )
})

const levelOf = (report: string): string | undefined =>
  (JSON.parse(report).checks as ReadonlyArray<{ readonly check: string; readonly level: string }>).find(
    ({ check }) => check === "database"
  )?.level
