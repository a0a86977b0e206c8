/**
 * MCPHub keys in the `mcphub_keys` table, as the old hub made it or as the migrations do.
 *
 * `keyValue` holds the digest of a key, or its text where an old hub wrote the row; one statement looks for both.
 * `serviceTokens` holds sealed values, or plaintext of an old hub, by token name.
 */
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { SqlClient, type Statement } from "effect/sql"
import { Credentials } from "../../identity/Credentials.ts"
import { type HubKey, isKeyText, keyDays, keyDigest, millisPerDay, mintKey } from "../../identity/HubKey.ts"
import { HubKeys, type TokenTarget } from "../../identity/HubKeys.ts"
import { type GroupId, isUuid, KeyId, type UserId } from "../../Ids.ts"
import { KeyNotFound, keyNotFound, KeyTaken, userNotFound } from "../../identity/IdentityErrors.ts"
import { check, checkTokens, daysProblem, keyTextProblem, labelProblem } from "../../identity/IdentityRules.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { jsonb, millis, orUnavailable, serversFrom, time } from "./LegacyColumns.ts"
import type { Principal } from "../../identity/Principal.ts"
import { openTokens, sealTokens } from "../../identity/ServiceTokens.ts"
import { usernameColumn } from "./UsersSql.ts"

interface PrincipalRow extends Omit<Principal, "groups" | "serviceTokens"> {
  readonly tokens: unknown
  readonly groups: ReadonlyArray<{
    readonly id: GroupId
    readonly name: string | null
    readonly isActive: boolean
    readonly servers: unknown
    readonly tools: ReadonlyArray<string> | null
  }>
}

type StoredKey = Omit<HubKey, "tokenNames"> & { readonly tokenNames: ReadonlyArray<string> | null }

