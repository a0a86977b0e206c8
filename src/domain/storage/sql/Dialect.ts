/**
 * Everything in which the two databases differ: PostgreSQL, whose tables an old hub may have made, and SQLite, which only
 * this hub knows. The repositories write each statement once, from these parts.
 *
 * On SQLite times are whole milliseconds since the epoch, JSON and uuids are text, booleans are 0 and 1. A statement
 * that returns rows names its table without an alias, which SQLite does not know there.
 */
import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { type Turn, turns } from "./Turns.ts"

type Fragment = Statement.Fragment

/** What a column of `rows` holds. `time` is a number of milliseconds that a statement turns into a time by `timeOf`. */
export type ColumnKind = "uuid" | "text" | "boolean" | "integer" | "number" | "time" | "json"

/** Words for the types of columns. `time` is of a legacy table, `instant` of a table of the hub's own. */
export interface ColumnTypes {
  readonly uuid: Fragment
  readonly json: Fragment
  readonly time: Fragment
  readonly instant: Fragment
  readonly boolean: Fragment
  readonly real: Fragment
  readonly text: (longest: number) => Fragment
}

export interface Dialect {
  readonly types: ColumnTypes
  /** Ends a `create table`, so that no column takes a value of another type. */
  readonly strict: Fragment
  /** A table of the hub's own. */
  readonly own: (table: string) => Fragment
  readonly uuid: (id: string) => Fragment
  /** Milliseconds since the epoch as a time of a legacy table, and of a table of the hub's own. */
  readonly time: (millis: number) => Fragment
  readonly instant: (millis: number) => Fragment
  /** The same from an expression; both are trusted texts, as all names here are. */
  readonly timeOf: (millis: string) => Fragment
  readonly instantOf: (millis: string) => Fragment
  /** A time as milliseconds since the epoch. */
  readonly millis: (column: string) => Fragment
  readonly json: (value: unknown) => Fragment
  /** A column as a JSON value within `object`. */
  readonly asJson: (column: string) => Fragment
  readonly object: (members: Readonly<Record<string, Fragment>>) => Fragment
  /** The JSON array of an aggregate. */
  readonly list: (element: Fragment, order: string) => Fragment
  /** Whether a column is among these values, by its index where there is one. */
  readonly isOneOf: (column: string, values: ReadonlyArray<string>, kind?: "uuid" | "text") => Fragment
  /** A list of objects as a table. `list` gives an object's members in the order of the columns: faster, for many rows. */
  readonly rows: <Value extends object>(
    alias: string,
    values: ReadonlyArray<Value>,
    columns: Readonly<Record<string, ColumnKind>>,
    list?: (value: Value) => ReadonlyArray<unknown>
  ) => Fragment
  /** The sorted names of a JSON object's members that hold text, as a JSON array; null for what is no object. */
  readonly memberNames: (column: string) => Fragment
  /** A JSON object, or whatever else as an empty one, with members added or replaced. */
  readonly withMembers: (column: string, members: Fragment) => Fragment
  readonly withoutMember: (column: string, name: string) => Fragment
  readonly isObject: (column: string) => Fragment
  /** Names of functions; no argument may be null. */
  readonly least: Fragment
  readonly greatest: Fragment
  /** Holds the rows that a statement reads until its transaction ends; a transaction of SQLite holds everything. */
  readonly forUpdate: Fragment
  /** A condition that is true once no other transaction has this turn; holds it until its transaction ends. */
  readonly hasTurn: (turn: Turn) => Fragment
  readonly tableExists: (table: string) => Effect.Effect<boolean, SqlError.SqlError>
  /** The text and the milliseconds that the database gives of its version and its clock. */
  readonly version: Fragment
  readonly clock: Fragment
  /** What is damaged in the database's files; a PostgreSQL server looks after its own. */
  readonly damage: (reads: SqlClient.SqlClient) => Effect.Effect<ReadonlyArray<string>, SqlError.SqlError>
  /** Turns a JSON list of server names into the form of `user_groups.servers`. */
  readonly toServers: Effect.Effect<(json: Fragment) => Fragment, SqlError.SqlError>
}

