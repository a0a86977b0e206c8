/**
 * One connection to a SQLite file, in a thread of its own, as `effect/sql` knows connections. Statements run in the order
 * they are given; whoever stops waiting for one does not stop it. When its thread ends, all that waits fails, and so does
 * whatever comes: `SqliteThread` has another one.
 */
import { Effect, type Scope, Stream } from "effect"
import { SqlError, type SqlConnection } from "effect/sql"
import { dirname } from "node:path"
import { Worker } from "node:worker_threads"
import { isDamage } from "../../domain/storage/sql/Damaged.ts"
import { sqliteFull } from "../../domain/storage/sql/DiskFull.ts"
import { isFull } from "./DiskRoom.ts"
import type { FromConnection, OpenConnection, SqliteFailure, SqliteValue, ToConnection } from "./SqliteMessages.ts"

export interface SqliteConnection extends SqlConnection.Connection {
  readonly isTransaction: () => boolean
  /** Whether its thread lives. */
  readonly isOpen: () => boolean
}

type Answer = (answer: Effect.Effect<ReadonlyArray<SqlConnection.Row>, SqlError.SqlError>) => void

/** Codes of SQLite: https://www.sqlite.org/rescode.html */
const primaryKeyTaken = 1555
const uniqueTaken = 2067
const ioError = 10
/** I/O error, full, cannot open: the disk may have room or be there again. */
const disk: ReadonlySet<number> = new Set([ioError, sqliteFull, 14])

/** SQLite calls a full disk an I/O error where it was about to make its log longer. */
const codeOf = (file: string, code: number): number =>
  (code & 0xff) === sqliteFull || ((code & 0xff) === ioError && isFull(dirname(file))) ? sqliteFull : code

const messageOf = (file: string, code: number, message: string): string => {
  if (code === sqliteFull) return `The disk of ${dirname(file)} is full (${message}); make room`
  return isDamage(code) ? `${file} is damaged (${message})` : message
}

const errorOf = (file: string, failure: SqliteFailure): SqlError.SqlError => {
  const code = codeOf(file, failure.code)
  const message = messageOf(file, code, failure.message)
  const cause = { code: code === primaryKeyTaken ? uniqueTaken : code, message }
  const reason = disk.has(code & 0xff)
    ? new SqlError.ConnectionError({ cause, message })
    : SqlError.classifySqliteError(cause, { message })
  return new SqlError.SqlError({ reason })
}

/** The file cannot be reached at the moment. */
export const connectionFailed = (file: string, message: string): SqlError.SqlError =>
  errorOf(file, { code: 14, message })

const bound = (value: unknown): SqliteValue =>
  value === undefined ? null : typeof value === "boolean" ? Number(value) : (value as SqliteValue)

const program = new URL(`./sqlite-connection.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)

const ended: SqliteFailure = { code: 14, message: "The thread of the database has ended" }

const start = (options: OpenConnection): Effect.Effect<Worker, SqlError.SqlError> =>
  Effect.callback<Worker, SqlError.SqlError>((resume) => {
    const worker = new Worker(program, { workerData: options })
    const fail = (failure: SqliteFailure) => {
      // First, since on Deno the exit is heard within `terminate`.
      resume(Effect.fail(errorOf(options.file, failure)))
      void worker.terminate()
    }
    worker.once("error", (error) => fail({ ...ended, message: error.message }))
    worker.on("message", (message: FromConnection) => {
      if (message === "open") resume(Effect.succeed(worker))
      // Node's own messages arrive here too: under --watch it reports every module that the thread loads.
      else if (typeof message === "object" && "notOpen" in message) fail(message.notOpen)
    })
    worker.once("exit", () => fail(ended))
  })

/** The last connection of a file that closes takes its log into it. */
const close = (worker: Worker): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    worker.once("exit", () => resume(Effect.void))
    worker.on("message", (message: FromConnection) => {
      if (message === "closed") void worker.terminate()
    })
    worker.postMessage("close" satisfies ToConnection)
  })

/** Opens the file for as long as the scope lives. */
export const openConnection = Effect.fnUntraced(function* (
  options: OpenConnection
): Effect.fn.Return<SqliteConnection, SqlError.SqlError, Scope.Scope> {
  let isOpen = true
  let isTransaction = false
  let last = 0
  const waiting = new Map<number, Answer>()
  const worker = yield* Effect.acquireRelease(start(options), (worker) =>
    Effect.suspend(() => (isOpen ? close(worker) : Effect.void))
  )
  worker.on("message", (message: FromConnection) => {
    if (typeof message === "string" || !("isTransaction" in message)) return
    isTransaction = message.isTransaction
    const answer = waiting.get(message.id)
    waiting.delete(message.id)
    answer?.("rows" in message ? Effect.succeed(message.rows) : Effect.fail(errorOf(options.file, message.failure)))
  })
  worker.on("error", () => {})
  worker.on("exit", () => {
    isOpen = false
    isTransaction = false
    for (const answer of waiting.values()) answer(Effect.fail(errorOf(options.file, ended)))
    waiting.clear()
  })

  const run = (sql: string, params: ReadonlyArray<unknown>) =>
    Effect.callback<ReadonlyArray<SqlConnection.Row>, SqlError.SqlError>((resume) => {
      if (!isOpen) return resume(Effect.fail(errorOf(options.file, ended)))
      const id = ++last
      waiting.set(id, resume)
      worker.postMessage({ id, sql, params: params.map(bound) } satisfies ToConnection)
    })

  const rows: SqlConnection.Connection["execute"] = (sql, params, transform) =>
    transform === undefined ? run(sql, params) : Effect.map(run(sql, params), transform)
  const values: SqlConnection.Connection["executeValues"] = (sql, params) =>
    Effect.map(run(sql, params), (found) => found.map((row) => Object.values(row)))

  return {
    isTransaction: () => isTransaction,
    isOpen: () => isOpen,
    execute: rows,
    executeUnprepared: rows,
    executeRaw: run,
    executeValues: values,
    executeValuesUnprepared: values,
    executeStream: (sql, params, transform) =>
      Stream.unwrap(Effect.map(rows(sql, params, transform), (found) => Stream.fromIterable(found)))
  }
})
