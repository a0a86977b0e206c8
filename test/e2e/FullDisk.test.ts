/** A disk that fills up under a running hub. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { DatabaseUnavailable } from "../../src/domain/identity/IdentityErrors.ts"
import { orUnavailable } from "../../src/domain/storage/sql/Unavailable.ts"
import * as Database from "../../src/cli/database/Database.ts"
import { disk } from "../cli/support/Disk.ts"
import { inFolder } from "../cli/support/InFolder.ts"
import { keyPattern, mcphub, post, startHub } from "../cli/support/Program.ts"
import { eventually } from "../support/Eventually.ts"
import { hasPostgres, Postgres } from "../support/Postgres.ts"

/** Writes until nothing more fits. */
const fill = (file: string): void => {
  const open = openSync(file, "w")
  try {
    for (const size of [1 << 20, 1 << 12]) {
      const piece = new Uint8Array(size)
      try {
        for (;;) if (writeSync(open, piece) < size) break
      } catch (cause) {
        assert.strictEqual((cause as NodeJS.ErrnoException).code, "ENOSPC")
      }
    }
  } finally {
    closeSync(open)
  }
}

inFolder(
  "field D9: is named with its folder in the log, doctor, /readyz, metrics and commands, until there is room",
  (cwd) =>
    Effect.gen(function* () {
      const small = yield* disk(cwd, "size=48m")
      if (small === undefined) return
      const data = join(small, "data")
      const hub = yield* startHub(["--data", data], { cwd })
      const key = keyPattern.exec(hub.stdout())![0]
      const get = (path: string) =>
        Effect.promise(() =>
          fetch(hub.url.replace(/\/mcp$/, path)).then(async (r) => ({ status: r.status, text: await r.text() }))
        )
      const ping = Effect.map(post(hub, key, "s", { id: 1, method: "ping" }), ({ status }) => status)
      assert.strictEqual(yield* ping, 200)
      assert.deepStrictEqual(yield* get("/readyz"), { status: 200, text: "ready" })

      fill(join(small, "fill"))
      const told = `The disk of ${data} is full`
      // What fits into the log of the database is written first.
      const ready = yield* eventually(Effect.andThen(ping, get("/readyz")), ({ text }) => text !== "ready")
      assert.strictEqual(ready.status, 200, "it serves all the same")
      assert.include(ready.text, `ready, but: ${told}`)
      assert.strictEqual(yield* ping, 200)
      assert.match((yield* get("/metrics")).text, /^mcphub_database_full 1$/m)
      // The log is written beside what it tells of.
      const log = yield* eventually(Effect.sync(hub.stderr), (text) => text.includes(told))
      assert.include(log, told)
      assert.notInclude(hub.stderr(), "does not answer")
      const doctor = yield* mcphub(["doctor", "--data", data], { cwd })
      assert.strictEqual(doctor.code, 2)
      assert.include(doctor.stdout, `FAIL  disk: the disk of ${data} is full`)
      assert.include(doctor.stdout, `FAIL  database: ${told}`)
      const added = yield* mcphub(["user", "add", "ada", "--data", data], { cwd })
      assert.strictEqual(added.code, 3)
      assert.include(added.stderr, told)
      assert.notInclude(added.stderr, "DATABASE_URL")

      rmSync(join(small, "fill"))
      const again = yield* eventually(Effect.andThen(ping, get("/readyz")), ({ text }) => text === "ready")
      assert.strictEqual(again.text, "ready")
      assert.match((yield* get("/metrics")).text, /^mcphub_database_full 0$/m)
      assert.strictEqual((yield* mcphub(["user", "add", "ada", "--data", data], { cwd })).code, 0)
    })
)

if (hasPostgres) {
  it.live("field D9: of a PostgreSQL server is told from one that does not answer", () =>
    Effect.gen(function* () {
      const url = yield* (yield* Postgres).database
      const services = yield* Layer.build(Database.layerPostgres(url))
      const error = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        return yield* Effect.flip(
          orUnavailable(sql.unsafe("do $$ begin raise exception 'could not extend' using errcode = '53100'; end $$"))
        )
      }).pipe(Effect.provideContext(services))
      assert.instanceOf(error, DatabaseUnavailable)
      assert.isTrue(error.isFull)
      assert.include(error.message, "The disk of the PostgreSQL server is full")
    }).pipe(Effect.scoped, Effect.provide(Postgres.layer))
  )
}
