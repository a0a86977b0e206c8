/**
 * The first start of a hub on a database, that is, while it has no admin: the user `admin` gets a link that signs them in
 * once, and a key, and both are shown to the operator, when nothing can fail any more. Whoever was to be shown them is an
 * admin only afterwards, so a start that ends before is followed by another first start, with a link and a key of its
 * own. Later starts end a link that was not used, and follow `ADMIN_PASSWORD`, if it is set and has changed.
 */
import { Effect, Option, type Redacted } from "effect"
import type { HubKey } from "../../domain/identity/HubKey.ts"
import { HubKeys } from "../../domain/identity/HubKeys.ts"
import * as Password from "../../domain/identity/Password.ts"
import { SignInCodes } from "../../domain/identity/SignInCodes.ts"
import { SignIns } from "../../domain/identity/SignIns.ts"
import type { User } from "../../domain/identity/User.ts"
import { Users } from "../../domain/identity/Users.ts"

export const adminName = "admin"

const keyName = "first key"

export interface FirstStart {
  readonly username: string
  /** Signs the admin in once. Absent where `ADMIN_PASSWORD` is set: the operator knows that. */
  readonly code: Redacted.Redacted<string> | undefined
  /** Absent when the provisioning file gave the admin a key. */
  readonly key: Redacted.Redacted<string> | undefined
}

/** Whoever is signed in by another password than this one is not any more. */
const setPassword = Effect.fnUntraced(function* (user: User, password: Redacted.Redacted<string>) {
  const users = yield* Users
  const signIns = yield* SignIns
  yield* users.setPasswordDigest(user.id, yield* Password.digest(password))
  yield* signIns.revokeAll(user.id)
})

/** A link of the first start that nobody has used by now opens nothing any more. */
export const laterStart = Effect.flatMap(SignInCodes, (codes) => codes.forget("first-start"))

/** Sets the stored password to `ADMIN_PASSWORD`, unless it matches already. */
export const followPassword = Effect.fnUntraced(function* (given: Redacted.Redacted<string>) {
  const users = yield* Users
  const admin = yield* users.byName(adminName).pipe(
    Effect.map(Option.some),
    Effect.catchTag("UserNotFound", () => Effect.succeed(Option.none<User>()))
  )
  if (Option.isNone(admin)) return
  const stored = yield* users.passwordDigest(admin.value.id)
  if (Option.isSome(stored) && (yield* Password.verify(given, stored.value))) return
  yield* setPassword(admin.value, given)
})

export const isFirstStart = Effect.gen(function* () {
  const users = yield* Users
  return !(yield* users.list).some((user) => user.isAdmin)
})

/**
 * Makes the admin and has it shown. A provisioning file may already have created a user of that name, with or without a
 * key, and an earlier first start a key that nobody has seen.
 */
export const firstStart = Effect.fnUntraced(function* <E, R>(
  given: Redacted.Redacted<string> | undefined,
  show: (made: FirstStart) => Effect.Effect<void, E, R>
) {
  const users = yield* Users
  const keys = yield* HubKeys
  const admin = yield* users
    .byName(adminName)
    .pipe(Effect.catchTag("UserNotFound", () => users.add({ username: adminName, isAdmin: false })))
  const codes = yield* SignInCodes
  if (given !== undefined) yield* setPassword(admin, given)
  const issued = given === undefined ? yield* codes.issue({ userId: admin.id, purpose: "first-start" }) : undefined
  const all = yield* keys.listByUser(admin.id)
  const isUnseen = ({ lastUsedAt, name }: HubKey): boolean => name === keyName && lastUsedAt === null
  const unseen = all.filter((one) => one.isActive && isUnseen(one))
  yield* Effect.forEach(unseen, ({ id }) => keys.revoke(id), { discard: true })
  const key = all.some((one) => !isUnseen(one))
    ? undefined
    : (yield* keys.create({ userId: admin.id, name: keyName })).key
  yield* show({ username: admin.username, code: issued?.code, key })
  yield* users.setAdmin(admin.id, true)
})
