/** The operations on keys and their service tokens, on the domain's services. */
import { Clock, Effect, Redacted } from "effect"
import { type HubKey, keyEnding } from "../../../domain/identity/HubKey.ts"
import { HubKeys, type TokenTarget } from "../../../domain/identity/HubKeys.ts"
import { KeyId, type UserId } from "../../../domain/Ids.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { KeyOperations, type KeyView, type TokenView } from "../operations/KeyOperations.ts"
import { asRefusal, OperationRefused } from "../operations/OperationRefused.ts"
import type { UserRef } from "../operations/UserRef.ts"
import { findUser, iso, ownerOf, usernames } from "./Lookup.ts"
import { sessionEnds } from "./SessionEnds.ts"

const view =
  (nameOf: (id: UserId) => string, now: number) =>
  (key: HubKey): KeyView => ({
    id: key.id,
    name: key.name,
    username: nameOf(key.userId),
    isActive: key.isActive && key.expiresAt > now,
    createdAt: iso(key.createdAt),
    expiresAt: iso(key.expiresAt),
    ending: keyEnding(key, now) ?? null,
    lastUsedAt: key.lastUsedAt === null ? null : iso(key.lastUsedAt),
    usageCount: key.usageCount,
    serviceTokens: key.tokenNames
  })

/** One entry per token name with the keys it comes with. */
const tokensOf = (
  username: string,
  ofUser: ReadonlyArray<string>,
  keys: ReadonlyArray<HubKey>
): ReadonlyArray<TokenView> => {
  const names = [...new Set([...ofUser, ...keys.flatMap((key) => key.tokenNames)])].sort()
  return names.map((name) => ({
    name,
    username,
    ofUser: ofUser.includes(name),
    keyIds: keys.filter((key) => key.tokenNames.includes(name)).map((key) => key.id)
  }))
}

export const KeyHandlers = KeyOperations.toLayer(
  Effect.gen(function* () {
    const users = yield* Users
    const keys = yield* HubKeys
    const ends = yield* sessionEnds

    const shown = Effect.fnUntraced(function* (key: HubKey) {
      const user = yield* users.byId(key.userId)
      return view(() => user.username, yield* Clock.currentTimeMillis)(key)
    })

    /** Whose token an operation means: one key's, or the user's, which comes with all keys. */
    const target = Effect.fnUntraced(function* (user: UserRef, key: string | null) {
      const owner = yield* findUser(users, user)
      const all = yield* keys.listByUser(owner.id)
      const meant = key === null ? all : all.filter((one) => one.id === key)
      if (key !== null && meant.length === 0) {
        return yield* new OperationRefused({
          kind: "KeyNotFound",
          exitCode: 1,
          message: `${owner.username} has no key ${key}; list the keys with \`mcphub key ls --user ${owner.username}\``
        })
      }
      const at: TokenTarget = key === null ? { userId: owner.id } : { keyId: KeyId.make(key), owner: owner.id }
      return { owner, at, keyIds: meant.map((one) => one.id) }
    })

    return KeyOperations.of({
      keyCreate: Effect.fnUntraced(function* ({ days, name, user }) {
        const owner = yield* findUser(users, user)
        const made = yield* keys.create({
          userId: owner.id,
          name: name ?? undefined,
          days: days ?? undefined
        })
        return {
          key: Redacted.value(made.key),
          id: made.row.id,
          expiresAt: iso(made.row.expiresAt),
          name: made.row.name,
          username: owner.username
        }
      }, asRefusal),
      keyList: Effect.fnUntraced(function* ({ user }) {
        const now = yield* Clock.currentTimeMillis
        if (user === null) return (yield* keys.list).map(view(yield* usernames(users), now))
        const owner = yield* findUser(users, user)
        return (yield* keys.listByUser(owner.id)).map(view(() => owner.username, now))
      }, asRefusal),
      keyShow: ({ key, owner }) => keys.byId(KeyId.make(key), ownerOf(owner)).pipe(Effect.flatMap(shown), asRefusal),
      keyRename: ({ key, name, owner }) =>
        keys.rename(KeyId.make(key), name, ownerOf(owner)).pipe(Effect.flatMap(shown), asRefusal),
      keyExtend: ({ days, key, owner }) =>
        keys.extend(KeyId.make(key), days, ownerOf(owner)).pipe(Effect.flatMap(shown), asRefusal),
      keyRevoke: ({ key, owner }) =>
        keys.revoke(KeyId.make(key), ownerOf(owner)).pipe(
          Effect.tap((row) => ends.ofKey(row.id)),
          Effect.flatMap(shown),
          asRefusal
        ),
      tokenSet: Effect.fnUntraced(function* ({ key, name, user, value }) {
        const { at, keyIds, owner } = yield* target(user, key)
        yield* keys.setTokens(at, { [name]: Redacted.make(value, { label: name }) })
        return { name, username: owner.username, ofUser: key === null, keyIds }
      }, asRefusal),
      tokenList: Effect.fnUntraced(function* ({ user }) {
        const owner = yield* findUser(users, user)
        const ofUser = yield* keys.userTokenNames(owner.id)
        return tokensOf(owner.username, ofUser, yield* keys.listByUser(owner.id))
      }, asRefusal),
      tokenCheck: () => asRefusal(keys.checkSeals),
      tokenRemove: Effect.fnUntraced(function* ({ key, name, user }) {
        const { at, keyIds, owner } = yield* target(user, key)
        if (!(yield* keys.removeToken(at, name))) {
          return yield* new OperationRefused({
            kind: "TokenNotFound",
            exitCode: 1,
            message: `${owner.username} has no service token ${name}; list them with \`mcphub token ls --user ${owner.username}\``
          })
        }
        return { name, username: owner.username, ofUser: key === null, keyIds }
      }, asRefusal)
    })
  })
)
