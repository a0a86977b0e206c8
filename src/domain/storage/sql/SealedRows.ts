/** The statements behind sealing: rows of keys and users by portions; what will be changed is held meanwhile. */
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { KeyId, UserId } from "../../Ids.ts"
import type { Dialect } from "./Dialect.ts"
import { Json, rowsOf } from "./Rows.ts"

const Tokens = Schema.NullOr(Json(Schema.Unknown))

const KeyRow = Schema.Struct({
  id: KeyId,
  userId: UserId,
  /** `keyValue`: a digest, or whatever an old hub wrote. */
  value: Schema.String,
  tokens: Tokens,
  /** The tokens of its user, which come with every key. */
  ofUser: Tokens,
  /** Its sealed text. */
  kept: Schema.NullOr(Schema.String)
})
export type KeyRow = typeof KeyRow.Type

const keyRows = rowsOf("key", KeyRow)
const userRows = rowsOf("user", Schema.Struct({ userId: UserId, tokens: Tokens }))
const valueRows = rowsOf("key", Schema.Struct({ value: Schema.String }))
const counts = rowsOf("count", Schema.Struct({ count: Schema.Number }))

/** The name under which a key's text is sealed, which no service token can have. */
export const keptName = (id: KeyId): string => `mcphub-key:${id}`

export const makeSealedRows = (sql: SqlClient.SqlClient, dialect: Dialect) => {
  const { forUpdate, isOneOf, own, timeOf, uuid } = dialect
  const ofUsers = own("user_service_tokens")
  const after = (column: string, id: string | undefined) =>
    id === undefined ? sql`where true` : sql`where ${sql.literal(column)} > ${uuid(id)}`
  const isKept = sql.literal(`t."tokenType" like 'mcphub-key:%'`)

  const held = (isHeld: boolean) => (isHeld ? forUpdate : sql``)

  return {
    keys: (last: string | undefined, limit: number, isHeld: boolean) =>
      keyRows(sql`
        select cast(k."id" as text) as "id", cast(k."userId" as text) as "userId", k."keyValue" as "value",
          cast(k."serviceTokens" as text) as "tokens",
          (select cast(u."tokens" as text) from ${ofUsers} as u where u."userId" = k."userId") as "ofUser",
          (select t."encryptedToken" from "user_tokens" as t where t."userId" = k."userId"
            and t."tokenType" = 'mcphub-key:' || cast(k."id" as text)) as "kept"
        from "mcphub_keys" as k ${after(`k."id"`, last)} order by k."id" limit ${limit} ${held(isHeld)}`),
    users: (last: string | undefined, limit: number, isHeld: boolean) =>
      userRows(sql`
        select cast(u."userId" as text) as "userId", cast(u."tokens" as text) as "tokens"
        from ${ofUsers} as u ${after(`u."userId"`, last)} order by u."userId" limit ${limit} ${held(isHeld)}`),
    /** Those of these values that are there. */
    stored: (values: ReadonlyArray<string>) =>
      Effect.map(
        valueRows(sql`
          select "mcphub_keys"."keyValue" as "value" from "mcphub_keys"
          where ${isOneOf(`"mcphub_keys"."keyValue"`, values)}`),
        (rows) => new Set(rows.map((row) => row.value))
      ),
    setValues: (keys: ReadonlyArray<{ readonly id: string; readonly value: string }>) =>
      sql`update "mcphub_keys" set "keyValue" = w."value"
        from ${dialect.rows("w", keys, { id: "uuid", value: "text" })} where "mcphub_keys"."id" = w."id"`,
    setKeyTokens: (keys: ReadonlyArray<{ readonly id: string; readonly tokens: object }>) =>
      sql`update "mcphub_keys" set "serviceTokens" = w."tokens"
        from ${dialect.rows("w", keys, { id: "uuid", tokens: "json" })} where "mcphub_keys"."id" = w."id"`,
    setUserTokens: (users: ReadonlyArray<{ readonly userId: string; readonly tokens: object }>) =>
      sql`update ${ofUsers} as u set "tokens" = w."tokens"
        from ${dialect.rows("w", users, { userId: "uuid", tokens: "json" })} where u."userId" = w."userId"`,
    keep: (
      keys: ReadonlyArray<{
        readonly id: string
        readonly userId: string
        readonly keyId: string
        readonly text: string
        readonly now: number
      }>
    ) => {
      const columns = { id: "uuid", userId: "uuid", keyId: "text", text: "text", now: "time" } as const
      const now = timeOf(`w."now"`)
      return sql`
        insert into "user_tokens" ("id", "userId", "tokenType", "encryptedToken", "tokenName", "isActive", "createdAt",
          "updatedAt")
        select w."id", w."userId", 'mcphub-key:' || w."keyId", w."text", 'Text of a key', false, ${now}, ${now}
        from ${dialect.rows("w", keys, columns)} where true
        on conflict ("userId", "tokenType") do update set "encryptedToken" = excluded."encryptedToken"`
    },
    /** Lets go of all kept texts. */
    forget: sql`delete from "user_tokens" as t where ${isKept}`,
    countKept: Effect.map(
      counts(sql`select cast(count(*) as integer) as "count" from "user_tokens" as t where ${isKept}`),
      (rows) => rows[0]?.count ?? 0
    )
  }
}
