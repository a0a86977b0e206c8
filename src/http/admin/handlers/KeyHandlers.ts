/** The operations on keys and their service tokens, on the domain's services. */
import { Effect, Redacted } from "effect"
import type { HubKey } from "../../../domain/identity/HubKey.ts"
import { HubKeys, type TokenTarget } from "../../../domain/identity/HubKeys.ts"
import { KeyId, type UserId } from "../../../domain/Ids.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { KeyOperations, type KeyView, type TokenView } from "../operations/KeyOperations.ts"
import { asRefusal, OperationRefused } from "../operations/OperationRefused.ts"
import { findUser, iso, usernames } from "./Lookup.ts"
import { sessionEnds } from "./SessionEnds.ts"

const view =
  (nameOf: (id: UserId) => string) =>
  (key: HubKey): KeyView => ({
    id: key.id,
    name: key.name,
    username: nameOf(key.userId),
    isActive: key.isActive,
    createdAt: iso(key.createdAt),
    expiresAt: iso(key.expiresAt),
    lastUsedAt: key.lastUsedAt === null ? null : iso(key.lastUsedAt),
    usageCount: key.usageCount,
    serviceTokens: key.tokenNames
  })

/** One entry per token name with the keys that carry it. */
const tokensOf = (username: string, keys: ReadonlyArray<HubKey>): ReadonlyArray<TokenView> => {
  const names = [...new Set(keys.flatMap((key) => key.tokenNames))].sort()
  return names.map((name) => ({
    name,
    username,
    keyIds: keys.filter((key) => key.tokenNames.includes(name)).map((key) => key.id)
  }))
}

export const KeyHandlers = KeyOperations.toLayer(
  Effect.gen(function* () {
    const users = yield* Users
    const keys = yield* HubKeys
    const ends = yield* sessionEnds

    const shown = (key: HubKey) => Effect.map(users.byId(key.userId), (user) => view(() => user.username)(key))

    /** The keys of a token operation: one of the user's, or all of them. */
    const target = Effect.fnUntraced(function* (user: string, key: string | null) {
      const owner = yield* findUser(users, user)
      const all = yield* keys.listByUser(owner.id)
      const meant = key === null ? all : all.filter((one) => one.id === key)
      if (meant.length === 0) {
        return yield* new OperationRefused({
          kind: "KeyNotFound",
          exitCode: 1,
          message:
            key === null
              ? `${owner.username} has no key to carry a token; create one with \`mcphub key create --user ${owner.username}\``
              : `${owner.username} has no key ${key}; list the keys with \`mcphub key ls --user ${owner.username}\``
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
        if (user === null) return (yield* keys.list).map(view(yield* usernames(users)))
        const owner = yield* findUser(users, user)
        return (yield* keys.listByUser(owner.id)).map(view(() => owner.username))
      }, asRefusal),
      keyExtend: ({ days, key }) => keys.extend(KeyId.make(key), days).pipe(Effect.flatMap(shown), asRefusal),
      keyRevoke: ({ key }) =>
        keys.revoke(KeyId.make(key)).pipe(
          Effect.tap((row) => ends.ofKey(row.id)),
          Effect.flatMap(shown),
          asRefusal
        ),
      tokenSet: Effect.fnUntraced(function* ({ key, name, user, value }) {
        const { at, keyIds, owner } = yield* target(user, key)
        yield* keys.setTokens(at, { [name]: Redacted.make(value, { label: name }) })
        return { name, username: owner.username, keyIds }
      }, asRefusal),
      tokenList: Effect.fnUntraced(function* ({ user }) {
        const owner = yield* findUser(users, user)
        return tokensOf(owner.username, yield* keys.listByUser(owner.id))
      }, asRefusal),
      tokenRemove: Effect.fnUntraced(function* ({ key, name, user }) {
        const { at, keyIds, owner } = yield* target(user, key)
        if (!(yield* keys.removeToken(at, name))) {
          return yield* new OperationRefused({
            kind: "TokenNotFound",
            exitCode: 1,
            message: `${owner.username} has no service token ${name}; list them with \`mcphub token ls --user ${owner.username}\``
          })
        }
        return { name, username: owner.username, keyIds }
      }, asRefusal)
    })
  })
)
