/** A full disk under the database, as statements fail of it: what is read goes on, and nothing is written until there is room. */
import type { SqlError } from "effect/sql"

/** Of SQLite. Its message is made by whoever knows the file (`SqliteConnection`). */
export const sqliteFull = 13
const postgresFull = "53100"

/** By its tag, as in `Damaged`. */
const isSqlError = (error: unknown): error is SqlError.SqlError =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "SqlError"

/** What is full, with the remedy; undefined for any other failure. */
export const diskFullIn = (error: unknown): string | undefined => {
  if (!isSqlError(error)) return undefined
  const { cause, message } = error.reason
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  if (code === postgresFull) return `The disk of the PostgreSQL server is full (${postgresFull}); make room there`
  return code === sqliteFull ? message : undefined
}