const kindOnPostgres: Readonly<Record<ColumnKind, string>> = {
  uuid: "uuid",
  text: "text",
  boolean: "boolean",
  integer: "bigint",
  number: "float8",
  time: "float8",
  json: "jsonb"
}

const postgres = (sql: SqlClient.SqlClient): Dialect => {
  const { literal } = sql
  const own = (table: string) => `"mcphub_hub"."${table}"`
  const json = (value: unknown) => sql`${JSON.stringify(value)}::jsonb`
  const isObject = (column: string) => `jsonb_typeof(${column}) = 'object'`
  return {
    types: {
      uuid: literal("uuid"),
      json: literal("jsonb"),
      time: literal("timestamp without time zone"),
      instant: literal("timestamp with time zone"),
      boolean: literal("boolean"),
      real: literal("double precision"),
      text: (longest) => literal(`varchar(${longest})`)
    },
    strict: literal(""),
    own: (table) => literal(own(table)),
    uuid: (id) => sql`${id}::uuid`,
    time: (millis) => sql`(to_timestamp(${millis}::float8 / 1000) at time zone 'UTC')`,
    instant: (millis) => sql`to_timestamp(${millis}::float8 / 1000)`,
    timeOf: (millis) => literal(`(to_timestamp(${millis} / 1000) at time zone 'UTC')`),
    instantOf: (millis) => literal(`to_timestamp(${millis} / 1000)`),
    millis: (column) => literal(`(round(extract(epoch from ${column}) * 1000)::float8)`),
    json,
    asJson: (column) => literal(`to_jsonb(${column})`),
    object: (members) =>
      sql`jsonb_build_object(${sql.csv(Object.entries(members).map(([name, value]) => sql`${literal(`'${name}'`)}, ${value}`))})`,
    list: (element, order) => sql`coalesce(jsonb_agg(${element} order by ${literal(order)}), '[]')`,
    // As an array it is looked up in the column's index however little the database knows of the table.
    isOneOf: (column, values, kind = "text") =>
      sql`${literal(column)} = any(array(select jsonb_array_elements_text(${json(values)}))${literal(kind === "uuid" ? "::uuid[]" : "")})`,
    rows: (alias, values, columns) => {
      const typed = Object.entries(columns).map(([name, kind]) => `"${name}" ${kindOnPostgres[kind]}`)
      return sql`json_to_recordset(${JSON.stringify(values)}::json) as ${literal(`${alias}(${typed.join(", ")})`)}`
    },
    memberNames: (column) =>
      literal(`case when ${isObject(column)} then (select jsonb_agg(name order by name collate "C")
        from jsonb_each_text(${column}) as members(name, value) where value <> '') end`),
    withMembers: (column, members) =>
      sql`${literal(`case when ${isObject(column)} then ${column} else '{}' end`)} || ${members}`,
    withoutMember: (column, name) => sql`${literal(column)} - ${name}::text`,
    isObject: (column) => literal(isObject(column)),
    least: literal("least"),
    greatest: literal("greatest"),
    forUpdate: literal("for update"),
    hasTurn: (turn) => sql`(select pg_advisory_xact_lock(${turns[turn]}::bigint)) is not null`,
    tableExists: (table) =>
      Effect.map(sql`select 1 as found where to_regclass(${own(table)}) is not null`, (rows) => rows.length > 0),
    version: literal("version()"),
    clock: literal("(extract(epoch from clock_timestamp()) * 1000)::float8"),
    damage: () => Effect.succeed([]),
    // The old hub's own has a comma list, that of its successor `text[]`.
    toServers: Effect.map(
      sql`select 1 as found from pg_attribute where attrelid = 'user_groups'::regclass and attname = 'servers'
        and not attisdropped and format_type(atttypid, atttypmod) like '%[]'`,
      (arrays) =>
        arrays.length > 0
          ? (names) => sql`array(select jsonb_array_elements_text(${names}))`
          : (names) =>
              sql`coalesce((select string_agg(name, ',') from jsonb_array_elements_text(${names}) as names(name)), '')`
    )
  }
}

