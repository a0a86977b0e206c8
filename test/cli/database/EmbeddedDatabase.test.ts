/**
 * What keeps an embedded database the same size: nothing is kept of its answers, dead rows make room, and its
 * write-ahead log is cut off. Through the same client and folder as in the hub.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { SqlClient } from "effect/sql"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Database from "../../../src/cli/database/Database.ts"
import * as EmbeddedUpkeep from "../../../src/cli/database/EmbeddedUpkeep.ts"
import { eventually } from "../../support/Eventually.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-embedded-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Collects garbage, which only a runtime that was asked to lets a program do. */
const collect: () => void = (() => {
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc")
})()

const heap = () => {
  collect()
  return process.memoryUsage().heapUsed
}

const segments = (dataDir: string) =>
  readdirSync(join(dataDir, "db", "pg_wal")).filter((name) => /^[0-9A-F]{24}$/.test(name)).length

const churned = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table "visits" ("id" integer primary key, "at" timestamptz not null)`
  yield* sql`create index on "visits" ("at")`
  yield* sql`insert into "visits" select id, now() from generate_series(1, 500) as ids(id)`
  return {
    /** Every row once more, with 500 dead ones left behind. */
    update: sql`update "visits" set "at" = clock_timestamp()`,
    pages: Effect.map(
      sql<{ readonly pages: number }>`select (pg_relation_size('visits') / 8192)::integer as pages`,
      ([row]) => row!.pages
    )
  }
})

layer(Database.layerEmbeddedMemory, { timeout: "60 seconds", excludeTestServices: true })(
  "The embedded database",
  (it) => {
    it.effect("keeps nothing of its answers", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const ask = sql<{ readonly row: number }>`select row from generate_series(1, 500) as rows(row)`
        const asked = (times: number) => Effect.forEach(Array.from({ length: times }), () => ask, { discard: true })
        yield* asked(20)
        const before = heap()
        yield* asked(400)
        // 200 000 rows: whoever kept them would hold tens of megabytes.
        assert.isBelow(heap() - before, 8 * 1024 * 1024)
        assert.strictEqual((yield* ask).at(-1)?.row, 500)
      })
    )

    it.effect("answers statements sent side by side each with its own, an error among them too", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const answers = yield* Effect.forEach(
          Array.from({ length: 60 }, (_, place) => place),
          Effect.fnUntraced(function* (place) {
            if (place % 7 === 3) return (yield* Effect.flip(sql`select ${place}::integer / 0 as place`))._tag
            const [row] = yield* sql<{ readonly place: number }>`
            select ${place}::integer as place, repeat('x', 20000) as filling`
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

    it.effect("gives the room of dead rows to new ones", () =>
      Effect.gen(function* () {
        const { pages, update } = yield* churned
        const round = Effect.andThen(update, EmbeddedUpkeep.tidy)
        yield* Effect.repeat(round, { times: 5 })
        const before = yield* pages
        yield* Effect.repeat(round, { times: 40 })
        // Without room made again every round would add three.
        assert.isAtMost(yield* pages, before + 3)
      })
    )
  }
)

describe("An embedded database", () => {
  it.live("cuts its write-ahead log off, in the folder too", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const since = Effect.map(
          sql<{ readonly bytes: number }>`
            select (pg_current_wal_insert_lsn() - "redo_lsn")::float8 as bytes from pg_control_checkpoint()`,
          ([row]) => row!.bytes
        )
        const fill = sql`select pg_logical_emit_message(true, 'filling', repeat('x', 6000000))::text from generate_series(1, 4)`
        yield* Effect.repeat(Effect.andThen(fill, EmbeddedUpkeep.tidy), { times: 7 })
        assert.isBelow(yield* since, 20 * 1024 * 1024)
        // Eight times 24 MB have been written: twelve segments.
        assert.isAtMost(segments(dataDir), 6)
      }).pipe(Effect.provide(Database.layerEmbedded(dataDir), { local: true }))
    }).pipe(Effect.scoped)
  )

  it.effect("is looked after twice a minute, for as long as it is open", () =>
    Effect.gen(function* () {
      const { pages, update } = yield* churned
      const sql = yield* SqlClient.SqlClient
      const looks = Effect.map(
        sql<{ readonly looks: number }>`
          select "vacuum_count"::integer as looks from pg_stat_user_tables where "relname" = 'visits'`,
        ([row]) => row?.looks
      )
      for (const look of [1, 2]) {
        yield* update
        yield* TestClock.adjust("29 seconds")
        assert.strictEqual(yield* looks, look - 1)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* eventually(looks, (count) => count === look), look)
      }
      assert.isBelow(yield* pages, 20)
    }).pipe(Effect.provide(Database.layerEmbeddedMemory))
  )
})
