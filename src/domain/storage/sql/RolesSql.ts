/** Roles and users of other issuers, in tables of the hub's own. */
import { Effect, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { isUuid, UserId } from "../../Ids.ts"
import { ExternalUsers } from "../../identity/ExternalUsers.ts"
import { userNotFound } from "../../identity/IdentityErrors.ts"
import { Roles, HubRole } from "../../identity/Roles.ts"
import { Users } from "../../identity/Users.ts"
import { dialectOf } from "./Dialect.ts"
import { rowsOf } from "./Rows.ts"
import { orUnavailable } from "./Unavailable.ts"

const roleRows = rowsOf("role", Schema.Struct({ userId: UserId, role: HubRole }))
const userIds = rowsOf("user", Schema.Struct({ userId: UserId }))

const roles = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own, uuid } = dialectOf(sql)
  const table = own("user_roles")
  const columns = sql`cast("userId" as text) as "userId", "role"`

  return Roles.of({
    of: Effect.fn("Roles.of")(function* (userId) {
      if (!isUuid(userId)) return "user"
      const [row] = yield* roleRows(sql`select ${columns} from ${table} where "userId" = ${uuid(userId)}`)
      return row?.role ?? "user"
    }, orUnavailable),

    set: Effect.fn("Roles.set")(function* (userId, role) {
      if (!isUuid(userId)) return yield* userNotFound(userId)
      const rows = yield* sql`
        insert into ${table} ("userId", "role")
        select "users"."id", ${role} from "users" where "users"."id" = ${uuid(userId)}
        on conflict ("userId") do update set "role" = excluded."role"
        returning 1 as found`
      if (rows.length === 0) return yield* userNotFound(userId)
    }, orUnavailable),

    all: roleRows(sql`select ${columns} from ${table} where "role" <> 'user'`).pipe(
      orUnavailable,
      Effect.map((rows) => new Map(rows.map(({ role, userId }) => [userId, role]))),
      Effect.withSpan("Roles.all")
    )
  })
})

const externalUsers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const users = yield* Users
  const { own, uuid } = dialectOf(sql)
  const table = own("external_users")

  return ExternalUsers.of({
    find: Effect.fn("ExternalUsers.find")(function* ({ issuer, subject }) {
      const [row] = yield* userIds(sql`
        select cast("userId" as text) as "userId" from ${table}
        where "issuer" = ${issuer} and "subject" = ${subject}`)
      if (row === undefined) return Option.none()
      return yield* users.byId(row.userId).pipe(
        Effect.map(Option.some),
        Effect.catchTag("UserNotFound", () => Effect.succeed(Option.none()))
      )
    }, orUnavailable),

    link: Effect.fn("ExternalUsers.link")(function* ({ issuer, subject }, userId) {
      if (!isUuid(userId)) return yield* userNotFound(userId)
      yield* users.byId(userId)
      yield* sql`
        insert into ${table} ("issuer", "subject", "userId") values (${issuer}, ${subject}, ${uuid(userId)})
        on conflict ("issuer", "subject") do nothing`
    }, orUnavailable)
  })
})

/** Need the migrated tables. */
export const layer: Layer.Layer<Roles | ExternalUsers, never, SqlClient.SqlClient | Users> = Layer.merge(
  Layer.effect(Roles, roles),
  Layer.effect(ExternalUsers, externalUsers)
)
