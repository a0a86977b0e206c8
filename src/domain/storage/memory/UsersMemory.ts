/**
 * Users in memory; behaves as UsersSql.
 */
import { Clock, Effect, Layer, Option, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { UserId } from "../../Ids.ts"
import { InvalidValue, usernameTaken, userNotFound } from "../../identity/IdentityErrors.ts"
import { check, idProblem, usernameProblem } from "../../identity/IdentityRules.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { byText, MemoryStore, type MemoryUser, shutOut, toUser } from "./MemoryStore.ts"
import { lookOf } from "../../identity/User.ts"
import { Users } from "../../identity/Users.ts"

const make = Effect.gen(function* () {
  const store = yield* MemoryStore
  const events = yield* KeyEvents
  const random = yield* SecureRandom.SecureRandom

  const find = (id: UserId) => {
    const user = store.users.get(id)
    return user === undefined ? Effect.fail(userNotFound(id)) : Effect.succeed(user)
  }

  const named = (username: string) => [...store.users.values()].find((user) => user.username === username)

  const isTaken = (username: string) =>
    [...store.users.values()].some((user) => lookOf(user.username) === lookOf(username))

  const change = Effect.fnUntraced(function* (id: UserId, fields: Partial<MemoryUser>, revoked: boolean) {
    const user = { ...(yield* find(id)), ...fields }
    store.users.set(id, user)
    if (revoked) shutOut(store, id)
    yield* events.publish([{ userId: id, revoked }])
    return toUser(user)
  })

  return Users.of({
    add: Effect.fn("Users.add")(function* (user) {
      yield* check({ username: usernameProblem(user.username), id: user.id && idProblem(user.id) })
      const id = user.id ?? UserId.make(yield* random.uuidV4())
      if (isTaken(user.username) || store.users.has(id)) return yield* usernameTaken(user.username)
      const row: MemoryUser = {
        id,
        username: user.username,
        displayName: user.displayName ?? null,
        email: user.email ?? null,
        isAdmin: user.isAdmin ?? false,
        isActive: true,
        lastLoginAt: null,
        createdAt: yield* Clock.currentTimeMillis
      }
      store.users.set(id, row)
      return toUser(row)
    }),

    byId: Effect.fn("Users.byId")((id) => Effect.map(find(id), toUser)),

    byName: Effect.fn("Users.byName")(function* (username) {
      const user = named(username)
      return user === undefined ? yield* userNotFound(username) : toUser(user)
    }),

    byGithubId: Effect.fn("Users.byGithubId")(function* (githubId) {
      const user = [...store.users.values()].find((one) => one.githubId === githubId)
      return user === undefined ? yield* userNotFound(githubId) : toUser(user)
    }),

    list: Effect.sync(() => [...store.users.values()].map(toUser).sort(byText((user) => user.username))),

    remove: Effect.fn("Users.remove")(function* (id) {
      yield* find(id)
      store.users.delete(id)
      store.userTokens.delete(id)
      store.roles.delete(id)
      shutOut(store, id)
      for (const [person, userId] of store.externalUsers) if (userId === id) store.externalUsers.delete(person)
      for (const key of store.keys.values()) if (key.userId === id) store.keys.delete(key.id)
      for (const group of store.groups.values()) if (group.userId === id) store.groups.delete(group.id)
      yield* events.publish([{ userId: id, revoked: true }])
    }),

    setActive: Effect.fn("Users.setActive")((id, isActive) => change(id, { isActive }, !isActive)),

    setAdmin: Effect.fn("Users.setAdmin")(function* (id, isAdmin) {
      if ((yield* find(id)).isAdmin !== isAdmin) store.roles.delete(id)
      return yield* change(id, { isAdmin }, false)
    }),

    passwordDigest: Effect.fn("Users.passwordDigest")((id) =>
      Effect.map(find(id), (user) =>
        Option.map(Option.fromNullishOr(user.passwordDigest), (digest) => Redacted.make(digest))
      )
    ),

    setPasswordDigest: Effect.fn("Users.setPasswordDigest")((id, digest) =>
      Effect.asVoid(change(id, { passwordDigest: Redacted.value(digest) }, false))
    ),

    recordLogin: Effect.fn("Users.recordLogin")(function* (id) {
      const user = store.users.get(id)
      if (user !== undefined) store.users.set(id, { ...user, lastLoginAt: yield* Clock.currentTimeMillis })
    }),

    fromGithub: Effect.fn("Users.fromGithub")(function* (profile) {
      yield* check({ "GitHub name": usernameProblem(profile.login) })
      const now = yield* Clock.currentTimeMillis
      const same = named(profile.login)
      const known = [...store.users.values()].find((user) => user.githubId === profile.githubId)
      const isAnothers = same !== undefined && same.githubId !== profile.githubId
      if (isAnothers || (known === undefined && isTaken(profile.login))) {
        return yield* new InvalidValue({
          field: "GitHub name",
          message: `Another user is named "${profile.login}"; an admin must remove or rename that user before this sign-in`
        })
      }
      const row: MemoryUser = {
        id: UserId.make(yield* random.uuidV4()),
        username: profile.login,
        isAdmin: false,
        isActive: true,
        createdAt: now,
        ...known,
        githubId: profile.githubId,
        displayName: profile.displayName ?? known?.displayName ?? null,
        email: profile.email ?? known?.email ?? null,
        lastLoginAt: now
      }
      store.users.set(row.id, row)
      return toUser(row)
    })
  })
})

export const layer: Layer.Layer<Users, never, MemoryStore | KeyEvents> = Layer.effect(Users, make).pipe(
  Layer.provide(SecureRandom.layerWebCrypto)
)
