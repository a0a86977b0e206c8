/**
 * Users in the `users` table, as the old hub made it or as the migrations do.
 *
 * People who signed in through GitHub may have no `username` there; their GitHub name stands for it.
 */
import { Clock, Effect, Layer, Option, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type SqlError, type Statement } from "effect/sql"
import { isUuid, UserId } from "../../Ids.ts"
import {
  InvalidValue,
  nameOfSeveral,
  type UsernameTaken,
  usernameTaken,
  userNotFound
} from "../../identity/IdentityErrors.ts"
import { check, idProblem, usernameProblem } from "../../identity/IdentityRules.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { lookOf, User } from "../../identity/User.ts"
import { Users } from "../../identity/Users.ts"
import { dialectOf } from "./Dialect.ts"
import { Flag, rowsOf } from "./Rows.ts"
import { orUnavailable } from "./Unavailable.ts"
import * as SignInRows from "./SignInRows.ts"
import * as UserTokens from "./UserTokensSql.ts"

/** The name a user goes by. */
export const usernameColumn = `coalesce("users"."username", "users"."githubUsername", "users"."displayName",
  cast("users"."id" as text))`

const users = rowsOf("user", Schema.Struct({ ...User.fields, isAdmin: Flag, isActive: Flag }))
const names = rowsOf("user", Schema.Struct({ username: Schema.String }))
const passwords = rowsOf("user", Schema.Struct({ password: Schema.NullOr(Schema.String) }))

