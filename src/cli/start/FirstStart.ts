/**
 * The first start of a hub on a database, that is, while it has no admin: creates the user `admin` with a password and
 * a key, and shows both to the operator once. Later starts only follow `ADMIN_PASSWORD`, if it is set and has changed.
 */
import { Effect, Option, type Redacted } from "effect"
import { HubKeys } from "../../domain/identity/HubKeys.ts"
import * as Password from "../../domain/identity/Password.ts"
import type { User } from "../../domain/identity/User.ts"
import { Users } from "../../domain/identity/Users.ts"

export const adminName = "admin"

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
const followPassword = Effect.fnUntraced(function* (given: Redacted.Redacted<string>) {
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

/** Creates the admin. A provisioning file may already have created a user of that name, with or without a key. */
const makeAdmin = Effect.fnUntraced(function* (given: Redacted.Redacted<string> | undefined) {
  const users = yield* Users
  const keys = yield* HubKeys
  const admin = yield* users.byName(adminName).pipe(
    Effect.flatMap((user) => users.setAdmin(user.id, true)),
    Effect.catchTag("UserNotFound", () => users.add({ username: adminName, isAdmin: true }))
  )
  const password = given ?? Password.generate()
  yield* setPassword(admin, password)
  const hasKey = (yield* keys.listByUser(admin.id)).length > 0
  const key = hasKey ? undefined : (yield* keys.create({ userId: admin.id, name: "first key" })).key
  const made: FirstStart = { username: admin.username, password: given === undefined ? password : undefined, key }
  return made
})

/**
 * Runs `provision` and whatever the first start needs around it.
 *
 * @param given `ADMIN_PASSWORD`, if there is one.
 */
export const firstStart = Effect.fnUntraced(function* <A, E, R>(
  given: Redacted.Redacted<string> | undefined,
  provision: Effect.Effect<A, E, R>
) {
  const users = yield* Users
  const isFirst = !(yield* users.list).some((user) => user.isAdmin)
  const provisioned = yield* provision
  if (isFirst) return { first: Option.some(yield* makeAdmin(given)), provisioned }
  if (given !== undefined) yield* followPassword(given)
  return { first: Option.none<FirstStart>(), provisioned }
})
