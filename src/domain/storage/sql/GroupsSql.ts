/**
 * Groups in the `user_groups` table in either of its forms, their tool lists in `mcphub_hub.group_tools`.
 */
import { Clock, Effect, Layer, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type Statement } from "effect/sql"
import { Group } from "../../identity/Group.ts"
import { Groups } from "../../identity/Groups.ts"
import { GroupId, isUuid, UserId } from "../../Ids.ts"
import { groupNameTaken, groupNotFound, userNotFound } from "../../identity/IdentityErrors.ts"
import { check, labelProblem, serversProblem } from "../../identity/IdentityRules.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { dialectOf } from "./Dialect.ts"
import { Flag, Json, rowsOf, Servers } from "./Rows.ts"
import { orUnavailable } from "./Unavailable.ts"

const StoredGroup = Schema.Struct({
  ...Group.fields,
  name: Schema.NullOr(Schema.String),
  isActive: Flag,
  servers: Json(Servers),
  tools: Schema.NullOr(Json(Schema.Array(Schema.String)))
})

const stored = rowsOf("group", StoredGroup)
const ids = rowsOf("group", Schema.Struct({ id: GroupId }))
const owners = rowsOf("group", Schema.Struct({ userId: UserId }))

const toGroup = ({ name, tools, ...row }: typeof StoredGroup.Type): Group => ({
  ...row,
  name: name ?? "",
  ...(tools === null ? {} : { tools })
})

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* KeyEvents
  const random = yield* SecureRandom.SecureRandom

  const { asJson, forUpdate, json, millis, own, time, toServers, uuid } = dialectOf(sql)

  const table = sql.literal(`"user_groups"`)
  const groupTools = own("group_tools")

  const columns = sql`
    cast(${table}."id" as text) as "id", cast(${table}."userId" as text) as "userId", ${table}."name",
    ${table}."description", ${table}."isActive", cast(${asJson(`"user_groups"."servers"`)} as text) as "servers",
    ${millis(`"user_groups"."createdAt"`)} as "createdAt", (select cast(t."tools" as text) from ${groupTools} as t
    where t."groupId" = ${table}."id") as "tools"`

  const select = (which: Statement.Fragment) => groups(sql`select ${columns} from ${table} ${which}`)

  const groups = <E>(statement: Effect.Effect<ReadonlyArray<unknown>, E>) =>
    Effect.map(stored(statement), (rows) => rows.map(toGroup))

  const itself = (id: GroupId, owner: UserId | undefined) =>
    owner === undefined
      ? sql`cast(${table}."id" as text) = ${id}`
      : sql`cast(${table}."id" as text) = ${id} and cast(${table}."userId" as text) = ${owner}`

  const one = <A>(rows: ReadonlyArray<A>, id: GroupId) =>
    rows[0] === undefined ? Effect.fail(groupNotFound(id)) : Effect.succeed(rows[0])

  const find = (id: GroupId, owner: UserId | undefined) =>
    Effect.flatMap(select(sql`where ${itself(id, owner)}`), (rows) => one(rows, id))

  const changed = (userId: UserId) => events.publish([{ userId, revoked: false }])

  const setTools = (id: GroupId, tools: ReadonlyArray<string> | null) =>
    tools === null
      ? sql`delete from ${groupTools} where "groupId" = ${uuid(id)}`
      : sql`insert into ${groupTools} ("groupId", "tools") values (${uuid(id)}, ${json(tools)})
          on conflict ("groupId") do update set "tools" = excluded."tools"`

  /** Locks the user's row, so that two groups of one name cannot be made at the same time. */
  const freeName = Effect.fnUntraced(function* (userId: UserId, name: string, except: GroupId | undefined) {
    const user = yield* sql`select 1 as found from "users" where "id" = ${uuid(userId)} ${forUpdate}`
    if (user.length === 0) return yield* userNotFound(userId)
    const same = yield* ids(sql`
      select cast("id" as text) as "id" from ${table} where "userId" = ${uuid(userId)} and "name" = ${name}`)
    if (same.some((row) => row.id !== except)) return yield* groupNameTaken(name)
  })

  return Groups.of({
    create: Effect.fn("Groups.create")(
      function* (group) {
        yield* check({ "group name": labelProblem(group.name), "list of servers": serversProblem(group.servers) })
        if (!isUuid(group.userId)) return yield* userNotFound(group.userId)
        yield* freeName(group.userId, group.name, undefined)
        const id = GroupId.make(yield* random.uuidV4())
        const now = time(yield* Clock.currentTimeMillis)
        const servers = (yield* toServers)(json(group.servers))
        yield* sql`
        insert into ${table} ("id", "name", "description", "servers", "isActive", "userId", "createdAt", "updatedAt")
        values (${uuid(id)}, ${group.name}, ${group.description ?? null}, ${servers}, true, ${uuid(group.userId)}, ${now},
          ${now})`
        if (group.tools !== undefined) yield* setTools(id, group.tools)
        yield* changed(group.userId)
        return yield* Effect.catchTag(find(id, undefined), "GroupNotFound", Effect.die)
      },
      sql.withTransaction,
      orUnavailable
    ),

    byId: Effect.fn("Groups.byId")(find, orUnavailable),

    listByUser: Effect.fn("Groups.listByUser")(
      (userId) => select(sql`where cast(${table}."userId" as text) = ${userId} order by ${table}."name", 1`),
      orUnavailable
    ),

    list: select(sql`order by ${table}."name", 1`).pipe(orUnavailable, Effect.withSpan("Groups.list")),

    setActive: Effect.fn("Groups.setActive")(
      function* (id, active, owner) {
        const now = yield* Clock.currentTimeMillis
        const rows = yield* groups(sql`
          update ${table} set "isActive" = ${active}, "updatedAt" = ${time(now)} where ${itself(id, owner)}
          returning ${columns}`)
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
        const group = yield* find(id, owner)
        if (change.name !== undefined)
          yield* Effect.catchTag(freeName(group.userId, change.name, id), "UserNotFound", Effect.die)
        const assignments: Array<Statement.Fragment> = [sql`"updatedAt" = ${time(yield* Clock.currentTimeMillis)}`]
        if (change.name !== undefined) assignments.push(sql`"name" = ${change.name}`)
        if (change.description !== undefined) assignments.push(sql`"description" = ${change.description}`)
        if (change.servers !== undefined) {
          const servers = (yield* toServers)(json(change.servers))
          assignments.push(sql`"servers" = ${servers}`)
        }
        yield* sql`update ${table} set ${sql.csv(assignments)} where "id" = ${uuid(id)}`
        if (change.tools !== undefined) yield* setTools(id, change.tools)
        yield* changed(group.userId)
        return yield* find(id, owner)
      },
      sql.withTransaction,
      orUnavailable
    ),

    remove: Effect.fn("Groups.remove")(
      function* (id, owner) {
        const rows = yield* owners(sql`
          delete from ${table} where ${itself(id, owner)} returning cast(${table}."userId" as text) as "userId"`)
        const { userId } = yield* one(rows, id)
        yield* setTools(id, null)
        yield* changed(userId)
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
