/** Messages between the hub's thread and the thread of a SQLite connection. */

/** What can be bound and read; booleans become 0 and 1. */
export type SqliteValue = null | number | bigint | string | Uint8Array

export interface OpenConnection {
  readonly file: string
  readonly readOnly: boolean
  readonly pragmas: ReadonlyArray<string>
}

export type ToConnection =
  | { readonly id: number; readonly sql: string; readonly params: ReadonlyArray<SqliteValue> }
  | "close"

/** `code` is SQLite's extended result code; 1, its general error, where nothing says more. */
export interface SqliteFailure {
  readonly code: number
  readonly message: string
}

export type FromConnection =
  | "open"
  | "closed"
  | { readonly notOpen: SqliteFailure }
  | {
      readonly id: number
      readonly rows: ReadonlyArray<Readonly<Record<string, SqliteValue>>>
      readonly isTransaction: boolean
    }
  | { readonly id: number; readonly failure: SqliteFailure; readonly isTransaction: boolean }
