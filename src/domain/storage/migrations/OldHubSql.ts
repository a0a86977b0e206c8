/**
 * An old hub's database on PostgreSQL, read in one transaction that can write nothing and sees one moment.
 *
 * Of keys only their form is read, and of passwords the name of their scheme.
 */
import { Effect, Option, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { isKeyText } from "../../identity/HubKey.ts"
import { GroupId, KeyId, UserId } from "../../Ids.ts"
import type { OldHub } from "../../migration/OldHub.ts"
import { dialectOf } from "../sql/Dialect.ts"
import { Json, rowsOf, Servers } from "../sql/Rows.ts"
import * as Migrations from "./Migrations.ts"

const text = Schema.NullOr(Schema.String)
const tokens = Schema.NullOr(Json(Schema.Unknown))

const users = rowsOf(
  "user",
  Schema.Struct({
    id: UserId,
    username: text,
    githubUsername: text,
    displayName: text,
    passwordScheme: text,
    isAdmin: Schema.Boolean,
    isActive: Schema.Boolean
  })
)
const keys = rowsOf(
  "key",
  Schema.Struct({
    id: KeyId,
    userId: UserId,
    name: Schema.String,
    isActive: Schema.Boolean,
    expiresAt: Schema.Number,
    keyValue: Schema.String,
    tokens
  })
)
const groups = rowsOf(
  "group",
  Schema.Struct({ id: GroupId, userId: UserId, name: text, isActive: Schema.Boolean, servers: Json(Servers) })
)
const tokensOfUsers = rowsOf("user", Schema.Struct({ userId: UserId, tokens }))
const facts = rowsOf(
  "fact of the database",
  Schema.Struct({ version: Schema.Number, mayCreate: Schema.Boolean, hasTables: Schema.Boolean })
)

/** Whether a key's row opens the hub, and as what. */
const formOf = (value: string): OldHub["keys"][number]["form"] =>
  /^sha256:[0-9a-f]{64}$/.test(value) ? "digest" : isKeyText(value) ? "text" : "malformed"

/** None where the database has no tables of a hub. */
export const readOldHub: Effect.Effect<Option.Option<OldHub>, SqlError.SqlError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const { asJson, millis, own, tableExists } = dialectOf(sql)
    yield* sql`set transaction isolation level repeatable read, read only`
    const [fact] = yield* facts(sql`
      select current_setting('server_version_num')::int as "version",
        to_regnamespace('mcphub_hub') is not null or has_database_privilege(current_database(), 'create') as "mayCreate",
        to_regclass('"users"') is not null and to_regclass('"mcphub_keys"') is not null
          and to_regclass('"user_groups"') is not null as "hasTables"`)
    if (fact === undefined || !fact.hasTables) return Option.none()
    const { mayCreate, version } = fact
    const stored = yield* keys(sql`
      select cast("id" as text) as "id", cast("userId" as text) as "userId", "name", "isActive",
        ${millis(`"expiresAt"`)} as "expiresAt", "keyValue", cast("serviceTokens" as text) as "tokens"
      from "mcphub_keys" order by "createdAt", 1`)
    return Option.some({
      version,
      mayCreate,
      pending: yield* Migrations.pending,
      users: yield* users(sql`
        select cast("id" as text) as "id", "username", "githubUsername", "displayName",
          left("password", 7) as "passwordScheme", "isAdmin", "isActive"
        from "users" order by "createdAt", 1`),
      keys: stored.map(({ keyValue, ...key }) => ({ ...key, form: formOf(keyValue) })),
      groups: yield* groups(sql`
        select cast("id" as text) as "id", cast("userId" as text) as "userId", "name", "isActive",
          cast(${asJson(`"servers"`)} as text) as "servers"
        from "user_groups" order by "createdAt", 1`),
      userTokens: (yield* tableExists("user_service_tokens"))
        ? yield* tokensOfUsers(sql`
            select cast("userId" as text) as "userId", cast("tokens" as text) as "tokens"
            from ${own("user_service_tokens")} order by 1`)
        : []
    })
  }
).pipe((read) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(read)))
