/**
 * MCPHub keys in memory; behaves as HubKeysSql, tokens sealed alike.
 */
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { Credentials } from "../../identity/Credentials.ts"
import { type HubKey, isKeyText, keyDays, keyDigest, millisPerDay, mintKey } from "../../identity/HubKey.ts"
import { HubKeys, type TokenTarget } from "../../identity/HubKeys.ts"
import { KeyId, type UserId } from "../../Ids.ts"
import { keyNotFound, KeyTaken, userNotFound } from "../../identity/IdentityErrors.ts"
import { check, checkTokens, daysProblem, keyTextProblem, labelProblem } from "../../identity/IdentityRules.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { byText, type MemoryKey, MemoryStore, mergeUserTokens, takeFromKeys } from "./MemoryStore.ts"
import { checkSeals, openTokens, sealTokens } from "../../identity/ServiceTokens.ts"

const make = Effect.gen(function* () {
  const store = yield* MemoryStore
  const events = yield* KeyEvents
  const credentials = yield* Credentials
  const random = yield* SecureRandom.SecureRandom

  const toKey = ({ digest: _digest, tokens, ...key }: MemoryKey): HubKey => ({
    ...key,
    tokenNames: Object.keys({ ...store.userTokens.get(key.userId), ...tokens }).sort()
  })

  const find = (id: KeyId, owner: UserId | undefined) => {
    const key = store.keys.get(id)
    return key === undefined || (owner !== undefined && key.userId !== owner)
      ? Effect.fail(keyNotFound(id))
      : Effect.succeed(key)
  }

  const change = Effect.fnUntraced(function* (
    id: KeyId,
    owner: UserId | undefined,
    fields: Partial<MemoryKey>,
    revoked: boolean
  ) {
    const key = { ...(yield* find(id, owner)), ...fields }
    store.keys.set(id, key)
    yield* events.publish([{ userId: key.userId, keyId: id, revoked }])
    return toKey(key)
  })

  const add = Effect.fnUntraced(function* (
    userId: UserId,
    name: string,
    description: string | undefined,
    text: Redacted.Redacted<string>,
    expiresAt: number
  ) {
    if (!store.users.has(userId)) return yield* userNotFound(userId)
    const key: MemoryKey = {
      id: KeyId.make(yield* random.uuidV4()),
      userId,
      name,
      description: description ?? null,
      isActive: true,
      expiresAt,
      lastUsedAt: null,
      usageCount: 0,
      createdAt: yield* Clock.currentTimeMillis,
      digest: keyDigest(Redacted.value(text)),
      tokens: {}
    }
    store.keys.set(key.id, key)
    yield* events.publish([{ userId, keyId: key.id, revoked: false }])
    return toKey(key)
  })

  const byDigest = (digest: string) => [...store.keys.values()].find((key) => key.digest === digest)

  const newestFirst = (keys: Iterable<MemoryKey>): ReadonlyArray<HubKey> =>
    [...keys].map(toKey).sort((a, b) => b.createdAt - a.createdAt || byText<HubKey>((key) => key.id)(a, b))

  const targets = Effect.fnUntraced(function* (target: TokenTarget) {
    if ("keyId" in target) return [yield* find(target.keyId, target.owner)]
    return [...store.keys.values()].filter((key) => key.userId === target.userId)
  })

  const userTokenNames = (userId: UserId) => Effect.sync(() => Object.keys(store.userTokens.get(userId) ?? {}).sort())

  const usable = (key: MemoryKey | undefined, now: number) =>
    key !== undefined && key.isActive && key.expiresAt > now && store.users.get(key.userId)?.isActive === true

  const ownerOf = Effect.fnUntraced(function* (key: MemoryKey | undefined) {
    const user = key === undefined ? undefined : store.users.get(key.userId)
    if (key === undefined || user === undefined || !usable(key, yield* Clock.currentTimeMillis)) return Option.none()
    return Option.some({
      userId: user.id,
      username: user.username,
      isAdmin: user.isAdmin,
      keyId: key.id,
      keyName: key.name,
      expiresAt: key.expiresAt,
      groups: [...store.groups.values()]
        .filter((group) => group.userId === user.id)
        .sort(byText((group) => group.name))
        .map(({ id, isActive, name, servers, tools }) => ({ id, name, isActive, servers, tools })),
      ...(yield* openTokens(credentials, user.id, store.userTokens.get(user.id), key.tokens))
    })
  })

  return HubKeys.of({
    create: Effect.fn("HubKeys.create")(function* (options) {
      const name = options.name ?? "MCPHub Key"
      const days = options.days ?? keyDays.usual
      yield* check({ "key name": labelProblem(name), "number of days": daysProblem(days) })
      const key = yield* Effect.provideService(mintKey, SecureRandom.SecureRandom, random)
      const expiresAt = (yield* Clock.currentTimeMillis) + days * millisPerDay
      return { key, row: yield* add(options.userId, name, options.description, key, expiresAt) }
    }),

    insert: Effect.fn("HubKeys.insert")(function* (given) {
      yield* check({ "key name": labelProblem(given.name), key: keyTextProblem(given.key) })
      const known = byDigest(keyDigest(Redacted.value(given.key)))
      if (known?.userId === given.userId) return toKey(known)
      if (known !== undefined) {
        return yield* new KeyTaken({ message: "The key belongs to another user; give each user keys of their own" })
      }
      const expiresAt = given.expiresAt ?? (yield* Clock.currentTimeMillis) + keyDays.usual * millisPerDay
      return yield* add(given.userId, given.name, undefined, given.key, expiresAt)
    }),

    byId: Effect.fn("HubKeys.byId")((id, owner) => Effect.map(find(id, owner), toKey)),

    listByUser: Effect.fn("HubKeys.listByUser")((userId) =>
      Effect.sync(() => newestFirst([...store.keys.values()].filter((key) => key.userId === userId)))
    ),

    list: Effect.sync(() => newestFirst(store.keys.values())),

    extend: Effect.fn("HubKeys.extend")(function* (id, days = keyDays.usual, owner) {
      yield* check({ "number of days": daysProblem(days) })
      const expiresAt = (yield* Clock.currentTimeMillis) + days * millisPerDay
      return yield* change(id, owner, { expiresAt }, false)
    }),

    rename: Effect.fn("HubKeys.rename")(function* (id, name, owner) {
      yield* check({ "key name": labelProblem(name) })
      return yield* change(id, owner, { name }, false)
    }),

    revoke: Effect.fn("HubKeys.revoke")((id, owner) => change(id, owner, { isActive: false }, true)),

    setTokens: Effect.fn("HubKeys.setTokens")(function* (target, tokens) {
      yield* checkTokens(tokens)
      if ("userId" in target) {
        const { userId } = target
        if (!store.users.has(userId)) return yield* userNotFound(userId)
        mergeUserTokens(store, userId, yield* sealTokens(credentials, userId, tokens))
        return yield* events.publish([{ userId, revoked: false }])
      }
      const key = yield* find(target.keyId, target.owner)
      const sealed = yield* sealTokens(credentials, key.userId, tokens)
      yield* change(key.id, target.owner, { tokens: { ...key.tokens, ...sealed } }, false)
    }),

    tokenNames: Effect.fn("HubKeys.tokenNames")(function* (target) {
      const keys = yield* targets(target)
      const ofUser = "userId" in target ? yield* userTokenNames(target.userId) : []
      return [...new Set([...ofUser, ...keys.flatMap((key) => Object.keys(key.tokens))])].sort()
    }),

    userTokenNames: Effect.fn("HubKeys.userTokenNames")(userTokenNames),

    removeToken: Effect.fn("HubKeys.removeToken")(function* (target, name) {
      const keys = yield* targets(target)
      const isOnKey = keys.some((key) => Object.hasOwn(key.tokens, name))
      if ("keyId" in target) {
        if (!isOnKey) return false
        const { [name]: _removed, ...others } = keys[0]!.tokens
        yield* change(target.keyId, target.owner, { tokens: others }, false)
        return true
      }
      const { userId } = target
      const { [name]: had, ...others } = store.userTokens.get(userId) ?? {}
      if (!isOnKey && had === undefined) return false
      store.userTokens.set(userId, others)
      takeFromKeys(store, userId, [name])
      yield* events.publish([{ userId, revoked: false }])
      return true
    }),

    checkSeals: Effect.suspend(() =>
      checkSeals(credentials, [
        ...store.keys.values(),
        ...[...store.userTokens].map(([userId, tokens]) => ({ userId, tokens }))
      ])
    ),

    recordUse: Effect.fn("HubKeys.recordUse")((uses) =>
      Effect.sync(() => {
        for (const use of uses) {
          const key = store.keys.get(use.keyId)
          if (key === undefined) continue
          const lastUsedAt = Math.max(key.lastUsedAt ?? 0, use.lastUsedAt)
          store.keys.set(key.id, { ...key, usageCount: key.usageCount + use.count, lastUsedAt })
        }
      })
    ),

    principal: Effect.fn("HubKeys.principal")((presented) => {
      const text = Redacted.value(presented)
      return ownerOf(isKeyText(text) ? byDigest(keyDigest(text)) : undefined)
    }),

    principalOf: Effect.fn("HubKeys.principalOf")((id) => Effect.suspend(() => ownerOf(store.keys.get(id)))),

    exist: (keys) =>
      Effect.sync(() =>
        keys.map((key) => {
          const text = Redacted.value(key)
          return isKeyText(text) && byDigest(keyDigest(text)) !== undefined
        })
      ),

    unusable: Effect.fn("HubKeys.unusable")(function* (keys) {
      const now = yield* Clock.currentTimeMillis
      return keys.flatMap(({ keyId, userId }) =>
        usable(store.keys.get(keyId), now) ? [] : [{ keyId, userId, revoked: true }]
      )
    })
  })
})

export const layer: Layer.Layer<HubKeys, never, MemoryStore | KeyEvents | Credentials> = Layer.effect(
  HubKeys,
  make
).pipe(Layer.provide(SecureRandom.layerWebCrypto))
