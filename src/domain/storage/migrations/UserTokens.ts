/**
 * The service tokens of users, which earlier versions kept on keys alone, so that a new key had none.
 *
 * Where all valid keys of a user carry tokens of the same names, the newest key's become the user's: no key gains what
 * it did not have. Keys keep theirs, which go before the user's. Sealed values are bound to user and name, not to a key.
 *
 * No foreign key: a reference would put triggers on the old hub's table.
 */
import { Clock, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { UserId } from "../../Ids.ts"
import { dialectOf } from "../sql/Dialect.ts"
import { Json, rowsOf } from "../sql/Rows.ts"

const storedKeys = rowsOf("key", Schema.Struct({ userId: UserId, tokens: Schema.NullOr(Json(Schema.Unknown)) }))

type Tokens = Readonly<Record<string, string>>

/** The values that can be tokens; of what is no object, none. */
const tokensIn = (stored: unknown): Tokens =>
  typeof stored === "object" && stored !== null && !Array.isArray(stored)
    ? Object.fromEntries(Object.entries(stored).filter(([, value]) => typeof value === "string" && value !== ""))
    : {}

const namesOf = (tokens: Tokens): string => JSON.stringify(Object.keys(tokens).sort())

export const userTokens = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own, rows, strict, time, types } = dialectOf(sql)
  yield* sql`create table ${own("user_service_tokens")} (
    "userId" ${types.uuid} primary key,
    "tokens" ${types.json} not null
  ) ${strict}`
  const keys = yield* storedKeys(sql`
    select cast(k."userId" as text) as "userId", cast(k."serviceTokens" as text) as "tokens"
    from "mcphub_keys" as k where k."isActive" and k."expiresAt" > ${time(yield* Clock.currentTimeMillis)}
    order by k."createdAt" desc, k."id"`)
  const byUser = new Map<UserId, Array<Tokens>>()
  for (const { tokens, userId } of keys) {
    const known = byUser.get(userId)
    if (known === undefined) byUser.set(userId, [tokensIn(tokens)])
    else known.push(tokensIn(tokens))
  }
  const alike = [...byUser].flatMap(([userId, [newest, ...others]]) =>
    newest === undefined || namesOf(newest) === "[]" || others.some((other) => namesOf(other) !== namesOf(newest))
      ? []
      : [{ userId, tokens: newest }]
  )
  if (alike.length === 0) return
  yield* sql`
    insert into ${own("user_service_tokens")} ("userId", "tokens")
    select w."userId", w."tokens" from ${rows("w", alike, { userId: "uuid", tokens: "json" })}`
})
