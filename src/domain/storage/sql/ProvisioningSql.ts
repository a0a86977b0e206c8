/**
 * Provisioning on the database: one transaction, one statement per kind of change, whatever the number of users.
 */
import { Clock, Effect, Layer, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { Credentials } from "../../identity/Credentials.ts"
import { keyDigest } from "../../identity/HubKey.ts"
import { GroupId, KeyId, UserId } from "../../Ids.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { Provisioning } from "../../provisioning/Provisioning.ts"
import { type ProvisioningUser, readFile, refuse } from "../../provisioning/ProvisioningFile.ts"
import { makePlan, type Writes } from "../../provisioning/ProvisioningPlan.ts"
import { dialectOf } from "./Dialect.ts"
import { Flag, Json, rowsOf, Servers } from "./Rows.ts"
import { orUnavailable } from "./Unavailable.ts"
import * as UserTokens from "./UserTokensSql.ts"
import { usernameColumn } from "./UsersSql.ts"

const storedUsers = rowsOf(
  "user",
  Schema.Struct({ id: UserId, username: Schema.String, isAdmin: Flag, isOwnName: Flag })
)
const storedKeys = rowsOf(
  "key",
  Schema.Struct({
    id: KeyId,
    userId: UserId,
    name: Schema.String,
    expiresAt: Schema.Number,
    tokens: Schema.NullOr(Json(Schema.Unknown)),
    value: Schema.String
  })
)
const storedTokens = rowsOf("user", Schema.Struct({ userId: UserId, tokens: Json(Schema.Unknown) }))
const storedGroups = rowsOf(
  "group",
  Schema.Struct({
    id: GroupId,
    userId: UserId,
    name: Schema.NullOr(Schema.String),
    servers: Json(Servers),
    tools: Schema.NullOr(Json(Schema.Array(Schema.String)))
  })
)

/** The digest of a key's column, which holds the key itself where an old hub wrote it. */
const digestOf = (value: string) => (value.startsWith("sha256:") ? value : keyDigest(value))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* KeyEvents
  const credentials = yield* Credentials
  const random = yield* SecureRandom.SecureRandom

  const { asJson, hasTurn, isOneOf, millis, own, rows, time, timeOf, toServers } = dialectOf(sql)
  const groupTools = own("group_tools")
  const userTokens = UserTokens.make(sql)

  const load = Effect.fnUntraced(function* (entries: ReadonlyArray<ProvisioningUser>) {
    const names = entries.map((entry) => entry.username)
    const ids = entries.flatMap((entry) => (entry.id === undefined ? [] : [entry.id.toLowerCase()]))
    const given = entries.flatMap((entry) =>
      (entry.keys ?? []).flatMap((key) => (key.key === undefined ? [] : [Redacted.value(key.key)]))
    )
    const users = yield* storedUsers(sql`
      select cast("users"."id" as text) as "id", ${sql.literal(usernameColumn)} as "username", "users"."isAdmin",
        "users"."username" is not null as "isOwnName"
      from "users" where ${isOneOf(usernameColumn, names)} or ${isOneOf(`"users"."id"`, ids, "uuid")}`)
    const found = users.map((user) => user.id)
    const keys = yield* storedKeys(sql`
      select cast(k."id" as text) as "id", cast(k."userId" as text) as "userId", k."name",
        ${millis(`k."expiresAt"`)} as "expiresAt", cast(k."serviceTokens" as text) as "tokens", k."keyValue" as "value"
      from "mcphub_keys" as k where ${isOneOf(`k."userId"`, found, "uuid")}
        or ${isOneOf(`k."keyValue"`, [...given, ...given.map(keyDigest)])}`)
    const groups = yield* storedGroups(sql`
      select cast(g."id" as text) as "id", cast(g."userId" as text) as "userId", g."name",
        cast(${asJson(`g."servers"`)} as text) as "servers", cast(t."tools" as text) as "tools"
      from "user_groups" as g left join ${groupTools} as t on t."groupId" = g."id"
      where ${isOneOf(`g."userId"`, found, "uuid")}`)
    const tokens = yield* storedTokens(sql`
      select cast(u."userId" as text) as "userId", cast(u."tokens" as text) as "tokens"
      from ${own("user_service_tokens")} as u where ${isOneOf(`u."userId"`, found, "uuid")}`)
    return {
      users,
      userTokens: tokens,
      keys: keys.map(({ value, ...key }) => ({ ...key, digest: digestOf(value) })),
      groups: groups.map((group) => ({ ...group, name: group.name ?? "" }))
    }
  })

  const write = Effect.fnUntraced(function* (writes: Writes) {
    const now = time(yield* Clock.currentTimeMillis)
    const servers = (yield* toServers)(sql`w."servers"`)
    if (writes.newUsers.length > 0) {
      const given = rows("w", writes.newUsers, { id: "uuid", username: "text", isAdmin: "boolean" })
      yield* sql`
        insert into "users" ("id", "username", "isAdmin", "isActive", "createdAt", "updatedAt")
        select w."id", w."username", w."isAdmin", true, ${now}, ${now} from ${given}`
    }
    if (writes.adminChanges.length > 0) {
      const given = rows("w", writes.adminChanges, { id: "uuid", isAdmin: "boolean" })
      yield* sql`
        update "users" set "isAdmin" = w."isAdmin", "updatedAt" = ${now} from ${given} where "users"."id" = w."id"`
      // As by `Users.setAdmin`: a role from before does not come out again.
      const ids = writes.adminChanges.map(({ id }) => id)
      yield* sql`delete from ${own("user_roles")} where ${isOneOf(`"userId"`, ids, "uuid")}`
    }
    if (writes.newGroups.length > 0) {
      const given = rows("w", writes.newGroups, { id: "uuid", name: "text", servers: "json", userId: "uuid" })
      yield* sql`
        insert into "user_groups" ("id", "name", "servers", "isActive", "userId", "createdAt", "updatedAt")
        select w."id", w."name", ${servers}, true, w."userId", ${now}, ${now} from ${given}`
    }
    if (writes.groupChanges.length > 0) {
      const given = rows("w", writes.groupChanges, { id: "uuid", servers: "json" })
      yield* sql`
        update "user_groups" set "servers" = ${servers}, "updatedAt" = ${now} from ${given}
        where "user_groups"."id" = w."id"`
    }
    const groups = [...writes.newGroups, ...writes.groupChanges]
    const limited = groups.filter((group) => group.tools !== null)
    const unlimited = groups.filter((group) => group.tools === null)
    if (limited.length > 0) {
      yield* sql`
        insert into ${groupTools} ("groupId", "tools")
        select w."id", w."tools" from ${rows("w", limited, { id: "uuid", tools: "json" })} where true
        on conflict ("groupId") do update set "tools" = excluded."tools"`
    }
    if (unlimited.length > 0) {
      const ids = unlimited.map((group) => group.id)
      yield* sql`delete from ${groupTools} where ${isOneOf(`"groupId"`, ids, "uuid")}`
    }
    if (writes.newKeys.length > 0) {
      const columns = { id: "uuid", digest: "text", name: "text", userId: "uuid", expiresAt: "time" } as const
      yield* sql`
        insert into "mcphub_keys"
          ("id", "keyValue", "name", "userId", "isActive", "expiresAt", "usageCount", "createdAt", "updatedAt")
        select w."id", w."digest", w."name", w."userId", true, ${timeOf(`w."expiresAt"`)}, 0, ${now}, ${now}
        from ${rows("w", writes.newKeys, columns)}`
    }
    if (writes.keyChanges.length > 0) {
      const given = rows("w", writes.keyChanges, { id: "uuid", name: "text", expiresAt: "time" })
      yield* sql`
        update "mcphub_keys" set "name" = w."name", "updatedAt" = ${now}, "expiresAt" = ${timeOf(`w."expiresAt"`)}
        from ${given} where "mcphub_keys"."id" = w."id"`
    }
    yield* userTokens.merge(writes.tokens)
    yield* events.publish(writes.events)
  })

  return Provisioning.of({
    apply: Effect.fn("Provisioning.apply")(function* (input, file = "The provisioning file") {
      const entries = yield* readFile(input, file)
      return yield* Effect.gen(function* () {
        yield* sql`select 1 as mine where ${hasTurn("provisioning")}`
        const plan = yield* makePlan(entries, yield* load(entries), credentials)
        if (plan.problems.length > 0) return yield* refuse(file, plan.problems)
        yield* write(plan.writes)
        return plan.summary
      }).pipe(sql.withTransaction, orUnavailable, Effect.provideService(SecureRandom.SecureRandom, random))
    })
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<Provisioning, never, SqlClient.SqlClient | KeyEvents | Credentials> = Layer.effect(
  Provisioning,
  make
).pipe(Layer.provide(SecureRandom.layerWebCrypto))
