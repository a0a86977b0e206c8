/**
 * The `SqlClient` of a SQLite file: one connection that writes and reads, and for `LongReads` another that only reads, so
 * that whoever reads the audit log holds up nobody's key look-up. The second one opens when it is first needed.
 */
import { Effect, Semaphore } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { SqlClient, type SqlError, Statement } from "effect/sql"
import type { SqliteConnection } from "./SqliteConnection.ts"
import * as SqliteThread from "./SqliteThread.ts"

/** How long a statement waits while another process writes. */
const patienceMs = 5_000

/** After a transaction that was larger the log is cut off to this. */
const largestLog = 64 * 1024 * 1024

/** `full`: a commit returns when the disk has it. */
const writing = [
  `busy_timeout = ${patienceMs}`,
  "journal_mode = wal",
  "synchronous = full",
  "foreign_keys = on",
  `journal_size_limit = ${largestLog}`
]

const reading = [`busy_timeout = ${patienceMs}`]

const clientOf = Effect.fnUntraced(function* (connection: Effect.Effect<SqliteConnection, SqlError.SqlError>) {
  const acquirers = SqlClient.makeSqliteAcquirers({
    connection,
    semaphore: yield* Semaphore.make(1),
    isTransaction: (one) => one.isTransaction()
  })
  return yield* SqlClient.make({
    ...acquirers,
    compiler: Statement.makeCompilerSqlite(),
    driver: "sqlite-thread",
    // Takes the lock of writers at once: a transaction that takes it later may be refused.
    beginTransaction: "begin immediate",
    prepareTransactionControls: true,
    releaseSavepoint: (name) => `release savepoint ${name}`,
    spanAttributes: [["db.system.name", "sqlite"]]
  })
}, Effect.provide(Reactivity.layer))

/** A client that only reads, on a connection that opens with its first statement. */
export const readingClient = Effect.fnUntraced(function* (file: string) {
  return yield* clientOf(yield* SqliteThread.make({ file, readOnly: true, pragmas: reading }))
})

/** The client that writes. */
export const writingClient = Effect.fnUntraced(function* (file: string) {
  const connection = yield* SqliteThread.make({ file, readOnly: false, pragmas: writing })
  yield* connection
  return yield* clientOf(connection)
})
