/** A data folder that was copied, or has lost its database: what is done in one place is not done in another. */
import { cpSync, existsSync, readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { hasPostgres, Postgres } from "../../support/Postgres.ts"
import { inFolder } from "../support/InFolder.ts"
import { folder, json, keyPattern, mcphub, patience, post, startHub } from "../support/Program.ts"

const names = (data: string, cwd: string) =>
  Effect.map(json(["user", "ls", "--data", data], { cwd }), (all) =>
    all.map(({ username }: { username: string }) => username).sort()
  )

describe("a copy of a data folder", () => {
  inFolder("field C6: is a hub of its own, while the one it was copied from runs", (cwd) =>
    Effect.gen(function* () {
      const [live, copy] = [join(cwd, ".mcphub"), join(cwd, "copy")]
      const hub = yield* startHub([], { cwd })
      yield* json(["user", "add", "ada"], { cwd })
      cpSync(live, copy, { recursive: true })
      assert.isTrue(existsSync(join(copy, "hub.json")) && existsSync(join(copy, "db.lock")))
      // Beside the one that runs: each command acts on the folder that it was given.
      yield* json(["user", "add", "bo", "--data", copy], { cwd })
      yield* json(["user", "rm", "ada", "--data", copy], { cwd })
      assert.deepStrictEqual(yield* names(live, cwd), ["ada", "admin"])
      assert.deepStrictEqual(yield* names(copy, cwd), ["admin", "bo"])
      const second = yield* startHub(["--data", copy], { cwd })
      assert.notStrictEqual(second.url, hub.url)
      assert.deepStrictEqual(yield* names(copy, cwd), ["admin", "bo"])
      const key = keyPattern.exec(hub.stdout())![0]
      for (const one of [hub, second]) {
        assert.strictEqual((yield* post(one, key, "s", { id: 1, method: "ping" })).status, 200)
      }
      yield* json(["user", "add", "other", "--admin", "--data", copy], { cwd })
      yield* json(["user", "disable", "admin", "--data", copy], { cwd })
      assert.strictEqual((yield* post(second, key, "s", { id: 2, method: "ping" })).status, 401)
      assert.strictEqual((yield* post(hub, key, "s", { id: 2, method: "ping" })).status, 200)
    })
  )

  inFolder("field C6: is none when the folder has only another name by now", (cwd) =>
    Effect.gen(function* () {
      const hub = yield* startHub([], { cwd })
      const moved = join(cwd, "moved")
      renameSync(join(cwd, ".mcphub"), moved)
      const status = yield* json(["status", "--data", moved], { cwd })
      assert.strictEqual(status.url, hub.url)
    })
  )
})

if (hasPostgres) {
  layer(Postgres.layer, { excludeTestServices: true, timeout: 60_000 })("a folder of a hub on PostgreSQL", (it) => {
    it.effect(
      "field C7: is refused without DATABASE_URL, with its name and remedy, and gets no database of its own",
      () =>
        Effect.gen(function* () {
          const { database } = yield* Postgres
          const url = Redacted.value(yield* database)
          const cwd = yield* folder
          const env = { DATABASE_URL: url }
          const hub = yield* startHub([], { cwd, env })
          yield* json(["user", "add", "ada"], { cwd, env })
          // Beside the running hub its door is enough.
          assert.deepStrictEqual(yield* names(join(cwd, ".mcphub"), cwd), ["ada", "admin"])
          hub.signal("SIGTERM")
          yield* hub.ended
          const { hostname, password, pathname, username } = new URL(url)
          for (const args of [
            ["user", "add", "bo"],
            ["user", "ls"],
            ["start", "--port", "0"]
          ]) {
            const refused = yield* mcphub(args, { cwd })
            assert.strictEqual(refused.code, 2, refused.stdout)
            assert.include(refused.stderr, `PostgreSQL at ${hostname}`)
            assert.include(refused.stderr, pathname)
            assert.include(refused.stderr, "DATABASE_URL")
            if (password !== "") assert.notInclude(refused.stderr, password)
          }
          assert.isFalse(existsSync(join(cwd, ".mcphub", "mcphub.sqlite")))
          assert.notInclude(readFileSync(join(cwd, ".mcphub", "database"), "utf8"), `${username}@`)
          const all = yield* json(["user", "ls"], { cwd, env })
          assert.lengthOf(all, 2)
        }).pipe(Effect.scoped),
      patience
    )
  })
}
