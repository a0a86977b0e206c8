/** The look-up of what an operator names: a user by name or by id, a server. */
import { Effect } from "effect"
import { isUuid, UserId } from "../../../domain/Ids.ts"
import { userNotFound } from "../../../domain/identity/IdentityErrors.ts"
import type { User } from "../../../domain/identity/User.ts"
import { OperationRefused } from "../operations/OperationRefused.ts"
import type { UserRef } from "../operations/UserRef.ts"
import type { Users } from "../../../domain/identity/Users.ts"

/** In a text a name wins over an id, so that no user can be shadowed by an odd name. */
export const findUser = (users: Users["Service"], named: UserRef) => {
  if (typeof named !== "string") return byId(users, named.id)
  return users
    .byName(named)
    .pipe(Effect.catchTag("UserNotFound", (notFound) => (isUuid(named) ? byId(users, named) : Effect.fail(notFound))))
}

const byId = (users: Users["Service"], id: string) =>
  isUuid(id) ? users.byId(UserId.make(id.toLowerCase())) : Effect.fail(userNotFound(id))

/** The id alone: a user's rows outlive the user. */
export const idOfUser = (users: Users["Service"], named: UserRef) =>
  findUser(users, named).pipe(
    Effect.map(({ id }) => id),
    Effect.catchTag("UserNotFound", (notFound) =>
      Effect.suspend(() => {
        const id = typeof named === "string" ? named : named.id
        return isUuid(id) ? Effect.succeed(UserId.make(id.toLowerCase())) : Effect.fail(notFound)
      })
    )
  )

/** Names of users by id, for lists. */
export const usernames = (users: Users["Service"]) =>
  Effect.map(users.list, (all) => {
    const names = new Map(all.map((user: User) => [user.id, user.username]))
    return (id: UserId): string => names.get(id) ?? id
  })

export const serverNotFound = (name: string) =>
  new OperationRefused({
    kind: "ServerNotFound",
    exitCode: 1,
    message: `The settings have no server "${name}"; list the servers with \`mcphub server ls\``
  })

export const iso = (millis: number): string => new Date(millis).toISOString()

/** The owner that is part of a query, if there is one. */
export const ownerOf = (owner: string | undefined): UserId | undefined =>
  owner === undefined ? undefined : UserId.make(owner)
