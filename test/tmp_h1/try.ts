import { PGlite } from "@electric-sql/pglite"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { embeddedWire } from "../../src/cli/database/EmbeddedWire.ts"
const t0 = performance.now()
const lap = (s: string) => console.log(s, Math.round(performance.now() - t0))
const dir = process.argv[2]
const db = new PGlite(dir ? { dataDir: dir } : {})
await db.waitReady
lap("ready")
const layer = PgClient.layer({ stream: () => embeddedWire(db), maxConnections: 1, username: "postgres", database: "postgres", ssl: false })
await Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  console.log(yield* sql`select 1 as a, version() as v, current_setting('TimeZone') as tz`)
  lap("first")
  console.log(yield* sql.withTransaction(Effect.gen(function* () {
    yield* sql`create temp table t (a text[], j jsonb, d timestamp, n int)`
    yield* sql`insert into t values (${["a,b", "c\"d"] as any}, ${JSON.stringify({ x: 1 })}::jsonb, to_timestamp(${1790000000000}::float8/1000) at time zone 'UTC', ${3})`
    return yield* sql`select a, j, to_jsonb(a) as ja, extract(epoch from d)::float8*1000 as d, d as dd, n, n::bigint as b from t`
  })))
  console.log(yield* Effect.exit(sql`select * from nothere`))
  console.log(yield* sql`select ${"x"}::text as ok`)
  const t = performance.now()
  for (let i = 0; i < 1000; i++) yield* sql`select ${i}::int as i`
  console.log("per query ms", (performance.now() - t) / 1000)
  console.log(yield* sql.withTransaction(Effect.andThen(sql`select 1`, Effect.fail("boom"))).pipe(Effect.exit))
  const fiber = yield* Effect.timeoutOption(sql`select pg_sleep(2)`, 200)
  lap("timeout")
  console.log(fiber, yield* sql`select 2 as after`)
  lap("after")
}).pipe(Effect.provide(layer), Effect.runPromise)
await db.close()
lap("closed")
process.exit(0)
