/**
 * MCPHub keys in memory; behaves as HubKeysSql, tokens sealed alike.
 */
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { Credentials } from "../../identity/Credentials.ts"
import { type HubKey, isKeyText, keyDays, keyDigest, millisPerDay, mintKey } from "../../identity/HubKey.ts"
import { HubKeys, type TokenTarget } from "../../identity/HubKeys.ts"
import { KeyId, type UserId } from "../../Ids.ts"
import { KeyNotFound, keyNotFound, KeyTaken, userNotFound } from "../../identity/IdentityErrors.ts"
import { check, checkTokens, daysProblem, keyTextProblem, labelProblem } from "../../identity/IdentityRules.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { byText, type MemoryKey, MemoryStore } from "./MemoryStore.ts"
import { openTokens, sealTokens } from "../../identity/ServiceTokens.ts"

const toKey = ({ digest: _digest, tokens, ...key }: MemoryKey): HubKey => ({
  ...key,
  tokenNames: Object.keys(tokens).sort()
})

const make = Effect.gen(function* () {
  const store = yield* MemoryStore
  const events = yield* KeyEvents
  const credentials = yield* Credentials
  const random = yield* SecureRandom.SecureRandom

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
    const keys = [...store.keys.values()].filter((key) => key.userId === target.userId)
    if (keys.length > 0) return keys
    return yield* new KeyNotFound({ message: "The user has no key to carry tokens; make one with `mcphub key create`" })
  })

  const replaceTokens = Effect.fnUntraced(function* (
    target: TokenTarget,
    keys: ReadonlyArray<MemoryKey>,
    tokens: (key: MemoryKey) => Readonly<Record<string, string>>
  ) {
    for (const key of keys) store.keys.set(key.id, { ...key, tokens: tokens(key) })
    const userId = keys[0]?.userId
    if (userId === undefined) return
    yield* events.publish([{ userId, revoked: false, ...("keyId" in target ? { keyId: target.keyId } : {}) }])
  })

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
      serviceTokens: yield* openTokens(credentials, user.id, key.tokens)
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
      const keys = yield* targets(target)
      const sealed = keys[0] === undefined ? {} : yield* sealTokens(credentials, keys[0].userId, tokens)
      yield* replaceTokens(target, keys, (key) => ({ ...key.tokens, ...sealed }))
    }),

    tokenNames: Effect.fn("HubKeys.tokenNames")((target) =>
      Effect.map(targets(target), (keys) => [...new Set(keys.flatMap((key) => Object.keys(key.tokens)))].sort())
    ),

    removeToken: Effect.fn("HubKeys.removeToken")(function* (target, name) {
      const keys = yield* targets(target)
      if (!keys.some((key) => name in key.tokens)) return false
      yield* replaceTokens(target, keys, ({ tokens: { [name]: _removed, ...others } }) => others)
      return true
    }),

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
