/** A damaged file of the embedded database, as statements on it fail. SQLite's words for it quote no row. */
import type { SqlError } from "effect/sql"

/** Codes of SQLite: a page that does not fit the others, and a file that is no database. */
const codes: ReadonlySet<number> = new Set([11, 26])

export const isDamage = (code: number): boolean => codes.has(code & 0xff)

/** By its tag: the command line asks before it loads anything of a database. */
const isSqlError = (error: unknown): error is SqlError.SqlError =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "SqlError"

/** Code and words of a failed statement; undefined for whatever is none. */
export const failureIn = (
  error: unknown
): { readonly code: unknown; readonly message: string | undefined } | undefined => {
  if (!isSqlError(error)) return undefined
  const { cause, message } = error.reason
  return { code: typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined, message }
}

/** What is damaged, with the remedy; undefined for any other failure. A PostgreSQL server's codes are texts. */
export const damageIn = (error: unknown): string | undefined => {
  const { code, message } = failureIn(error) ?? {}
  return typeof code === "number" && isDamage(code)
    ? `${message ?? "The database is damaged"}; restore a backup, see docs/operations/running.md`
    : undefined
}

const name = "DatabaseDamaged"

/** The defect of a statement that met the damage. */
export class DatabaseDamaged extends Error {
  override readonly name = name
}

/** Also after its way through the local door, which keeps name and message. */
export const isDatabaseDamaged = (defect: unknown): defect is { readonly message: string } =>
  typeof defect === "object" && defect !== null && "name" in defect && defect.name === name && "message" in defect
