/**
 * The first start of a hub on a database, that is, while it has no admin: the user `admin` gets a password and a key, and
 * both are shown to the operator once, when nothing can fail any more. Whoever was to be shown them is an admin only
 * afterwards, so a start that ends before is followed by another first start, with a password and a key of its own.
 * Later starts only follow `ADMIN_PASSWORD`, if it is set and has changed.
 */
import { Effect, Option, type Redacted } from "effect"
import type { HubKey } from "../../domain/identity/HubKey.ts"
import { HubKeys } from "../../domain/identity/HubKeys.ts"
import * as Password from "../../domain/identity/Password.ts"
import type { User } from "../../domain/identity/User.ts"
import { Users } from "../../domain/identity/Users.ts"

export const adminName = "admin"

const keyName = "first key"

export interface FirstStart {
  readonly username: string
  /** Absent when it came from `ADMIN_PASSWORD`: the operator knows it. */
  readonly password: Redacted.Redacted<string> | undefined
  /** Absent when the provisioning file gave the admin a key. */
  readonly key: Redacted.Redacted<string> | undefined
}

const setPassword = Effect.fnUntraced(function* (user: User, password: Redacted.Redacted<string>) {
  const users = yield* Users
  yield* users.setPasswordDigest(user.id, yield* Password.digest(password))
})

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
  const password = given ?? Password.generate()
  yield* setPassword(admin, password)
  const all = yield* keys.listByUser(admin.id)
  const isUnseen = ({ lastUsedAt, name }: HubKey): boolean => name === keyName && lastUsedAt === null
  const unseen = all.filter((one) => one.isActive && isUnseen(one))
  yield* Effect.forEach(unseen, ({ id }) => keys.revoke(id), { discard: true })
  const key = all.some((one) => !isUnseen(one))
    ? undefined
    : (yield* keys.create({ userId: admin.id, name: keyName })).key
  yield* show({ username: admin.username, password: given === undefined ? password : undefined, key })
  yield* users.setAdmin(admin.id, true)
})