const toKey = (row: StoredKey): HubKey => ({ ...row, tokenNames: row.tokenNames ?? [] })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* KeyEvents
  const credentials = yield* Credentials
  const random = yield* SecureRandom.SecureRandom

  const tokenNames = sql.literal(`case when jsonb_typeof(k."serviceTokens") = 'object' then
    (select jsonb_agg(name order by name collate "C") from jsonb_each_text(k."serviceTokens") as tokens(name, value)
    where value <> '') end`)

  const columns = sql`
    k."id"::text as "id", k."userId"::text as "userId", k."name", k."description", k."isActive",
    ${millis(sql, `k."expiresAt"`)} as "expiresAt", ${millis(sql, `k."lastUsedAt"`)} as "lastUsedAt",
    k."usageCount", ${tokenNames} as "tokenNames", ${millis(sql, `k."createdAt"`)} as "createdAt"`

  const ownedBy = (owner: UserId | undefined) => (owner === undefined ? sql`` : sql`and k."userId"::text = ${owner}`)

  const one = (rows: ReadonlyArray<StoredKey>, id: KeyId) =>
    rows[0] === undefined ? Effect.fail(keyNotFound(id)) : Effect.succeed(toKey(rows[0]))

  /** Changes one key and announces it. */
  const change = (id: KeyId, owner: UserId | undefined, assignment: Statement.Fragment, revoked: boolean) =>
    Effect.gen(function* () {
      if (!isUuid(id)) return yield* keyNotFound(id)
      const now = yield* Clock.currentTimeMillis
      const rows = yield* sql<StoredKey>`
        update "mcphub_keys" as k set ${assignment}, "updatedAt" = ${time(sql, now)}
        where k."id" = ${id}::uuid ${ownedBy(owner)} returning ${columns}`
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
    const now = time(sql, yield* Clock.currentTimeMillis)
    const rows = yield* sql<StoredKey>`
      insert into "mcphub_keys" as k
        ("id", "keyValue", "name", "description", "userId", "isActive", "expiresAt", "usageCount", "createdAt", "updatedAt")
      select ${id}::uuid, ${keyDigest(Redacted.value(key.text))}, ${key.name}, ${key.description ?? null}::text, u."id",
        true, ${time(sql, key.expiresAt)}, 0, ${now}, ${now}
      from "users" as u where u."id" = ${key.userId}::uuid
      returning ${columns}`
    if (rows[0] === undefined) return yield* userNotFound(key.userId)
    const row = toKey(rows[0])
    // A guess at this key may be remembered as unknown.
    yield* events.publish([{ userId: row.userId, keyId: row.id, revoked: false }])
    return row
  })

  const targeted = (target: TokenTarget) =>
    "keyId" in target
      ? sql`k."id"::text = ${target.keyId} ${ownedBy(target.owner)}`
      : sql`k."userId"::text = ${target.userId}`

  const nothingTargeted = (target: TokenTarget) =>
    "keyId" in target
      ? keyNotFound(target.keyId)
      : new KeyNotFound({ message: "The user has no key to carry tokens; make one with `mcphub key create`" })

  /** The keys of a target, locked until the change of their tokens commits. */
  const targets = Effect.fnUntraced(function* (target: TokenTarget) {
    const keys = yield* sql<{ readonly id: KeyId; readonly userId: UserId; readonly tokens: unknown }>`
      select k."id"::text as id, k."userId"::text as "userId", k."serviceTokens" as tokens from "mcphub_keys" as k
      where ${targeted(target)} order by k."id" for update`
    const [first] = keys
    if (first === undefined) return yield* nothingTargeted(target)
    return { userId: first.userId, keys }
  })

  const announce = (target: TokenTarget, userId: UserId) =>
    events.publish([{ userId, revoked: false, ...("keyId" in target ? { keyId: target.keyId } : {}) }])

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
        const known = yield* sql<StoredKey>`
        select ${columns} from "mcphub_keys" as k where k."keyValue" in (${keyDigest(text)}, ${text})`
        if (known[0] !== undefined) {
          if (known[0].userId === given.userId) return toKey(known[0])
          return yield* new KeyTaken({ message: "The key belongs to another user; give each user keys of their own" })
        }
        const expiresAt = given.expiresAt ?? (yield* Clock.currentTimeMillis) + keyDays.usual * millisPerDay
        return yield* store({ ...given, text: given.key, expiresAt })
      },
      sql.withTransaction,
      orUnavailable
    ),

    byId: Effect.fn("HubKeys.byId")(function* (id, owner) {
      return yield* one(
        yield* sql<StoredKey>`select ${columns} from "mcphub_keys" as k where k."id"::text = ${id} ${ownedBy(owner)}`,
        id
      )
    }, orUnavailable),

    listByUser: Effect.fn("HubKeys.listByUser")(function* (userId) {
      const rows = yield* sql<StoredKey>`
        select ${columns} from "mcphub_keys" as k where k."userId"::text = ${userId} order by k."createdAt" desc, 1`
      return rows.map(toKey)
    }, orUnavailable),

    list: sql<StoredKey>`select ${columns} from "mcphub_keys" as k order by k."createdAt" desc, 1`.pipe(
      Effect.map((rows) => rows.map(toKey)),
      orUnavailable,
      Effect.withSpan("HubKeys.list")
    ),

    extend: Effect.fn("HubKeys.extend")(function* (id, days = keyDays.usual, owner) {
      yield* check({ "number of days": daysProblem(days) })
      const expiresAt = (yield* Clock.currentTimeMillis) + days * millisPerDay
      return yield* change(id, owner, sql`"expiresAt" = ${time(sql, expiresAt)}`, false)
    }),

    rename: Effect.fn("HubKeys.rename")(function* (id, name, owner) {
      yield* check({ "key name": labelProblem(name) })
      return yield* change(id, owner, sql`"name" = ${name}`, false)
    }),

    revoke: Effect.fn("HubKeys.revoke")((id, owner) => change(id, owner, sql`"isActive" = false`, true)),

    setTokens: Effect.fn("HubKeys.setTokens")(
      function* (target, tokens) {
        yield* checkTokens(tokens)
        const { userId } = yield* targets(target)
        const sealed = yield* sealTokens(credentials, userId, tokens)
        yield* sql`
        update "mcphub_keys" as k set "serviceTokens" =
          case when jsonb_typeof(k."serviceTokens") = 'object' then k."serviceTokens" else '{}' end || ${jsonb(sql, sealed)},
          "updatedAt" = ${time(sql, yield* Clock.currentTimeMillis)}
        where ${targeted(target)}`
        yield* announce(target, userId)
      },
      sql.withTransaction,
      orUnavailable
    ),

    tokenNames: Effect.fn("HubKeys.tokenNames")(function* (target) {
      const rows = yield* sql<{ readonly tokenNames: ReadonlyArray<string> | null }>`
        select ${tokenNames} as "tokenNames" from "mcphub_keys" as k where ${targeted(target)}`
      if (rows.length === 0) return yield* nothingTargeted(target)
      return [...new Set(rows.flatMap((row) => row.tokenNames ?? []))].sort()
    }, orUnavailable),

    removeToken: Effect.fn("HubKeys.removeToken")(
      function* (target, name) {
        const { keys, userId } = yield* targets(target)
        const had = keys.some((key) => typeof key.tokens === "object" && key.tokens !== null && name in key.tokens)
        if (!had) return false
        yield* sql`
        update "mcphub_keys" as k set "serviceTokens" = k."serviceTokens" - ${name}::text,
          "updatedAt" = ${time(sql, yield* Clock.currentTimeMillis)}
        where ${targeted(target)} and jsonb_typeof(k."serviceTokens") = 'object'`
        yield* announce(target, userId)
        return true
      },
      sql.withTransaction,
      orUnavailable
    ),

    recordUse: Effect.fn("HubKeys.recordUse")(function* (uses) {
      if (uses.length === 0) return
      yield* sql`
        update "mcphub_keys" as k set
          "usageCount" = least(k."usageCount"::bigint + used."count", 2147483647)::integer,
          "lastUsedAt" = greatest(k."lastUsedAt", to_timestamp(used."lastUsedAt" / 1000) at time zone 'UTC')
        from jsonb_to_recordset(${jsonb(sql, uses)}) as used("keyId" uuid, "count" bigint, "lastUsedAt" float8)
        where k."id" = used."keyId"`
    }, orUnavailable),

    principal: Effect.fn("HubKeys.principal")(function* (key) {
      const text = Redacted.value(key)
      if (!isKeyText(text)) return Option.none()
      const now = yield* Clock.currentTimeMillis
      const rows = yield* sql<PrincipalRow>`
        select u."id"::text as "userId", ${sql.literal(usernameColumn)} as "username", u."isAdmin",
          k."id"::text as "keyId", k."name" as "keyName", ${millis(sql, `k."expiresAt"`)} as "expiresAt",
          k."serviceTokens" as "tokens",
          (select coalesce(jsonb_agg(jsonb_build_object('id', g."id", 'name', g."name", 'isActive', g."isActive",
              'servers', to_jsonb(g."servers"), 'tools', t."tools") order by g."name", g."id"), '[]')
            from "user_groups" as g left join "mcphub_hub"."group_tools" as t on t."groupId" = g."id"
            where g."userId" = u."id") as "groups"
        from "mcphub_keys" as k join "users" as u on u."id" = k."userId"
        where k."keyValue" in (${keyDigest(text)}, ${text}) and k."isActive" and u."isActive"
          and k."expiresAt" > ${time(sql, now)}
        limit 1`
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
          servers: serversFrom(group.servers),
          ...(group.tools === null ? {} : { tools: group.tools })
        })),
        serviceTokens: yield* openTokens(credentials, row.userId, row.tokens)
      })
    }, orUnavailable),

    exist: Effect.fn("HubKeys.exist")(function* (keys) {
      const texts = keys.map((key) => Redacted.value(key)).map((text) => (isKeyText(text) ? text : undefined))
      const asked = texts.flatMap((text) => (text === undefined ? [] : [keyDigest(text), text]))
      const rows = yield* sql<{ readonly value: string }>`
        select k."keyValue" as "value" from "mcphub_keys" as k
        where k."keyValue" in (select jsonb_array_elements_text(${jsonb(sql, asked)}))`
      const found = new Set(rows.map((row) => row.value))
      return texts.map((text) => text !== undefined && (found.has(keyDigest(text)) || found.has(text)))
    }, orUnavailable),

    unusable: Effect.fn("HubKeys.unusable")(function* (keys) {
      const now = yield* Clock.currentTimeMillis
      const rows = yield* sql<{ readonly keyId: KeyId }>`
        select k."id"::text as "keyId" from "mcphub_keys" as k join "users" as u on u."id" = k."userId"
        where k."isActive" and u."isActive" and k."expiresAt" > ${time(sql, now)} and k."id" in
          (select id::uuid from jsonb_array_elements_text(${jsonb(
            sql,
            keys.map((key) => key.keyId)
          )}) as asked(id))`
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
