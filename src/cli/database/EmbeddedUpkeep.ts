/**
 * What a PostgreSQL server does in processes of its own, and an embedded database, which has only the hub's, does not:
 *
 * - checkpoints, without which its write-ahead log grows for as long as it is open, and a hub that was killed replays
 *   all of it at its next start;
 * - vacuum, without which a row that was updated or deleted keeps its room for ever.
 *
 * The hub stands still meanwhile, so both are done in small portions: a look twice a minute, at the thresholds of
 * autovacuum (section "Routine Vacuuming" of PostgreSQL's manual) and one segment of the log.
 */
import { Cause, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

const lookEvery = "30 seconds"
/** Bytes of write-ahead log since the last checkpoint that are worth the next one. */
const walWorth = 16 * 1024 * 1024

/** One look: vacuums what has gathered dead rows, or is old enough to be frozen, and shortens the log. */
export const tidy: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Else the counts of dead rows may lack the last statements.
  yield* sql`select pg_stat_force_next_flush()`
  const tables = yield* sql<{ readonly name: string }>`
    select format('%I.%I', s."schemaname", s."relname") as name
    from pg_stat_all_tables as s join pg_class as c on c."oid" = s."relid"
    where c."relkind" = 'r' and c."relpersistence" = 'p' and (s."n_dead_tup" > 50 + 0.2 * greatest(c."reltuples", 0)
      or age(c."relfrozenxid") > current_setting('autovacuum_freeze_max_age')::integer)`
  // Each in its turn, so that other statements get theirs in between.
  yield* Effect.forEach(tables, ({ name }) => sql.unsafe(`vacuum ${name}`), { discard: true })
  const [log] = yield* sql<{ readonly bytes: number }>`
    select (pg_current_wal_insert_lsn() - "redo_lsn")::float8 as bytes from pg_control_checkpoint()`
  if (log !== undefined && log.bytes >= walWorth) yield* sql`checkpoint`
})

/** Looks for as long as the scope lives. */
export const layer: Layer.Layer<never, never, SqlClient.SqlClient> = Layer.effectDiscard(
  tidy.pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.logWarning("The embedded database could not be tidied up; its folder grows until it can", cause)
    ),
    Effect.delay(lookEvery),
    Effect.forever,
    Effect.forkScoped
  )
)
