/**
 * The service tokens of users, in a table of the hub's own: one row of sealed values for each user who has any. They
 * come with every key of the user, also with one made later; a value on a key itself goes before the user's.
 */
import { Effect, Schema } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { UserId } from "../../Ids.ts"
import { dialectOf } from "./Dialect.ts"
import { Json, rowsOf } from "./Rows.ts"

const storedTokens = rowsOf("user", Schema.Struct({ userId: UserId, tokens: Json(Schema.Unknown) }))

export interface UserTokens {
  readonly userId: UserId
  /** Sealed values by name. */
  readonly tokens: Readonly<Record<string, string>>
}

export interface UserTokensSql {
  /** The stored JSON as text, of the user whose id this column holds; null without any. */
  readonly stored: (user: string) => Statement.Fragment
  /** The sorted names as the text of a JSON array; null without any. */
  readonly names: (user: string) => Statement.Fragment
  /** Rows of no more than so many users. */
  readonly some: (
    most: number
  ) => Effect.Effect<ReadonlyArray<{ readonly userId: UserId; readonly tokens: unknown }>, SqlError.SqlError>
  /** Adds and replaces tokens, and takes those of these names from the users' keys, where they would go before. */
  readonly merge: (users: ReadonlyArray<UserTokens>) => Effect.Effect<void, SqlError.SqlError>
  /** Takes a token from the user. */
  readonly remove: (userId: UserId, name: string) => Effect.Effect<void, SqlError.SqlError>
  readonly removeAll: (userId: UserId) => Effect.Effect<void, SqlError.SqlError>
}

export const make = (sql: SqlClient.SqlClient): UserTokensSql => {
  const dialect = dialectOf(sql)
  const table = dialect.own("user_service_tokens")
  const ofUser = (what: Statement.Fragment, user: string): Statement.Fragment =>
    sql`(select cast(${what} as text) from ${table} as u where u."userId" = ${sql.literal(user)})`
  const onKeys = `"mcphub_keys"."serviceTokens"`

  const takeFromKeys = (name: string, userIds: ReadonlyArray<UserId>) => sql`
    update "mcphub_keys" set "serviceTokens" = ${dialect.withoutMember(onKeys, name)}
    where ${dialect.isOneOf(`"mcphub_keys"."userId"`, userIds, "uuid")} and ${dialect.isObject(onKeys)}`

  return {
    stored: (user) => ofUser(sql.literal(`u."tokens"`), user),
    names: (user) => ofUser(dialect.memberNames(`u."tokens"`), user),
    some: (most) =>
      storedTokens(sql`
        select cast(u."userId" as text) as "userId", cast(u."tokens" as text) as "tokens" from ${table} as u limit ${most}`),
    merge: Effect.fnUntraced(function* (users) {
      if (users.length === 0) return
      yield* sql`
        insert into ${table} as u ("userId", "tokens")
        select w."userId", w."tokens" from ${dialect.rows("w", users, { userId: "uuid", tokens: "json" })} where true
        on conflict ("userId") do update set "tokens" = ${dialect.withMembers(`u."tokens"`, sql`excluded."tokens"`)}`
      for (const name of new Set(users.flatMap(({ tokens }) => Object.keys(tokens)))) {
        yield* takeFromKeys(
          name,
          users.flatMap(({ tokens, userId }) => (Object.hasOwn(tokens, name) ? [userId] : []))
        )
      }
    }),
    remove: Effect.fnUntraced(function* (userId, name) {
      yield* sql`
        update ${table} as u set "tokens" = ${dialect.withoutMember(`u."tokens"`, name)}
        where u."userId" = ${dialect.uuid(userId)}`
      yield* takeFromKeys(name, [userId])
    }),
    removeAll: (userId) => Effect.asVoid(sql`delete from ${table} where "userId" = ${dialect.uuid(userId)}`)
  }
}
