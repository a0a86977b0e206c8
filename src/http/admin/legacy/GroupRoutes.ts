/**
 * `/api/user/groups`: a user sees their own groups. A group limits what its user reaches, so only an admin changes one,
 * anybody's by its id. Errors come without `success`, as they did.
 */
import { Effect, Predicate } from "effect"
import { HttpServerResponse } from "effect/http"
import type { Group } from "../../../domain/identity/Group.ts"
import { Groups } from "../../../domain/identity/Groups.ts"
import { GroupId, UserId } from "../../../domain/Ids.ts"
import { data, refused } from "./Answers.ts"
import type { LegacyCall, LegacyRoute } from "./Routes.ts"

const view = (group: Group) => ({
  id: group.id,
  name: group.name,
  description: group.description,
  servers: group.servers,
  isActive: group.isActive,
  userId: group.userId,
  createdAt: new Date(group.createdAt).toISOString(),
  updatedAt: new Date(group.createdAt).toISOString()
})

/** The members that a body gives, each of its type. */
const changeIn = Effect.fnUntraced(function* (body: LegacyCall["body"]) {
  const { description, name, servers } = body
  if (name !== undefined && typeof name !== "string") return yield* refused(400, "그룹 이름은 문자열이어야 합니다")
  if (servers !== undefined && !(Array.isArray(servers) && servers.every(Predicate.isString))) {
    return yield* refused(400, "서버 목록은 문자열 배열이어야 합니다")
  }
  if (description !== undefined && description !== null && typeof description !== "string") {
    return yield* refused(400, "설명은 문자열이어야 합니다")
  }
  return { name, servers: servers as ReadonlyArray<string> | undefined, description: description ?? undefined }
})

const byAdmin = {
  need: "change",
  denial: "Groups limit what a user reaches; an admin changes them, with the token of a login",
  errors: "group"
} as const

export const make = Effect.gen(function* () {
  const groups = yield* Groups
  const named = ({ param }: LegacyCall) => GroupId.make(param("id"))

  const list = ({ viewer }: LegacyCall) =>
    Effect.map(groups.listByUser(viewer.userId), (all) =>
      data([...all].sort((a, b) => b.createdAt - a.createdAt).map(view))
    )

  const create = Effect.fnUntraced(function* ({ body, viewer }: LegacyCall) {
    const { description, name, servers } = yield* changeIn(body)
    if (name === undefined || servers === undefined) return yield* refused(400, "그룹 이름과 서버 목록이 필요합니다")
    const { userId = viewer.userId } = body
    if (typeof userId !== "string") return yield* refused(400, "userId must be the id of a user")
    return data(view(yield* groups.create({ userId: UserId.make(userId), name, servers, description })), 201)
  })

  const update = Effect.fnUntraced(function* (call: LegacyCall) {
    return data(view(yield* groups.update(named(call), yield* changeIn(call.body))))
  })

  const setActive = Effect.fnUntraced(function* (call: LegacyCall) {
    const { isActive } = call.body
    if (typeof isActive !== "boolean") return yield* refused(400, "isActive는 불리언이어야 합니다")
    return data(view(yield* groups.setActive(named(call), isActive)))
  })

  const remove = (call: LegacyCall) => Effect.as(groups.remove(named(call)), HttpServerResponse.empty({ status: 204 }))

  const routes: ReadonlyArray<LegacyRoute> = [
    { call: "GET /api/user/groups", need: "own", errors: "group", handle: list },
    { call: "POST /api/user/groups", ...byAdmin, handle: create },
    { call: "PUT /api/user/groups/:id", ...byAdmin, handle: update },
    { call: "DELETE /api/user/groups/:id", ...byAdmin, handle: remove },
    { call: "PATCH /api/user/groups/:id/active", ...byAdmin, handle: setActive }
  ]
  return routes
})
