/**
 * Groups in memory; behaves as GroupsSql.
 */
import { Clock, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import type { Group } from "../../identity/Group.ts"
import { Groups } from "../../identity/Groups.ts"
import { GroupId, type UserId } from "../../Ids.ts"
import { groupNameTaken, type GroupNotFound, groupNotFound, userNotFound } from "../../identity/IdentityErrors.ts"
import { check, labelProblem, serversProblem } from "../../identity/IdentityRules.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { byText, MemoryStore } from "./MemoryStore.ts"

const make = Effect.gen(function* () {
  const store = yield* MemoryStore
  const events = yield* KeyEvents
  const random = yield* SecureRandom.SecureRandom

  const find = (id: GroupId, owner: UserId | undefined): Effect.Effect<Group, GroupNotFound> => {
    const group = store.groups.get(id)
    return group === undefined || (owner !== undefined && group.userId !== owner)
      ? Effect.fail(groupNotFound(id))
      : Effect.succeed(group)
  }

  const put = Effect.fnUntraced(function* (group: Group) {
    store.groups.set(group.id, group)
    yield* events.publish([{ userId: group.userId, revoked: false }])
    return group
  })

  const taken = (userId: UserId, name: string, except?: GroupId) =>
    [...store.groups.values()].some((group) => group.userId === userId && group.name === name && group.id !== except)

  const sorted = (groups: Iterable<Group>) => [...groups].sort(byText((group) => group.name))

  return Groups.of({
    create: Effect.fn("Groups.create")(function* (group) {
      yield* check({ "group name": labelProblem(group.name), "list of servers": serversProblem(group.servers) })
      if (!store.users.has(group.userId)) return yield* userNotFound(group.userId)
      if (taken(group.userId, group.name)) return yield* groupNameTaken(group.name)
      return yield* put({
        id: GroupId.make(yield* random.uuidV4()),
        userId: group.userId,
        name: group.name,
        description: group.description ?? null,
        isActive: true,
        servers: group.servers,
        ...(group.tools === undefined ? {} : { tools: group.tools }),
        createdAt: yield* Clock.currentTimeMillis
      })
    }),

    byId: Effect.fn("Groups.byId")((id, owner) => find(id, owner)),

    listByUser: Effect.fn("Groups.listByUser")((userId) =>
      Effect.sync(() => sorted([...store.groups.values()].filter((group) => group.userId === userId)))
    ),

    list: Effect.sync(() => sorted(store.groups.values())),

    setActive: Effect.fn("Groups.setActive")(function* (id, isActive, owner) {
      return yield* put({ ...(yield* find(id, owner)), isActive })
    }),

    update: Effect.fn("Groups.update")(function* (id, { tools, ...change }, owner) {
      yield* check({
        "group name": change.name === undefined ? undefined : labelProblem(change.name),
        "list of servers": change.servers === undefined ? undefined : serversProblem(change.servers)
      })
      const { tools: known, ...group } = yield* find(id, owner)
      if (change.name !== undefined && taken(group.userId, change.name, id)) return yield* groupNameTaken(change.name)
      const kept = tools === undefined ? known : (tools ?? undefined)
      return yield* put({
        ...group,
        name: change.name ?? group.name,
        description: change.description ?? group.description,
        servers: change.servers ?? group.servers,
        ...(kept === undefined ? {} : { tools: kept })
      })
    }),

    remove: Effect.fn("Groups.remove")(function* (id, owner) {
      const group = yield* find(id, owner)
      store.groups.delete(id)
      yield* events.publish([{ userId: group.userId, revoked: false }])
    })
  })
})

export const layer: Layer.Layer<Groups, never, MemoryStore | KeyEvents> = Layer.effect(Groups, make).pipe(
  Layer.provide(SecureRandom.layerWebCrypto)
)
