/** The operations on users, on the domain's services. */
import { existsSync } from "node:fs"
import { Effect } from "effect"
import { DataFolder } from "../../../domain/config/DataFolder.ts"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { foldersOfUser } from "../../../domain/context/UserFolders.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { type HubRole, Roles } from "../../../domain/identity/Roles.ts"
import { codePath, type CodePurpose, SignInCodes } from "../../../domain/identity/SignInCodes.ts"
import type { User } from "../../../domain/identity/User.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { asRefusal, OperationRefused } from "../operations/OperationRefused.ts"
import { UserOperations, type UserView } from "../operations/UserOperations.ts"
import { findUser, iso } from "./Lookup.ts"
import { sessionEnds } from "./SessionEnds.ts"

const viewWith = (user: User, role: HubRole): UserView => ({
  id: user.id,
  username: user.username,
  isAdmin: user.isAdmin,
  isActive: user.isActive,
  role: user.isAdmin ? "admin" : role,
  createdAt: iso(user.createdAt)
})

const disabled = (username: string) =>
  new OperationRefused({
    kind: "UserDisabled",
    exitCode: 1,
    message: `${username} is disabled and cannot sign in; first \`mcphub user enable ${username}\``
  })

/** Such a role would come out when the admin is made a user again, long after anybody remembers it. */
const noRoleOfAdmin = (username: string, isAdmin: boolean, role: HubRole | undefined) =>
  isAdmin && role !== undefined
    ? Effect.fail(
        new OperationRefused({
          kind: "RoleOfAdmin",
          exitCode: 1,
          message: `An admin has no other role; give ${username} one together with "admin": false, or leave "role" out`
        })
      )
    : Effect.void

export const UserHandlers = UserOperations.toLayer(
  Effect.gen(function* () {
    const users = yield* Users
    const roles = yield* Roles
    const view = (user: User) => Effect.map(roles.of(user.id), (role) => viewWith(user, role))
    const ends = yield* sessionEnds
    const codes = yield* SignInCodes
    const { basePath, publicUrl } = yield* HubConfig
    const linkFor = Effect.fnUntraced(function* ({ id, username }: User, purpose: CodePurpose) {
      const { code, expiresAt } = yield* codes.issue({ userId: id, purpose })
      const link = (publicUrl === undefined ? "" : publicUrl + basePath) + codePath(code)
      return { username, link, expiresAt: iso(expiresAt) }
    })
    const dataFolder = yield* DataFolder
    const filesOf = (id: UserId): string | null => {
      const folder = dataFolder === undefined ? undefined : foldersOfUser(dataFolder, id)
      return folder !== undefined && existsSync(folder) ? folder : null
    }
    const notTheLastAdmin = Effect.fnUntraced(function* ({ id, isActive, isAdmin, username }: User) {
      if (!isAdmin || !isActive) return
      const all = yield* users.list
      if (all.some((one) => one.isAdmin && one.isActive && one.id !== id)) return
      return yield* new OperationRefused({
        kind: "LastAdmin",
        exitCode: 1,
        message: `${username} is the only active admin of this hub; make another one first: mcphub user add NAME --admin`
      })
    })
    return UserOperations.of({
      userAdd: Effect.fnUntraced(function* ({ isAdmin, role, username }) {
        yield* noRoleOfAdmin(username, isAdmin, role)
        const made = yield* users.add({ username, isAdmin })
        if (role !== undefined) yield* roles.set(made.id, role)
        return yield* view(made)
      }, asRefusal),
      userInvite: ({ isAdmin, username }) =>
        users.add({ username, isAdmin }).pipe(
          Effect.flatMap((user) => linkFor(user, "invitation")),
          asRefusal
        ),
      userSignInLink: ({ user }) =>
        findUser(users, user).pipe(
          Effect.filterOrFail(
            ({ isActive }) => isActive,
            ({ username }) => disabled(username)
          ),
          Effect.flatMap((found) => linkFor(found, "link")),
          asRefusal
        ),
      userList: () =>
        Effect.gen(function* () {
          const given = yield* roles.all
          return (yield* users.list).map((user) => viewWith(user, given.get(user.id) ?? "user"))
        }).pipe(asRefusal),
      userShow: ({ user }) => findUser(users, user).pipe(Effect.flatMap(view), asRefusal),
      userChange: Effect.fnUntraced(function* ({ isActive, isAdmin, role, user }) {
        let found = yield* findUser(users, user)
        if (isActive === false || isAdmin === false) yield* notTheLastAdmin(found)
        yield* noRoleOfAdmin(found.username, isAdmin ?? found.isAdmin, role)
        if (isAdmin !== undefined && isAdmin !== found.isAdmin) found = yield* users.setAdmin(found.id, isAdmin)
        if (role !== undefined) yield* roles.set(found.id, role)
        if (isActive !== undefined && isActive !== found.isActive) found = yield* users.setActive(found.id, isActive)
        if (!found.isActive) yield* ends.ofUser(found.id)
        return yield* view(found)
      }, asRefusal),
      userRemove: ({ user }) =>
        findUser(users, user).pipe(
          Effect.tap(notTheLastAdmin),
          Effect.flatMap((found) => Effect.map(view(found), (shown) => ({ found, shown }))),
          Effect.tap(({ found }) => users.remove(found.id)),
          Effect.tap(({ found }) => ends.ofUser(found.id)),
          Effect.map(({ found, shown }) => ({ ...shown, files: filesOf(found.id) })),
          asRefusal
        ),
      userSetActive: ({ isActive, user }) =>
        findUser(users, user).pipe(
          Effect.tap((found) => (isActive ? Effect.void : notTheLastAdmin(found))),
          Effect.flatMap((found) => users.setActive(found.id, isActive)),
          Effect.tap((user) => (user.isActive ? Effect.void : ends.ofUser(user.id))),
          Effect.flatMap(view),
          asRefusal
        )
    })
  })
)
