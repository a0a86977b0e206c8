/**
 * Sign-ins and one-time codes in `mcphub_hub`. A code is used up by the statement that reads it, so that of two who come
 * with it at the same time, on any hub, one is signed in.
 */
import { randomUUID } from "node:crypto"
import { Clock, Effect, Layer, Option, type Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { isUuid, SignInId, UserId } from "../../Ids.ts"
import { userNotFound } from "../../identity/IdentityErrors.ts"
import { HubRole } from "../../identity/Roles.ts"
import { CodePurpose, SignInCodes, validMs } from "../../identity/SignInCodes.ts"
import {
  csrfOf,
  endOf,
  isSecretText,
  mintSecret,
  mostPerUser,
  secretDigest,
  seenEveryMs,
  SignIn,
  signInNotFound,
  SignIns,
  userAgentText
} from "../../identity/SignIns.ts"
import { dialectOf } from "./Dialect.ts"
import { Flag, rowsOf } from "./Rows.ts"
import { orUnavailable } from "./Unavailable.ts"
import { usernameColumn } from "./UsersSql.ts"

const signInRows = rowsOf("sign-in", SignIn)
const viewerRows = rowsOf(
  "sign-in",
  Schema.Struct({
    signInId: SignInId,
    userId: UserId,
    username: Schema.String,
    isAdmin: Flag,
    role: Schema.NullOr(HubRole),
    createdAt: Schema.Number,
    lastSeenAt: Schema.Number
  })
)
const codeRows = rowsOf("one-time code", Schema.Struct({ userId: UserId, purpose: CodePurpose }))

const signIns = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { instant, millis, own, uuid } = dialectOf(sql)
  const table = own("sign_ins")

  const columns = sql`cast("id" as text) as "id", cast("userId" as text) as "userId", "way", "userAgent",
    ${millis(`"createdAt"`)} as "createdAt", ${millis(`"lastSeenAt"`)} as "lastSeenAt",
    ${millis(`"expiresAt"`)} as "expiresAt"`

  return SignIns.of({
    open: Effect.fn("SignIns.open")(
      function* ({ userAgent, userId, way }) {
        if (!isUuid(userId)) return yield* userNotFound(userId)
        const now = yield* Clock.currentTimeMillis
        const cookie = mintSecret("signin")
        const [signIn] = yield* signInRows(sql`
        insert into ${table} ("digest", "id", "userId", "way", "userAgent", "createdAt", "lastSeenAt", "expiresAt")
        select ${secretDigest(cookie)}, ${uuid(randomUUID())}, "users"."id", ${way}, ${userAgentText(userAgent)},
          ${instant(now)}, ${instant(now)}, ${instant(endOf({ createdAt: now }, now))}
        from "users" where "users"."id" = ${uuid(userId)} and "users"."isActive"
        returning ${columns}`)
        if (signIn === undefined) return yield* userNotFound(userId)
        yield* sql`delete from ${table} where "userId" = ${uuid(userId)} and "digest" not in (
        select "digest" from ${table} where "userId" = ${uuid(userId)}
        order by "lastSeenAt" desc, "digest" = ${secretDigest(cookie)} desc limit ${mostPerUser})`
        return { signIn, cookie }
      },
      sql.withTransaction,
      orUnavailable
    ),

    viewer: Effect.fn("SignIns.viewer")(function* (cookie) {
      if (!isSecretText("signin", cookie)) return Option.none()
      const now = yield* Clock.currentTimeMillis
      const digest = secretDigest(cookie)
      const [row] = yield* viewerRows(sql`
        select cast(s."id" as text) as "signInId", cast(s."userId" as text) as "userId",
          ${sql.literal(usernameColumn)} as "username", "users"."isAdmin", r."role",
          ${millis(`s."createdAt"`)} as "createdAt", ${millis(`s."lastSeenAt"`)} as "lastSeenAt"
        from ${table} as s join "users" on "users"."id" = s."userId"
        left join ${own("user_roles")} as r on r."userId" = s."userId"
        where s."digest" = ${digest} and s."expiresAt" > ${instant(now)} and "users"."isActive"`)
      if (row === undefined) return Option.none()
      const { createdAt, lastSeenAt, role, ...viewer } = row
      if (now - lastSeenAt >= seenEveryMs) {
        yield* sql`update ${table} set "lastSeenAt" = ${instant(now)},
          "expiresAt" = ${instant(endOf({ createdAt }, now))} where "digest" = ${digest}`
      }
      return Option.some({ ...viewer, role: role ?? "user", csrf: csrfOf(cookie) })
    }, orUnavailable),

    listByUser: Effect.fn("SignIns.listByUser")(function* (userId) {
      if (!isUuid(userId)) return []
      const now = yield* Clock.currentTimeMillis
      return yield* signInRows(sql`
        select ${columns} from ${table} where "userId" = ${uuid(userId)} and "expiresAt" > ${instant(now)}
        order by ${sql.literal(`"lastSeenAt" desc, "id"`)}`)
    }, orUnavailable),

    revoke: Effect.fn("SignIns.revoke")(function* (userId, id) {
      if (!isUuid(userId) || !isUuid(id)) return yield* signInNotFound(id)
      const rows = yield* sql`
        delete from ${table} where "id" = ${uuid(id)} and "userId" = ${uuid(userId)} returning 1 as found`
      if (rows.length === 0) return yield* signInNotFound(id)
    }, orUnavailable),

    revokeAll: Effect.fn("SignIns.revokeAll")(function* (userId, except) {
      if (!isUuid(userId)) return 0
      const others = except !== undefined && isUuid(except) ? sql`and "id" <> ${uuid(except)}` : sql``
      const rows = yield* sql`delete from ${table} where "userId" = ${uuid(userId)} ${others} returning 1 as found`
      return rows.length
    }, orUnavailable),

    sweep: Effect.gen(function* () {
      const now = instant(yield* Clock.currentTimeMillis)
      const ended = yield* sql`delete from ${table} where "expiresAt" <= ${now} returning 1 as found`
      const codes = yield* sql`delete from ${own("sign_in_codes")} where "expiresAt" <= ${now} returning 1 as found`
      return ended.length + codes.length
    }).pipe(orUnavailable, Effect.withSpan("SignIns.sweep"))
  })
})

