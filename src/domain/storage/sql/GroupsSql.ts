/**
 * Groups in the `user_groups` table in either of its forms, their tool lists in `mcphub_hub.group_tools`.
 */
import { Clock, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type Statement } from "effect/sql"
import type { Group } from "../../identity/Group.ts"
import { Groups } from "../../identity/Groups.ts"
import { GroupId, isUuid, type UserId } from "../../Ids.ts"
import { groupNameTaken, groupNotFound, userNotFound } from "../../identity/IdentityErrors.ts"
import { check, labelProblem, serversProblem } from "../../identity/IdentityRules.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { jsonb, millis, orUnavailable, serversAreArray, serversFrom, serversTo, time } from "./LegacyColumns.ts"

type StoredGroup = Omit<Group, "servers" | "tools" | "name"> & {
  readonly name: string | null
  readonly servers: unknown
  readonly tools: ReadonlyArray<string> | null
}

const toGroup = ({ name, servers, tools, ...row }: StoredGroup): Group => ({
  ...row,
  name: name ?? "",
  servers: serversFrom(servers),
  ...(tools === null ? {} : { tools })
})

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* KeyEvents
  const random = yield* SecureRandom.SecureRandom

  const columns = sql`
    g."id"::text as "id", g."userId"::text as "userId", g."name", g."description", g."isActive",
    to_jsonb(g."servers") as "servers", ${millis(sql, `g."createdAt"`)} as "createdAt",
    (select t."tools" from "mcphub_hub"."group_tools" as t where t."groupId" = g."id") as "tools"`

  const ownedBy = (owner: UserId | undefined) => (owner === undefined ? sql`` : sql`and g."userId"::text = ${owner}`)

  const one = (rows: ReadonlyArray<StoredGroup>, id: GroupId) =>
    rows[0] === undefined ? Effect.fail(groupNotFound(id)) : Effect.succeed(toGroup(rows[0]))

  const find = (id: GroupId, owner: UserId | undefined) =>
    sql<StoredGroup>`select ${columns} from "user_groups" as g where g."id"::text = ${id} ${ownedBy(owner)}`

  const changed = (userId: UserId) => events.publish([{ userId, revoked: false }])

  const setTools = (id: GroupId, tools: ReadonlyArray<string> | null) =>
    tools === null
      ? sql`delete from "mcphub_hub"."group_tools" where "groupId" = ${id}::uuid`
      : sql`insert into "mcphub_hub"."group_tools" ("groupId", "tools") values (${id}::uuid, ${jsonb(sql, tools)})
          on conflict ("groupId") do update set "tools" = excluded."tools"`

  /** Locks the user's row, so that two groups of one name cannot be made at the same time. */
  const freeName = Effect.fnUntraced(function* (userId: UserId, name: string, except: GroupId | undefined) {
    const user = yield* sql`select 1 from "users" where "id" = ${userId}::uuid for update`
    if (user.length === 0) return yield* userNotFound(userId)
    const same = yield* sql<{ readonly id: GroupId }>`
      select "id"::text as id from "user_groups" where "userId" = ${userId}::uuid and "name" = ${name}`
    if (same.some((row) => row.id !== except)) return yield* groupNameTaken(name)
  })

  return Groups.of({
    create: Effect.fn("Groups.create")(
      function* (group) {
        yield* check({ "group name": labelProblem(group.name), "list of servers": serversProblem(group.servers) })
        if (!isUuid(group.userId)) return yield* userNotFound(group.userId)
        yield* freeName(group.userId, group.name, undefined)
        const id = GroupId.make(yield* random.uuidV4())
        const now = time(sql, yield* Clock.currentTimeMillis)
        const servers = serversTo(sql, yield* serversAreArray(sql), jsonb(sql, group.servers))
        yield* sql`
        insert into "user_groups" ("id", "name", "description", "servers", "isActive", "userId", "createdAt", "updatedAt")
        values (${id}::uuid, ${group.name}, ${group.description ?? null}::text, ${servers}, true, ${group.userId}::uuid,
          ${now}, ${now})`
        if (group.tools !== undefined) yield* setTools(id, group.tools)
        yield* changed(group.userId)
        return yield* Effect.orDie(one(yield* find(id, undefined), id))
      },
      sql.withTransaction,
      orUnavailable
    ),

    byId: Effect.fn("Groups.byId")(function* (id, owner) {
      return yield* one(yield* find(id, owner), id)
    }, orUnavailable),

    listByUser: Effect.fn("Groups.listByUser")(function* (userId) {
      const rows = yield* sql<StoredGroup>`
        select ${columns} from "user_groups" as g where g."userId"::text = ${userId} order by g."name", 1`
      return rows.map(toGroup)
    }, orUnavailable),

    list: sql<StoredGroup>`select ${columns} from "user_groups" as g order by g."name", 1`.pipe(
      Effect.map((rows) => rows.map(toGroup)),
      orUnavailable,
      Effect.withSpan("Groups.list")
    ),

    setActive: Effect.fn("Groups.setActive")(
      function* (id, active, owner) {
        const now = yield* Clock.currentTimeMillis
        const rows = yield* sql<StoredGroup>`
        update "user_groups" as g set "isActive" = ${active}, "updatedAt" = ${time(sql, now)}
        where g."id"::text = ${id} ${ownedBy(owner)} returning ${columns}`
        const group = yield* one(rows, id)
        yield* changed(group.userId)
        return group
      },
      sql.withTransaction,
      orUnavailable
    ),

    update: Effect.fn("Groups.update")(
      function* (id, change, owner) {
        yield* check({
          "group name": change.name === undefined ? undefined : labelProblem(change.name),
          "list of servers": change.servers === undefined ? undefined : serversProblem(change.servers)
        })
        const group = yield* one(yield* find(id, owner), id)
        if (change.name !== undefined)
          yield* Effect.catchTag(freeName(group.userId, change.name, id), "UserNotFound", Effect.die)
        const assignments: Array<Statement.Fragment> = [sql`"updatedAt" = ${time(sql, yield* Clock.currentTimeMillis)}`]
        if (change.name !== undefined) assignments.push(sql`"name" = ${change.name}`)
        if (change.description !== undefined) assignments.push(sql`"description" = ${change.description}`)
        if (change.servers !== undefined) {
          const servers = serversTo(sql, yield* serversAreArray(sql), jsonb(sql, change.servers))
          assignments.push(sql`"servers" = ${servers}`)
        }
        yield* sql`update "user_groups" set ${sql.csv(assignments)} where "id" = ${id}::uuid`
        if (change.tools !== undefined) yield* setTools(id, change.tools)
        yield* changed(group.userId)
        return yield* one(yield* find(id, owner), id)
      },
      sql.withTransaction,
      orUnavailable
    ),

    remove: Effect.fn("Groups.remove")(
      function* (id, owner) {
        const rows = yield* sql<{ readonly userId: UserId }>`
        delete from "user_groups" as g where g."id"::text = ${id} ${ownedBy(owner)} returning g."userId"::text as "userId"`
        if (rows[0] === undefined) return yield* groupNotFound(id)
        yield* setTools(id, null)
        yield* changed(rows[0].userId)
      },
      sql.withTransaction,
      orUnavailable
    )
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<Groups, never, SqlClient.SqlClient | KeyEvents> = Layer.effect(Groups, make).pipe(
  Layer.provide(SecureRandom.layerWebCrypto)
)
