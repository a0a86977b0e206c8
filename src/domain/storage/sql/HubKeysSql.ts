/**
 * MCPHub keys in the `mcphub_keys` table, as the old hub made it or as the migrations do.
 *
 * `keyValue` holds the digest of a key, or its text where an old hub wrote the row; one statement looks for both.
 * `serviceTokens` holds sealed values, or plaintext of an old hub, by token name: those of this key alone, which go
 * before the user's (`UserTokensSql`).
 */
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type Statement } from "effect/sql"
import { Credentials } from "../../identity/Credentials.ts"
import { type HubKey, isKeyText, keyDays, keyDigest, millisPerDay, mintKey } from "../../identity/HubKey.ts"
import { HubKeys, type TokenTarget } from "../../identity/HubKeys.ts"
import { isUuid, KeyId, type UserId } from "../../Ids.ts"
import { keyNotFound, KeyTaken, userNotFound } from "../../identity/IdentityErrors.ts"
import { check, checkTokens, daysProblem, keyTextProblem, labelProblem } from "../../identity/IdentityRules.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { checkSeals, mostSealsChecked, openTokens, sealTokens } from "../../identity/ServiceTokens.ts"
import { dialectOf } from "./Dialect.ts"
import { ids, keysWithTokens, namesOfTokens, namesOfUser, principals, storedKeys, values } from "./HubKeyRows.ts"
import { orUnavailable } from "./Unavailable.ts"
import * as UserTokens from "./UserTokensSql.ts"
import { usernameColumn } from "./UsersSql.ts"

const usedColumns = { keyId: "uuid", count: "integer", lastUsedAt: "time" } as const

