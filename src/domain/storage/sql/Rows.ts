/**
 * Rows as the domain's values: each statement that reads says by a schema what it expects, whatever the database makes
 * of booleans and JSON.
 */
import { Effect, Result, Schema, SchemaTransformation } from "effect"
import { parseJson } from "../../protocol/json/JsonText.ts"

/** A boolean, which SQLite keeps as 0 or 1. */
export const Flag = Schema.Union([Schema.Boolean, Schema.Literals([0, 1])]).pipe(
  Schema.decodeTo(
    Schema.Boolean,
    SchemaTransformation.transform({ decode: (stored) => stored === true || stored === 1, encode: (flag) => flag })
  )
)

/** JSON, which a statement reads as text: `cast(… as text)`. */
export const Json = <S extends Schema.Codec<unknown, unknown>>(schema: S) =>
  Schema.String.pipe(
    Schema.decodeTo(Schema.Unknown, SchemaTransformation.transform({ decode: parseJson, encode: JSON.stringify })),
    Schema.decodeTo(schema)
  )

/** Server names from the JSON of `user_groups.servers`: a list, or the old hub's text with commas. */
export const Servers = Schema.Unknown.pipe(
  Schema.decodeTo(
    Schema.Array(Schema.String),
    SchemaTransformation.transform<ReadonlyArray<string>, unknown>({
      decode: (stored) => {
        const names: ReadonlyArray<unknown> = Array.isArray(stored)
          ? stored
          : typeof stored === "string"
            ? stored.split(",")
            : []
        return names.flatMap((name) => (typeof name === "string" && name.trim() !== "" ? [name.trim()] : []))
      },
      encode: (names) => names
    })
  )
)

/** A row that does not fit is a defect of this program or of whoever wrote it; the error does not quote it. */
export const rowsOf = <S extends Schema.Codec<unknown, unknown>>(what: string, schema: S) => {
  const decode = Schema.decodeUnknownResult(Schema.Array(schema))
  return <E, R>(
    statement: Effect.Effect<ReadonlyArray<unknown>, E, R>
  ): Effect.Effect<ReadonlyArray<S["Type"]>, E, R> =>
    Effect.flatMap(statement, (rows) => {
      const decoded = decode(rows)
      return Result.isSuccess(decoded)
        ? Effect.succeed(decoded.success)
        : Effect.die(new Error(`The database holds a ${what} that this version cannot read`))
    })
}
