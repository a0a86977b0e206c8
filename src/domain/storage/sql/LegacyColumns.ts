/**
 * How the legacy tables are read and written from every repository: quoted camelCase columns, `timestamp without time
 * zone` holding UTC whatever the session's time zone, and `user_groups.servers` as a comma list or as `text[]`.
 */
import { Cause, Effect } from "effect"
import { type SqlClient, SqlError, type Statement } from "effect/sql"
import { DatabaseUnavailable } from "../../identity/IdentityErrors.ts"

/**
 * SQLSTATEs of a server that is going away, starting, full, failed over, or not migrated yet because it was down when
 * the hub started: the same statement may succeed later.
 */
const passing = /^(?:08|57P0|53|25006|55P03|57014|40|42P01|3F000)/

const sqlState = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string" ? cause.code : ""

const canPass = ({ reason }: SqlError.SqlError): boolean =>
  reason.isRetryable || reason._tag === "AuthenticationError" || passing.test(sqlState(reason.cause))

/** A connection lost within a transaction fails its rollback too, and the library makes defects of both. */
const sqlErrorsIn = (cause: Cause.Cause<unknown>): ReadonlyArray<SqlError.SqlError> =>
  cause.reasons.flatMap((reason) => {
    const error = Cause.isFailReason(reason) ? reason.error : Cause.isDieReason(reason) ? reason.defect : undefined
    return SqlError.isSqlError(error) ? [error] : []
  })

/**
 * A database that cannot answer is an expected failure; any other SQL failure is a defect. The driver's detail is
 * left out of it, since it may quote a row.
 */
export const orUnavailable = <A, E, R>(
  effect: Effect.Effect<A, E | SqlError.SqlError, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError> | DatabaseUnavailable, R> =>
  Effect.catchCause(effect, (cause): Effect.Effect<never, Exclude<E, SqlError.SqlError> | DatabaseUnavailable> => {
    const errors = sqlErrorsIn(cause)
    const [first] = errors
    const isExpected = cause.reasons.some((reason) => Cause.isFailReason(reason) && !SqlError.isSqlError(reason.error))
    if (first === undefined || isExpected) return Effect.failCause(cause as Cause.Cause<Exclude<E, SqlError.SqlError>>)
    if (errors.some(canPass)) {
      return Effect.fail(
        new DatabaseUnavailable({ message: "The database does not answer; check DATABASE_URL and the server" })
      )
    }
    const { reason } = first
    return Effect.die(
      new Error(`A statement failed: ${reason._tag} ${sqlState(reason.cause)} ${reason.message ?? ""}`.trimEnd())
    )
  })

/** Milliseconds since the epoch as the value of a legacy time column. */
export const time = (sql: SqlClient.SqlClient, millis: number): Statement.Fragment =>
  sql`(to_timestamp(${millis}::float8 / 1000) at time zone 'UTC')`

/** A legacy time column as milliseconds since the epoch; `column` is a trusted, quoted name. */
export const millis = (sql: SqlClient.SqlClient, column: string): Statement.Fragment =>
  sql.literal(`(round(extract(epoch from ${column}) * 1000)::float8)`)

/** A JSON parameter. */
export const jsonb = (sql: SqlClient.SqlClient, value: unknown): Statement.Fragment =>
  sql`${JSON.stringify(value)}::jsonb`

/**
 * A list of texts, for `column = any(…)`. As an array it is looked up in the column's index however little the database
 * knows of the table; `column in (select …)` reads the whole table then.
 */
export const texts = (sql: SqlClient.SqlClient, values: ReadonlyArray<string>): Statement.Fragment =>
  sql`array(select jsonb_array_elements_text(${jsonb(sql, values)}))`

/** Whether this database keeps `user_groups.servers` as `text[]`; the old hub's own has a comma list. */
export const serversAreArray = (sql: SqlClient.SqlClient): Effect.Effect<boolean, SqlError.SqlError> =>
  Effect.map(
    sql<{ readonly type: string }>`
      select format_type(atttypid, atttypmod) as type from pg_attribute
      where attrelid = 'user_groups'::regclass and attname = 'servers' and not attisdropped`,
    (rows) => rows[0]?.type.endsWith("[]") === true
  )

/** Server names from either form, as `to_jsonb("servers")` shows it. */
export const serversFrom = (stored: unknown): ReadonlyArray<string> => {
  const names = Array.isArray(stored) ? stored : typeof stored === "string" ? stored.split(",") : []
  return names.flatMap((name) => (typeof name === "string" && name.trim() !== "" ? [name.trim()] : []))
}

/** The SQL expression that writes a JSON list of names, given as `json`, in the column's own form. */
export const serversTo = (sql: SqlClient.SqlClient, array: boolean, json: Statement.Fragment): Statement.Fragment =>
  array
    ? sql`array(select jsonb_array_elements_text(${json}))`
    : sql`coalesce((select string_agg(name, ',') from jsonb_array_elements_text(${json}) as names(name)), '')`