/** All of them, sorted, each once. */
const namesOf = (...lists: ReadonlyArray<ReadonlyArray<string> | null>): ReadonlyArray<string> =>
  [...new Set(lists.flatMap((names) => names ?? []))].sort()

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* KeyEvents
  const credentials = yield* Credentials
  const random = yield* SecureRandom.SecureRandom

  const dialect = dialectOf(sql)
  const { json, millis, time, uuid } = dialect

  const table = sql.literal(`"mcphub_keys"`)
  const tokensColumn = `"mcphub_keys"."serviceTokens"`
  const tokenNames = sql`cast(${dialect.memberNames(tokensColumn)} as text)`

  const userTokens = UserTokens.make(sql)

  const columns = sql`
    cast(${table}."id" as text) as "id", cast(${table}."userId" as text) as "userId", ${table}."name",
    ${table}."description", ${table}."isActive", ${millis(`"mcphub_keys"."expiresAt"`)} as "expiresAt",
    ${millis(`"mcphub_keys"."lastUsedAt"`)} as "lastUsedAt", ${table}."usageCount", ${tokenNames} as "tokenNames",
    ${userTokens.names(`"mcphub_keys"."userId"`)} as "userTokenNames",
    ${millis(`"mcphub_keys"."createdAt"`)} as "createdAt"`

  const keys = <E>(statement: Effect.Effect<ReadonlyArray<unknown>, E>) =>
    Effect.map(storedKeys(statement), (rows) =>
      rows.map(({ userTokenNames, ...row }): HubKey => ({
        ...row,
        tokenNames: namesOf(row.tokenNames, userTokenNames)
      }))
    )

  const select = (which: Statement.Fragment) => keys(sql`select ${columns} from ${table} ${which}`)

  const ownedBy = (owner: UserId | undefined) =>
    owner === undefined ? sql`` : sql`and cast(${table}."userId" as text) = ${owner}`

  const one = (rows: ReadonlyArray<HubKey>, id: KeyId) =>
    rows[0] === undefined ? Effect.fail(keyNotFound(id)) : Effect.succeed(rows[0])

  /** Keys that are valid at a time, with their users. */
  const valid = (now: number) => sql`
    from ${table} join "users" on "users"."id" = ${table}."userId"
    where ${table}."isActive" and "users"."isActive" and ${table}."expiresAt" > ${time(now)}`

  /** The owner of the valid key that is meant. */
  const ownerOf = Effect.fnUntraced(function* (meant: Statement.Fragment) {
    const now = yield* Clock.currentTimeMillis
    const rows = yield* principals(sql`select ${ownerColumns} ${valid(now)} and ${meant} limit 1`)
    const row = rows[0]
    if (row === undefined) return Option.none()
    return Option.some({
      userId: row.userId,
      username: row.username,
      isAdmin: row.isAdmin,
      keyId: row.keyId,
      keyName: row.keyName,
      expiresAt: row.expiresAt,
      groups: row.groups.map((group) => ({
        id: group.id,
        name: group.name ?? "",
        isActive: group.isActive,
        servers: group.servers,
        ...(group.tools === null ? {} : { tools: group.tools })
      })),
      ...(yield* openTokens(credentials, row.userId, row.userTokens, row.tokens))
    })
  })

  /** Changes one key and announces it. */
  const change = (id: KeyId, owner: UserId | undefined, assignment: Statement.Fragment, revoked: boolean) =>
    Effect.gen(function* () {
      if (!isUuid(id)) return yield* keyNotFound(id)
      const now = yield* Clock.currentTimeMillis
      const rows = yield* keys(sql`
        update ${table} set ${assignment}, "updatedAt" = ${time(now)}
        where ${table}."id" = ${uuid(id)} ${ownedBy(owner)} returning ${columns}`)
      const key = yield* one(rows, id)
      yield* events.publish([{ userId: key.userId, keyId: key.id, revoked }])
      return key
    }).pipe(sql.withTransaction, orUnavailable)

  /** Stores a key's digest; fails when there is no such user. */
  const store = Effect.fnUntraced(function* (key: {
    readonly userId: UserId
    readonly name: string
    readonly description?: string | undefined
    readonly text: Redacted.Redacted<string>
    readonly expiresAt: number
  }) {
    if (!isUuid(key.userId)) return yield* userNotFound(key.userId)
    const id = KeyId.make(yield* random.uuidV4())
    const now = time(yield* Clock.currentTimeMillis)
    const [row] = yield* keys(sql`
      insert into ${table}
        ("id", "keyValue", "name", "description", "userId", "isActive", "expiresAt", "usageCount", "createdAt", "updatedAt")
      select ${uuid(id)}, ${keyDigest(Redacted.value(key.text))}, ${key.name}, cast(${key.description ?? null} as text),
        "users"."id", true, ${time(key.expiresAt)}, 0, ${now}, ${now}
      from "users" where "users"."id" = ${uuid(key.userId)}
      returning ${columns}`)
    if (row === undefined) return yield* userNotFound(key.userId)
    // A guess at this key may be remembered as unknown.
    yield* events.publish([{ userId: row.userId, keyId: row.id, revoked: false }])
    return row
  })

  const targeted = (target: TokenTarget) =>
    "keyId" in target
      ? sql`cast(${table}."id" as text) = ${target.keyId} ${ownedBy(target.owner)}`
      : sql`cast(${table}."userId" as text) = ${target.userId}`

  /** The owner and the tokens of the key that is meant, or of all keys of the user, locked until the change commits. */
  const targets = Effect.fnUntraced(function* (target: TokenTarget) {
    const found = yield* keysWithTokens(sql`
      select cast(${table}."id" as text) as "id", cast(${table}."userId" as text) as "userId",
        cast(${table}."serviceTokens" as text) as "tokens"
      from ${table} where ${targeted(target)} order by ${table}."id" ${dialect.forUpdate}`)
    if ("userId" in target) return { userId: target.userId, keys: found }
    const [key] = found
    if (key === undefined) return yield* keyNotFound(target.keyId)
    return { userId: key.userId, keys: found }
  })

  const userExists = Effect.fnUntraced(function* (userId: UserId) {
    const users = isUuid(userId) ? yield* sql`select 1 as found from "users" where "id" = ${uuid(userId)}` : []
    if (users.length === 0) return yield* userNotFound(userId)
  })

  const namesOfUserTokens = (userId: UserId) =>
    Effect.map(
      namesOfUser(sql`
        select ${userTokens.names(`"users"."id"`)} as "tokenNames" from "users"
        where cast("users"."id" as text) = ${userId}`),
      (rows) => rows[0]?.tokenNames ?? []
    )

  const announce = (target: TokenTarget, userId: UserId) =>
    events.publish([{ userId, revoked: false, ...("keyId" in target ? { keyId: target.keyId } : {}) }])

  const grants = sql`(
    select cast(${dialect.list(
      dialect.object({
        id: sql`g."id"`,
        name: sql`g."name"`,
        isActive: sql`g."isActive"`,
        servers: dialect.asJson(`g."servers"`),
        tools: dialect.asJson(`t."tools"`)
      }),
      `g."name", g."id"`
    )} as text)
    from "user_groups" as g left join ${dialect.own("group_tools")} as t on t."groupId" = g."id"
    where g."userId" = "users"."id")`

  const ownerColumns = sql`
    cast("users"."id" as text) as "userId", ${sql.literal(usernameColumn)} as "username", "users"."isAdmin",
    cast(${table}."id" as text) as "keyId", ${table}."name" as "keyName",
    ${millis(`"mcphub_keys"."expiresAt"`)} as "expiresAt", cast(${table}."serviceTokens" as text) as "tokens",
    ${userTokens.stored(`"users"."id"`)} as "userTokens",
    ${grants} as "groups"`

  return HubKeys.of({
    create: Effect.fn("HubKeys.create")(
      function* (options) {
        const name = options.name ?? "MCPHub Key"
        const days = options.days ?? keyDays.usual
        yield* check({ "key name": labelProblem(name), "number of days": daysProblem(days) })
        const key = yield* Effect.provideService(mintKey, SecureRandom.SecureRandom, random)
        const expiresAt = (yield* Clock.currentTimeMillis) + days * millisPerDay
        const row = yield* store({ ...options, name, text: key, expiresAt })
        return { key, row }
      },
      sql.withTransaction,
      orUnavailable
    ),

    insert: Effect.fn("HubKeys.insert")(
      function* (given) {
        yield* check({ "key name": labelProblem(given.name), key: keyTextProblem(given.key) })
        const text = Redacted.value(given.key)
        const [known] = yield* select(sql`where ${table}."keyValue" in (${keyDigest(text)}, ${text})`)
        if (known !== undefined) {
          if (known.userId === given.userId) return known
          return yield* new KeyTaken({ message: "The key belongs to another user; give each user keys of their own" })
        }
        const expiresAt = given.expiresAt ?? (yield* Clock.currentTimeMillis) + keyDays.usual * millisPerDay
        return yield* store({ ...given, text: given.key, expiresAt })
      },
      sql.withTransaction,
      orUnavailable
    ),

    byId: Effect.fn("HubKeys.byId")(function* (id, owner) {
      return yield* one(yield* select(sql`where cast(${table}."id" as text) = ${id} ${ownedBy(owner)}`), id)
    }, orUnavailable),

    listByUser: Effect.fn("HubKeys.listByUser")(
      (userId) => select(sql`where cast(${table}."userId" as text) = ${userId} order by ${table}."createdAt" desc, 1`),
      orUnavailable
    ),

    list: select(sql`order by ${table}."createdAt" desc, 1`).pipe(orUnavailable, Effect.withSpan("HubKeys.list")),

    extend: Effect.fn("HubKeys.extend")(function* (id, days = keyDays.usual, owner) {
      yield* check({ "number of days": daysProblem(days) })
      const expiresAt = (yield* Clock.currentTimeMillis) + days * millisPerDay
      return yield* change(id, owner, sql`"expiresAt" = ${time(expiresAt)}`, false)
    }),

    rename: Effect.fn("HubKeys.rename")(function* (id, name, owner) {
      yield* check({ "key name": labelProblem(name) })
      return yield* change(id, owner, sql`"name" = ${name}`, false)
    }),

    revoke: Effect.fn("HubKeys.revoke")((id, owner) => change(id, owner, sql`"isActive" = false`, true)),

    setTokens: Effect.fn("HubKeys.setTokens")(
      function* (target, tokens) {
        yield* checkTokens(tokens)
        if ("userId" in target) yield* userExists(target.userId)
        const { userId } = yield* targets(target)
        const sealed = yield* sealTokens(credentials, userId, tokens)
        if ("userId" in target) yield* userTokens.merge([{ userId, tokens: sealed }])
        else
          yield* sql`
          update ${table} set "serviceTokens" = ${dialect.withMembers(tokensColumn, json(sealed))},
            "updatedAt" = ${time(yield* Clock.currentTimeMillis)}
          where ${targeted(target)}`
        yield* announce(target, userId)
      },
      sql.withTransaction,
      orUnavailable
    ),

    tokenNames: Effect.fn("HubKeys.tokenNames")(function* (target) {
      const rows = yield* namesOfTokens(sql`
        select ${tokenNames} as "tokenNames" from ${table} where ${targeted(target)}`)
      if ("keyId" in target && rows.length === 0) return yield* keyNotFound(target.keyId)
      const ofUser = "userId" in target ? yield* namesOfUserTokens(target.userId) : []
      return namesOf(ofUser, ...rows.map((row) => row.tokenNames))
    }, orUnavailable),

    userTokenNames: Effect.fn("HubKeys.userTokenNames")(namesOfUserTokens, orUnavailable),

    removeToken: Effect.fn("HubKeys.removeToken")(
      function* (target, name) {
        const { keys, userId } = yield* targets(target)
        const isOnKey = keys.some((key) => typeof key.tokens === "object" && key.tokens !== null && name in key.tokens)
        if ("userId" in target) {
          if (!isOnKey && !(yield* namesOfUserTokens(userId)).includes(name)) return false
          yield* userTokens.remove(userId, name)
          yield* announce(target, userId)
          return true
        }
        if (!isOnKey) return false
        yield* sql`
          update ${table} set "serviceTokens" = ${dialect.withoutMember(tokensColumn, name)},
            "updatedAt" = ${time(yield* Clock.currentTimeMillis)}
          where ${targeted(target)} and ${dialect.isObject(tokensColumn)}`
        yield* announce(target, userId)
        return true
      },
      sql.withTransaction,
      orUnavailable
    ),

    checkSeals: Effect.gen(function* () {
      const ofKeys = yield* keysWithTokens(sql`
        select cast(${table}."id" as text) as "id", cast(${table}."userId" as text) as "userId",
          cast(${table}."serviceTokens" as text) as "tokens"
        from ${table} where ${table}."serviceTokens" is not null limit ${mostSealsChecked}`)
      return yield* checkSeals(credentials, [...ofKeys, ...(yield* userTokens.some(mostSealsChecked))])
    }).pipe(orUnavailable),

    recordUse: Effect.fnUntraced(function* (uses) {
      if (uses.length === 0) return
      const used = dialect.rows("used", uses, usedColumns)
      const at = dialect.timeOf(`used."lastUsedAt"`)
      yield* sql`
        update ${table} set
          "usageCount" = cast(${dialect.least}(cast(${table}."usageCount" as bigint) + used."count", 2147483647) as integer),
          "lastUsedAt" = ${dialect.greatest}(coalesce(${table}."lastUsedAt", ${at}), ${at})
        from ${used} where ${table}."id" = used."keyId"`
    }, orUnavailable),

    principal: (key) => {
      const text = Redacted.value(key)
      if (!isKeyText(text)) return Effect.succeedNone
      return orUnavailable(ownerOf(sql`${table}."keyValue" in (${keyDigest(text)}, ${text})`))
    },

    principalOf: Effect.fn("HubKeys.principalOf")((id) => ownerOf(sql`${table}."id" = ${uuid(id)}`), orUnavailable),

    exist: Effect.fn("HubKeys.exist")(function* (keys) {
      const texts = keys.map((key) => Redacted.value(key)).map((text) => (isKeyText(text) ? text : undefined))
      const asked = texts.flatMap((text) => (text === undefined ? [] : [keyDigest(text), text]))
      const rows = yield* values(sql`
        select ${table}."keyValue" as "value" from ${table}
        where ${dialect.isOneOf(`"mcphub_keys"."keyValue"`, asked)}`)
      const found = new Set(rows.map((row) => row.value))
      return texts.map((text) => text !== undefined && (found.has(keyDigest(text)) || found.has(text)))
    }, orUnavailable),

    unusable: Effect.fn("HubKeys.unusable")(function* (keys) {
      const now = yield* Clock.currentTimeMillis
      const asked = keys.map((key) => key.keyId)
      const rows = yield* ids(sql`
        select cast(${table}."id" as text) as "keyId" ${valid(now)}
          and ${dialect.isOneOf(`"mcphub_keys"."id"`, asked, "uuid")}`)
      const usable = new Set(rows.map((row) => row.keyId))
      return keys.flatMap(({ keyId, userId }) => (usable.has(keyId) ? [] : [{ keyId, userId, revoked: true }]))
    }, orUnavailable)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<HubKeys, never, SqlClient.SqlClient | KeyEvents | Credentials> = Layer.effect(
  HubKeys,
  make
).pipe(Layer.provide(SecureRandom.layerWebCrypto))
