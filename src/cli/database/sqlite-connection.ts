/**
 * The program of a thread that owns one SQLite connection: it runs statements in the order they arrive. The file's writes,
 * and the waits for its locks and for the disk, are in this thread alone.
 */
import process from "node:process"
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { parentPort, workerData } from "node:worker_threads"
import type { FromConnection, OpenConnection, SqliteFailure, ToConnection } from "./SqliteMessages.ts"

/** Prepared statements kept. The hub's own are some fifty. */
const most = 200

/** Deno has no codes: the beginnings of the messages of SQLite that something depends on. */
const codes: ReadonlyArray<readonly [begins: string, code: number]> = [
  ["UNIQUE constraint failed", 2067],
  ["database is locked", 5],
  ["database table is locked", 6],
  ["attempt to write a readonly database", 8],
  ["disk I/O error", 10],
  ["database disk image is malformed", 11],
  ["database or disk is full", 13],
  ["unable to open database file", 14],
  ["file is not a database", 26]
]

const failureOf = (error: unknown): SqliteFailure => {
  const { errcode, message } = error as { readonly errcode?: unknown; readonly message?: unknown }
  const text = typeof message === "string" ? message : String(error)
  if (typeof errcode === "number") return { code: errcode, message: text }
  return { code: codes.find(([begins]) => text.startsWith(begins))?.[1] ?? 1, message: text }
}

/** Node 22 warns that its module is experimental, once for each thread that loads it. */
const quiet = () => {
  const listeners = process.listeners("warning")
  process.removeAllListeners("warning")
  process.on("warning", (warning) => {
    if (warning.name === "ExperimentalWarning" && /^(?:SQLite|Type Stripping) is /.test(warning.message)) return
    for (const listener of listeners) listener.call(process, warning)
  })
}

const open = async ({ file, pragmas, readOnly }: OpenConnection): Promise<DatabaseSync> => {
  quiet()
  const { DatabaseSync } = await import("node:sqlite")
  const database = new DatabaseSync(file, { readOnly })
  for (const pragma of pragmas) database.exec(`pragma ${pragma}`)
  return database
}

const serve = (database: DatabaseSync, tell: (message: FromConnection) => void): void => {
  const prepared = new Map<string, StatementSync>()

  const prepare = (sql: string): StatementSync => {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare(sql)
    if (prepared.size >= most) prepared.delete(prepared.keys().next().value!)
    prepared.set(sql, statement)
    return statement
  }

  parentPort!.on("message", (message: ToConnection) => {
    if (message === "close") {
      database.close()
      return tell("closed")
    }
    const { id, params, sql } = message
    try {
      const rows = prepare(sql).all(...params)
      tell({ id, rows, isTransaction: database.isTransaction })
    } catch (error) {
      tell({ id, failure: failureOf(error), isTransaction: database.isTransaction })
    }
  })
}

const tell = (message: FromConnection): void => parentPort!.postMessage(message)

try {
  serve(await open(workerData as OpenConnection), tell)
  tell("open")
} catch (error) {
  tell({ notOpen: failureOf(error) })
}
