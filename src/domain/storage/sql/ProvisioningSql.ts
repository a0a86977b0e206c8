/**
 * Provisioning on the database: one transaction, one statement per kind of change, whatever the number of users.
 */
import { Clock, Effect, Layer, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient } from "effect/sql"
import { Credentials } from "../../identity/Credentials.ts"
import { keyDigest } from "../../identity/HubKey.ts"
import type { GroupId, UserId } from "../../Ids.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { jsonb, millis, orUnavailable, serversAreArray, serversFrom, serversTo, time } from "./LegacyColumns.ts"
import { Provisioning } from "../../provisioning/Provisioning.ts"
import { type ProvisioningUser, readFile, refuse } from "../../provisioning/ProvisioningFile.ts"
import { makePlan, type StoredState, type Writes } from "../../provisioning/ProvisioningPlan.ts"
import { usernameColumn } from "./UsersSql.ts"

/** Any fixed number: two files are applied one after the other. */
const lock = 6_274_822

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* KeyEvents
  const credentials = yield* Credentials
  const random = yield* SecureRandom.SecureRandom

  /** A JSON list of texts as rows of one column `value`. */
  const texts = (values: ReadonlyArray<string>) =>
    sql`(select value from jsonb_array_elements_text(${jsonb(sql, values)}))`

  const load = Effect.fnUntraced(function* (entries: ReadonlyArray<ProvisioningUser>) {
    const names = entries.map((entry) => entry.username)
    const ids = entries.flatMap((entry) => (entry.id === undefined ? [] : [entry.id.toLowerCase()]))
    const given = entries.flatMap((entry) =>
      (entry.keys ?? []).flatMap((key) => (key.key === undefined ? [] : [Redacted.value(key.key)]))
    )
    const users = yield* sql<StoredState["users"][number]>`
      select u."id"::text as "id", ${sql.literal(usernameColumn)} as "username", u."isAdmin" from "users" as u
      where ${sql.literal(usernameColumn)} in ${texts(names)} or u."id"::text in ${texts(ids)}`
    const found = texts(users.map((user) => user.id))
    const keys = yield* sql<StoredState["keys"][number]>`
      select k."id"::text as "id", k."userId"::text as "userId", k."name", ${millis(sql, `k."expiresAt"`)} as "expiresAt",
        k."serviceTokens" as "tokens", case when k."keyValue" like 'sha256:%' then k."keyValue"
          else 'sha256:' || encode(sha256(convert_to(k."keyValue", 'UTF8')), 'hex') end as "digest"
      from "mcphub_keys" as k
      where k."userId"::text in ${found} or k."keyValue" in ${texts([...given, ...given.map(keyDigest)])}`
    const groups = yield* sql<{
      readonly id: GroupId
      readonly userId: UserId
      readonly name: string | null
      readonly servers: unknown
      readonly tools: ReadonlyArray<string> | null
    }>`
      select g."id"::text as "id", g."userId"::text as "userId", g."name", to_jsonb(g."servers") as "servers", t."tools"
      from "user_groups" as g left join "mcphub_hub"."group_tools" as t on t."groupId" = g."id"
      where g."userId"::text in ${found}`
    return {
      users,
      keys,
      groups: groups.map((group) => ({ ...group, name: group.name ?? "", servers: serversFrom(group.servers) }))
    }
  })

  const write = Effect.fnUntraced(function* (writes: Writes) {
    const now = time(sql, yield* Clock.currentTimeMillis)
    const array = yield* serversAreArray(sql)
    const serversColumn = serversTo(sql, array, sql`w."servers"`)
    if (writes.newUsers.length > 0) {
      yield* sql`
        insert into "users" ("id", "username", "isAdmin", "isActive", "createdAt", "updatedAt")
        select w."id", w."username", w."isAdmin", true, ${now}, ${now}
        from jsonb_to_recordset(${jsonb(sql, writes.newUsers)}) as w("id" uuid, "username" text, "isAdmin" boolean)`
    }
    if (writes.adminChanges.length > 0) {
      yield* sql`
        update "users" as u set "isAdmin" = w."isAdmin", "updatedAt" = ${now}
        from jsonb_to_recordset(${jsonb(sql, writes.adminChanges)}) as w("id" uuid, "isAdmin" boolean)
        where u."id" = w."id"`
    }
    if (writes.newGroups.length > 0) {
      yield* sql`
        insert into "user_groups" ("id", "name", "servers", "isActive", "userId", "createdAt", "updatedAt")
        select w."id", w."name", ${serversColumn}, true, w."userId", ${now}, ${now}
        from jsonb_to_recordset(${jsonb(sql, writes.newGroups)})
          as w("id" uuid, "name" text, "servers" jsonb, "userId" uuid)`
    }
    if (writes.groupChanges.length > 0) {
      yield* sql`
        update "user_groups" as g set "servers" = ${serversColumn}, "updatedAt" = ${now}
        from jsonb_to_recordset(${jsonb(sql, writes.groupChanges)}) as w("id" uuid, "servers" jsonb)
        where g."id" = w."id"`
    }
    const groups = [...writes.newGroups, ...writes.groupChanges]
    const limited = groups.filter((group) => group.tools !== null)
    const unlimited = groups.filter((group) => group.tools === null)
    if (limited.length > 0) {
      yield* sql`
        insert into "mcphub_hub"."group_tools" ("groupId", "tools")
        select w."id", w."tools" from jsonb_to_recordset(${jsonb(sql, limited)}) as w("id" uuid, "tools" jsonb)
        on conflict ("groupId") do update set "tools" = excluded."tools"`
    }
    if (unlimited.length > 0) {
      yield* sql`delete from "mcphub_hub"."group_tools" where "groupId"::text in ${texts(unlimited.map((group) => group.id))}`
    }
    if (writes.newKeys.length > 0) {
      yield* sql`
        insert into "mcphub_keys"
          ("id", "keyValue", "name", "userId", "isActive", "expiresAt", "usageCount", "createdAt", "updatedAt")
        select w."id", w."digest", w."name", w."userId", true,
          to_timestamp(w."expiresAt" / 1000) at time zone 'UTC', 0, ${now}, ${now}
        from jsonb_to_recordset(${jsonb(sql, writes.newKeys)})
          as w("id" uuid, "digest" text, "name" text, "userId" uuid, "expiresAt" float8)`
    }
    if (writes.keyChanges.length > 0) {
      yield* sql`
        update "mcphub_keys" as k set "name" = w."name", "updatedAt" = ${now},
          "expiresAt" = to_timestamp(w."expiresAt" / 1000) at time zone 'UTC'
        from jsonb_to_recordset(${jsonb(sql, writes.keyChanges)}) as w("id" uuid, "name" text, "expiresAt" float8)
        where k."id" = w."id"`
    }
    if (writes.tokens.length > 0) {
      yield* sql`
        update "mcphub_keys" as k set "updatedAt" = ${now}, "serviceTokens" =
          case when jsonb_typeof(k."serviceTokens") = 'object' then k."serviceTokens" else '{}' end || w."tokens"
        from jsonb_to_recordset(${jsonb(sql, writes.tokens)}) as w("userId" uuid, "tokens" jsonb)
        where k."userId" = w."userId"`
    }
    yield* events.publish(writes.events)
  })

  return Provisioning.of({
    apply: Effect.fn("Provisioning.apply")(function* (input, file = "The provisioning file") {
      const entries = yield* readFile(input, file)
      return yield* Effect.gen(function* () {
        yield* sql`select pg_advisory_xact_lock(${lock}::bigint)`
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