const nameOfAnother = (login: string): InvalidValue =>
  new InvalidValue({
    field: "GitHub name",
    message: `Another user is named "${login}"; an admin must remove or rename that user before this sign-in`
  })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* KeyEvents
  const random = yield* SecureRandom.SecureRandom

  const { millis, own, time, uuid } = dialectOf(sql)
  const groupTools = own("group_tools")
  const userTokens = UserTokens.make(sql)
  const signInRows = SignInRows.make(sql)
  const username = sql.literal(usernameColumn)

  const columns = sql`
    cast("users"."id" as text) as "id", ${username} as "username", "users"."displayName", "users"."email",
    "users"."isAdmin", "users"."isActive", ${millis(`"users"."lastLoginAt"`)} as "lastLoginAt",
    ${millis(`"users"."createdAt"`)} as "createdAt"`

  const first = (rows: ReadonlyArray<User>, asked: string) => {
    const row = rows[0]
    return row === undefined ? Effect.fail(userNotFound(asked)) : Effect.succeed(row)
  }

  /** Databases fold case each in their own way, so that all names are looked at here. */
  const isTaken = (name: string) =>
    Effect.map(names(sql`select ${username} as "username" from "users"`), (rows) =>
      rows.some((row) => lookOf(row.username) === lookOf(name))
    )

  /** Changes one user and announces it; `revoked` says whether the change shuts the user out. */
  const change = (id: UserId, assignment: Statement.Fragment, revoked: boolean) =>
    Effect.gen(function* () {
      if (!isUuid(id)) return yield* userNotFound(id)
      const now = yield* Clock.currentTimeMillis
      const rows = yield* users(sql`
        update "users" set ${assignment}, "updatedAt" = ${time(now)} where "users"."id" = ${uuid(id)}
        returning ${columns}`)
      const user = yield* first(rows, id)
      if (revoked) yield* signInRows.shutOut(id)
      yield* events.publish([{ userId: id, revoked }])
      return user
    }).pipe(sql.withTransaction, orUnavailable)

  const byId = Effect.fn("Users.byId")(function* (id: UserId) {
    if (!isUuid(id)) return yield* userNotFound(id)
    return yield* first(yield* users(sql`select ${columns} from "users" where "users"."id" = ${uuid(id)}`), id)
  }, orUnavailable)

  /** Another transaction may have taken the name since it was looked for. */
  const orTaken = (
    error: SqlError.SqlError,
    username: string
  ): Effect.Effect<never, SqlError.SqlError | UsernameTaken> =>
    Effect.fail(error.reason._tag === "UniqueViolation" ? usernameTaken(username) : error)

  return Users.of({
    add: Effect.fn("Users.add")(function* (user) {
      yield* check({ username: usernameProblem(user.username), id: user.id && idProblem(user.id) })
      const id = user.id ?? UserId.make(yield* random.uuidV4())
      const now = time(yield* Clock.currentTimeMillis)
      const same = yield* sql`select 1 as found from "users" where "users"."id" = ${uuid(id)}`
      if (same.length > 0 || (yield* isTaken(user.username))) return yield* usernameTaken(user.username)
      const rows = yield* users(sql`
        insert into "users" ("id", "username", "displayName", "email", "isAdmin", "isActive", "createdAt", "updatedAt")
        values (${uuid(id)}, ${user.username}, ${user.displayName ?? null}, ${user.email ?? null},
          ${user.isAdmin ?? false}, true, ${now}, ${now})
        returning ${columns}`).pipe(Effect.catchTag("SqlError", (error) => orTaken(error, user.username)))
      return yield* Effect.orDie(first(rows, user.username))
    }, orUnavailable),

    byId,

    byName: Effect.fn("Users.byName")(function* (name) {
      const own = yield* users(sql`select ${columns} from "users" where "users"."username" = ${name}`)
      if (own.length > 0) return yield* first(own, name)
      const goingBy = yield* users(sql`select ${columns} from "users" where ${username} = ${name} limit 2`)
      // What is meant for one of them must not become the other's.
      if (goingBy.length > 1) return yield* nameOfSeveral(name)
      return yield* first(goingBy, name)
    }, orUnavailable),

    byGithubId: Effect.fn("Users.byGithubId")(function* (githubId) {
      return yield* first(
        yield* users(sql`select ${columns} from "users" where "users"."githubId" = ${githubId}`),
        githubId
      )
    }, orUnavailable),

    list: users(sql`select ${columns} from "users" order by 2, 1`).pipe(orUnavailable, Effect.withSpan("Users.list")),

    remove: Effect.fn("Users.remove")(
      function* (id) {
        if (!isUuid(id)) return yield* userNotFound(id)
        yield* sql`delete from ${groupTools} where "groupId" in
        (select "id" from "user_groups" where "userId" = ${uuid(id)})`
        yield* sql`delete from "user_groups" where "userId" = ${uuid(id)}`
        yield* sql`delete from "user_tokens" where "userId" = ${uuid(id)}`
        yield* userTokens.removeAll(id)
        yield* signInRows.removeAll(id)
        yield* sql`delete from "mcphub_keys" where "userId" = ${uuid(id)}`
        const rows = yield* sql`delete from "users" where "id" = ${uuid(id)} returning 1 as found`
        if (rows.length === 0) return yield* userNotFound(id)
        yield* events.publish([{ userId: id, revoked: true }])
      },
      sql.withTransaction,
      orUnavailable
    ),

    setActive: Effect.fn("Users.setActive")((id, active) => change(id, sql`"isActive" = ${active}`, !active)),

    setAdmin: Effect.fn("Users.setAdmin")(
      function* (id, admin) {
        const before = yield* byId(id)
        if (before.isAdmin !== admin) yield* signInRows.removeRole(id)
        return yield* change(id, sql`"isAdmin" = ${admin}`, false)
      },
      sql.withTransaction,
      orUnavailable
    ),

    passwordDigest: Effect.fn("Users.passwordDigest")(function* (id) {
      if (!isUuid(id)) return yield* userNotFound(id)
      const rows = yield* passwords(sql`select "password" from "users" where "id" = ${uuid(id)}`)
      if (rows[0] === undefined) return yield* userNotFound(id)
      return Option.map(Option.fromNullishOr(rows[0].password), (digest) => Redacted.make(digest))
    }, orUnavailable),

    setPasswordDigest: Effect.fn("Users.setPasswordDigest")((id, digest) =>
      Effect.asVoid(change(id, sql`"password" = ${Redacted.value(digest)}`, false))
    ),

    recordLogin: Effect.fn("Users.recordLogin")(function* (id) {
      const now = yield* Clock.currentTimeMillis
      yield* sql`update "users" set "lastLoginAt" = ${time(now)} where cast("id" as text) = ${id}`
    }, orUnavailable),

    fromGithub: Effect.fn("Users.fromGithub")(function* (profile) {
      yield* check({ "GitHub name": usernameProblem(profile.login) })
      const now = time(yield* Clock.currentTimeMillis)
      const id = yield* random.uuidV4()
      // A local user of the same name is another person, who must not be taken over by a sign-in.
      const named = yield* sql`
        select 1 as found from "users" where ${username} = ${profile.login}
        and "users"."githubId" is distinct from ${profile.githubId}`
      const known = yield* sql`select 1 as found from "users" where "users"."githubId" = ${profile.githubId}`
      if (named.length > 0 || (known.length === 0 && (yield* isTaken(profile.login)))) {
        return yield* nameOfAnother(profile.login)
      }
      const rows = yield* users(sql`
        insert into "users" ("id", "githubId", "githubUsername", "username", "email", "avatarUrl", "displayName",
          "githubProfileUrl", "isAdmin", "isActive", "lastLoginAt", "createdAt", "updatedAt")
        values (${uuid(id)}, ${profile.githubId}, ${profile.login}, ${profile.login}, ${profile.email ?? null},
          ${profile.avatarUrl ?? null}, ${profile.displayName ?? null}, ${profile.profileUrl ?? null}, false, true,
          ${now}, ${now}, ${now})
        on conflict ("githubId") do update set "githubUsername" = excluded."githubUsername",
          "email" = coalesce(excluded."email", "users"."email"),
          "avatarUrl" = coalesce(excluded."avatarUrl", "users"."avatarUrl"),
          "displayName" = coalesce(excluded."displayName", "users"."displayName"),
          "githubProfileUrl" = coalesce(excluded."githubProfileUrl", "users"."githubProfileUrl"),
          "lastLoginAt" = excluded."lastLoginAt", "updatedAt" = excluded."updatedAt"
        returning ${columns}`).pipe(
        Effect.catchTag("SqlError", (error): Effect.Effect<never, SqlError.SqlError | InvalidValue> =>
          Effect.fail(error.reason._tag === "UniqueViolation" ? nameOfAnother(profile.login) : error)
        )
      )
      return yield* Effect.orDie(first(rows, profile.login))
    }, orUnavailable)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<Users, never, SqlClient.SqlClient | KeyEvents> = Layer.effect(Users, make).pipe(
  Layer.provide(SecureRandom.layerWebCrypto)
)