const codes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { instant, own, uuid } = dialectOf(sql)
  const table = own("sign_in_codes")
  const redeemable = (code: Redacted.Redacted<string>, now: number) => sql`
    where "digest" = ${secretDigest(code)} and "expiresAt" > ${instant(now)}
      and "userId" in (select "users"."id" from "users" where "users"."isActive")`

  return SignInCodes.of({
    issue: Effect.fn("SignInCodes.issue")(function* ({ purpose, userId }) {
      if (!isUuid(userId)) return yield* userNotFound(userId)
      const expiresAt = (yield* Clock.currentTimeMillis) + validMs[purpose]
      const code = mintSecret("once")
      const rows = yield* sql`
        insert into ${table} ("digest", "userId", "purpose", "expiresAt")
        select ${secretDigest(code)}, "users"."id", ${purpose}, ${instant(expiresAt)}
        from "users" where "users"."id" = ${uuid(userId)} and "users"."isActive"
        on conflict ("userId", "purpose") do update set "digest" = excluded."digest",
          "expiresAt" = excluded."expiresAt"
        returning 1 as found`
      if (rows.length === 0) return yield* userNotFound(userId)
      return { code, expiresAt }
    }, orUnavailable),

    isValid: Effect.fn("SignInCodes.isValid")(function* (code) {
      if (!isSecretText("once", code)) return false
      const now = yield* Clock.currentTimeMillis
      const rows = yield* sql`select 1 as found from ${table} ${redeemable(code, now)}`
      return rows.length > 0
    }, orUnavailable),

    redeem: Effect.fn("SignInCodes.redeem")(function* (code) {
      if (!isSecretText("once", code)) return Option.none()
      const now = yield* Clock.currentTimeMillis
      const rows = yield* codeRows(sql`
        delete from ${table} ${redeemable(code, now)}
        returning cast("userId" as text) as "userId", "purpose"`)
      return Option.fromNullishOr(rows[0])
    }, orUnavailable),

    forget: Effect.fn("SignInCodes.forget")(function* (purpose) {
      yield* sql`delete from ${table} where "purpose" = ${purpose}`
    }, orUnavailable)
  })
})

/** Need the migrated tables. */
export const layer: Layer.Layer<SignIns | SignInCodes, never, SqlClient.SqlClient> = Layer.merge(
  Layer.effect(SignIns, signIns),
  Layer.effect(SignInCodes, codes)
)