const sqlite = (sql: SqlClient.SqlClient): Dialect => {
  const { literal } = sql
  const json = (value: unknown) => sql`${JSON.stringify(value)}`
  const isObject = (column: string) => `json_type(${column}) = 'object'`
  const columnOf = ([name, kind]: readonly [string, ColumnKind], place: number) => {
    const value = `json_extract(value, '$[${place}]')`
    return `${kind === "uuid" ? `lower(${value})` : value} as "${name}"`
  }
  /** Columns that a repository names once are worked out once. */
  const extracts = new WeakMap<object, Fragment>()
  const text = literal("text")
  const integer = literal("integer")
  return {
    types: {
      uuid: text,
      json: text,
      time: integer,
      instant: integer,
      boolean: integer,
      real: literal("real"),
      text: () => text
    },
    strict: literal("strict"),
    own: (table) => literal(`"${table}"`),
    uuid: (id) => sql`${id.toLowerCase()}`,
    time: (millis) => sql`${millis}`,
    instant: (millis) => sql`${millis}`,
    timeOf: (millis) => literal(`cast(${millis} as integer)`),
    instantOf: (millis) => literal(`cast(${millis} as integer)`),
    millis: literal,
    json,
    asJson: (column) => literal(`json(${column})`),
    object: (members) =>
      sql`json_object(${sql.csv(Object.entries(members).map(([name, value]) => sql`${literal(`'${name}'`)}, ${value}`))})`,
    list: (element, order) => sql`json_group_array(${element} order by ${literal(order)})`,
    isOneOf: (column, values) => sql`${literal(column)} in (select value from json_each(${json(values)}))`,
    // As lists, not objects: their members are found by place, which takes a third less of either thread.
    rows: (alias, values, columns, list) => {
      const names = Object.keys(columns)
      const lists = values.map(list ?? ((value) => names.map((name) => (value as Record<string, unknown>)[name])))
      let extracted = extracts.get(columns)
      if (extracted === undefined) {
        extracted = literal(Object.entries(columns).map(columnOf).join(", "))
        extracts.set(columns, extracted)
      }
      return sql`(select ${extracted} from json_each(${JSON.stringify(lists)})) as ${literal(alias)}`
    },
    memberNames: (column) =>
      literal(`case when ${isObject(column)} then (select json_group_array(key order by key)
        from json_each(${column}) where value <> '') end`),
    withMembers: (column, members) =>
      sql`json_patch(${literal(`case when ${isObject(column)} then ${column} else '{}' end`)}, ${members})`,
    withoutMember: (column, name) => sql`json_patch(${literal(column)}, json_object(${name}, null))`,
    isObject: (column) => literal(isObject(column)),
    least: literal("min"),
    greatest: literal("max"),
    forUpdate: literal(""),
    hasTurn: () => literal("true"),
    tableExists: (table) =>
      Effect.map(
        sql`select 1 as found from sqlite_schema where type = 'table' and name = ${table}`,
        (rows) => rows.length > 0
      ),
    version: literal("'SQLite ' || sqlite_version()"),
    clock: literal("unixepoch('subsec') * 1000"),
    damage: (reads) =>
      Effect.map(reads`pragma integrity_check(10)`, (rows) =>
        rows.map((row) => String(row["integrity_check"])).filter((found) => found !== "ok")
      ),
    toServers: Effect.succeed((names) => names)
  }
}

export const dialectOf = (sql: SqlClient.SqlClient): Dialect =>
  sql.onDialectOrElse({ sqlite: () => sqlite(sql), orElse: () => postgres(sql) })
