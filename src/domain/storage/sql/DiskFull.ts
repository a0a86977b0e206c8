/** A full disk under the database, as statements fail of it: what is read goes on, and nothing is written until there is room. */
import { failureIn } from "./Damaged.ts"

/** Of SQLite. Its message is made by whoever knows the file (`SqliteConnection`). */
export const sqliteFull = 13
const postgresFull = "53100"

/** What is full, with the remedy; undefined for any other failure. */
export const diskFullIn = (error: unknown): string | undefined => {
  const { code, message } = failureIn(error) ?? {}
  if (code === postgresFull) return `The disk of the PostgreSQL server is full (${postgresFull}); make room there`
  return code === sqliteFull ? message : undefined
}
