/** The operations on groups, on the domain's services. A group is named by its owner and its name. */
import { Effect } from "effect"
import type { Group } from "../../../domain/identity/Group.ts"
import { GroupId, UserId } from "../../../domain/Ids.ts"
import { Groups } from "../../../domain/identity/Groups.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import { GroupOperations, type GroupView } from "../operations/GroupOperations.ts"
import { asRefusal, OperationRefused } from "../operations/OperationRefused.ts"
import type { UserRef } from "../operations/UserRef.ts"
import { findUser, usernames } from "./Lookup.ts"

export const GroupHandlers = GroupOperations.toLayer(
  Effect.gen(function* () {
    const users = yield* Users
    const groups = yield* Groups
    const settings = yield* Settings

    const view = (group: Group, username: string): GroupView => ({
      id: group.id,
      name: group.name,
      username,
      isActive: group.isActive,
      servers: group.servers,
      unknownServers: group.servers.filter((name) => !Object.hasOwn(settings.current().mcpServers, name)),
      tools: group.tools ?? null
    })

    const shown = (group: Group) => Effect.map(users.byId(group.userId), ({ username }) => view(group, username))

    /** A misspelt server would admit nothing, without a word. What the group has already may have gone meanwhile. */
    const known = Effect.fnUntraced(function* (servers: ReadonlyArray<string>, before: ReadonlyArray<string> = []) {
      const { mcpServers } = settings.current()
      const unknown = servers.filter((name) => !Object.hasOwn(mcpServers, name) && !before.includes(name))
      if (unknown.length === 0) return
      return yield* new OperationRefused({
        kind: "ServerNotFound",
        exitCode: 1,
        message: `The settings have no server ${unknown.map((name) => `"${name}"`).join(", ")}; there are: ${Object.keys(mcpServers).join(", ") || "none"}`
      })
    })

    const find = Effect.fnUntraced(function* (user: UserRef, name: string) {
      const owner = yield* findUser(users, user)
      const group = (yield* groups.listByUser(owner.id)).find((one) => one.name === name)
      if (group !== undefined) return { owner, group }
      return yield* new OperationRefused({
        kind: "GroupNotFound",
        exitCode: 1,
        message: `${owner.username} has no group "${name}"; list the groups with \`mcphub group ls --user ${owner.username}\``
      })
    })

    return GroupOperations.of({
      groupCreate: Effect.fnUntraced(function* ({ name, servers, tools, user }) {
        const owner = yield* findUser(users, user)
        yield* known(servers)
        return view(
          yield* groups.create({ userId: owner.id, name, servers, tools: tools ?? undefined }),
          owner.username
        )
      }, asRefusal),
      groupList: Effect.fnUntraced(function* ({ user }) {
        if (user !== null) {
          const owner = yield* findUser(users, user)
          return (yield* groups.listByUser(owner.id)).map((group) => view(group, owner.username))
        }
        const nameOf = yield* usernames(users)
        return (yield* groups.list).map((group) => view(group, nameOf(group.userId)))
      }, asRefusal),
      groupShow: Effect.fnUntraced(function* ({ group, owner }) {
        return yield* shown(yield* groups.byId(GroupId.make(group), UserId.make(owner)))
      }, asRefusal),
      groupChange: Effect.fnUntraced(function* ({ group, isActive, owner, ...change }) {
        const [id, userId] = [GroupId.make(group), UserId.make(owner)]
        const before = yield* groups.byId(id, userId)
        yield* known(change.servers ?? [], before.servers)
        const changed = yield* groups.update(id, change, userId)
        if (isActive === undefined || isActive === changed.isActive) return yield* shown(changed)
        return yield* shown(yield* groups.setActive(id, isActive, userId))
      }, asRefusal),
      groupDelete: Effect.fnUntraced(function* ({ group, owner }) {
        const found = yield* groups.byId(GroupId.make(group), UserId.make(owner))
        const view = yield* shown(found)
        yield* groups.remove(found.id, found.userId)
        return view
      }, asRefusal),
      groupRemove: Effect.fnUntraced(function* ({ name, user }) {
        const { group, owner } = yield* find(user, name)
        yield* groups.remove(group.id, owner.id)
        return view(group, owner.username)
      }, asRefusal),
      groupSet: Effect.fnUntraced(function* ({ allTools, name, servers, tools, user }) {
        const { group, owner } = yield* find(user, name)
        yield* known(servers ?? [], group.servers)
        const change = { servers: servers ?? undefined, tools: tools ?? (allTools ? null : undefined) }
        return view(yield* groups.update(group.id, change, owner.id), owner.username)
      }, asRefusal),
      groupSetActive: Effect.fnUntraced(function* ({ isActive, name, user }) {
        const { group, owner } = yield* find(user, name)
        return view(yield* groups.setActive(group.id, isActive, owner.id), owner.username)
      }, asRefusal)
    })
  })
)
