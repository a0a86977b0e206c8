/** The look-up of what an operator names: a user by name or by id, a server. */
import { Effect } from "effect"
import { isUuid, UserId } from "../../../domain/Ids.ts"
import type { User } from "../../../domain/identity/User.ts"
import { OperationRefused } from "../operations/OperationRefused.ts"
import type { Users } from "../../../domain/identity/Users.ts"

/** A name wins over an id, so that no user can be shadowed by an odd name. */
export const findUser = (users: Users["Service"], named: string) =>
  users
    .byName(named)
    .pipe(
      Effect.catchTag("UserNotFound", (notFound) =>
        isUuid(named) ? users.byId(UserId.make(named.toLowerCase())) : Effect.fail(notFound)
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
