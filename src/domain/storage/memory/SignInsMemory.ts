/**
 * Sign-ins, one-time codes, roles and users of other issuers in memory; behave as SignInsSql and RolesSql.
 */
import { randomUUID } from "node:crypto"
import { Clock, Effect, Layer, Option, type Redacted } from "effect"
import { SignInId, type UserId } from "../../Ids.ts"
import { ExternalUsers } from "../../identity/ExternalUsers.ts"
import { userNotFound } from "../../identity/IdentityErrors.ts"
import { Roles } from "../../identity/Roles.ts"
import { SignInCodes, validMs } from "../../identity/SignInCodes.ts"
import {
  csrfOf,
  endOf,
  mintSecret,
  mostPerUser,
  secretDigest,
  seenEveryMs,
  signInNotFound,
  SignIns,
  userAgentText
} from "../../identity/SignIns.ts"
import { MemoryStore, type MemorySignIn, toUser } from "./MemoryStore.ts"

const signIns = Effect.gen(function* () {
  const { codes, roles, signIns, users } = yield* MemoryStore

  const ofUser = (userId: UserId): ReadonlyArray<MemorySignIn> =>
    [...signIns.values()]
      .filter((row) => row.userId === userId)
      .sort((a, b) => b.lastSeenAt - a.lastSeenAt || (a.id < b.id ? -1 : 1))

  const shown = ({ digest: _digest, ...signIn }: MemorySignIn) => signIn

  return SignIns.of({
    open: Effect.fn("SignIns.open")(function* ({ userAgent, userId, way }) {
      if (users.get(userId)?.isActive !== true) return yield* userNotFound(userId)
      const now = yield* Clock.currentTimeMillis
      const cookie = mintSecret("signin")
      const row: MemorySignIn = {
        digest: secretDigest(cookie),
        id: SignInId.make(randomUUID()),
        userId,
        way,
        userAgent: userAgentText(userAgent),
        createdAt: now,
        lastSeenAt: now,
        expiresAt: endOf({ createdAt: now }, now)
      }
      for (const { digest } of ofUser(userId).slice(mostPerUser - 1)) signIns.delete(digest)
      signIns.set(row.digest, row)
      return { signIn: shown(row), cookie }
    }),

    viewer: Effect.fn("SignIns.viewer")(function* (cookie) {
      const now = yield* Clock.currentTimeMillis
      const row = signIns.get(secretDigest(cookie))
      if (row === undefined || row.expiresAt <= now) return Option.none()
      const user = users.get(row.userId)
      if (user?.isActive !== true) return Option.none()
      if (now - row.lastSeenAt >= seenEveryMs) {
        signIns.set(row.digest, { ...row, lastSeenAt: now, expiresAt: endOf(row, now) })
      }
      return Option.some({
        signInId: row.id,
        userId: user.id,
        username: user.username,
        isAdmin: user.isAdmin,
        role: roles.get(user.id) ?? "user",
        csrf: csrfOf(cookie)
      })
    }),

    listByUser: Effect.fn("SignIns.listByUser")(function* (userId) {
      const now = yield* Clock.currentTimeMillis
      return ofUser(userId)
        .filter((row) => row.expiresAt > now)
        .map(shown)
    }),

    revoke: Effect.fn("SignIns.revoke")(function* (userId, id) {
      const row = ofUser(userId).find((one) => one.id === id)
      if (row === undefined) return yield* signInNotFound(id)
      signIns.delete(row.digest)
    }),

    revokeAll: Effect.fn("SignIns.revokeAll")((userId, except) =>
      Effect.sync(() => {
        const gone = ofUser(userId).filter(({ id }) => id !== except)
        for (const { digest } of gone) signIns.delete(digest)
        return gone.length
      })
    ),

    sweep: Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const before = signIns.size + codes.size
      for (const rows of [signIns, codes]) {
        for (const { digest, expiresAt } of rows.values()) if (expiresAt <= now) rows.delete(digest)
      }
      return before - signIns.size - codes.size
    })
  })
})

const codes = Effect.gen(function* () {
  const { codes, users } = yield* MemoryStore

  const redeemable = Effect.fnUntraced(function* (code: Redacted.Redacted<string>) {
    const now = yield* Clock.currentTimeMillis
    const row = codes.get(secretDigest(code))
    return row !== undefined && row.expiresAt > now && users.get(row.userId)?.isActive === true ? row : undefined
  })

  return SignInCodes.of({
    issue: Effect.fn("SignInCodes.issue")(function* ({ purpose, userId }) {
      if (users.get(userId)?.isActive !== true) return yield* userNotFound(userId)
      const expiresAt = (yield* Clock.currentTimeMillis) + validMs[purpose]
      for (const row of codes.values()) {
        if (row.userId === userId && row.purpose === purpose) codes.delete(row.digest)
      }
      const code = mintSecret("once")
      codes.set(secretDigest(code), { digest: secretDigest(code), userId, purpose, expiresAt })
      return { code, expiresAt }
    }),

    isValid: (code) => Effect.map(redeemable(code), (row) => row !== undefined),

    redeem: Effect.fn("SignInCodes.redeem")(function* (code) {
      const row = yield* redeemable(code)
      if (row === undefined) return Option.none()
      codes.delete(row.digest)
      return Option.some({ userId: row.userId, purpose: row.purpose })
    }),

    forget: (purpose) =>
      Effect.sync(() => {
        for (const row of codes.values()) if (row.purpose === purpose) codes.delete(row.digest)
      })
  })
})

const roles = Effect.gen(function* () {
  const { roles, users } = yield* MemoryStore

  return Roles.of({
    of: (userId) => Effect.sync(() => roles.get(userId) ?? "user"),
    set: Effect.fn("Roles.set")(function* (userId, role) {
      if (!users.has(userId)) return yield* userNotFound(userId)
      roles.set(userId, role)
    }),
    all: Effect.sync(() => new Map([...roles].filter(([, role]) => role !== "user")))
  })
})

const externalUsers = Effect.gen(function* () {
  const { externalUsers, users } = yield* MemoryStore
  const keyOf = (issuer: string, subject: string): string => JSON.stringify([issuer, subject])

  return ExternalUsers.of({
    find: ({ issuer, subject }) =>
      Effect.sync(() => {
        const userId = externalUsers.get(keyOf(issuer, subject))
        const user = userId === undefined ? undefined : users.get(userId)
        return Option.map(Option.fromNullishOr(user), toUser)
      }),
    link: Effect.fn("ExternalUsers.link")(function* ({ issuer, subject }, userId) {
      if (!users.has(userId)) return yield* userNotFound(userId)
      const key = keyOf(issuer, subject)
      if (!externalUsers.has(key)) externalUsers.set(key, userId)
    })
  })
})

export const layer: Layer.Layer<SignIns | SignInCodes | Roles | ExternalUsers, never, MemoryStore> = Layer.mergeAll(
  Layer.effect(SignIns, signIns),
  Layer.effect(SignInCodes, codes),
  Layer.effect(Roles, roles),
  Layer.effect(ExternalUsers, externalUsers)
)
