/** `/api/user/groups`: a user's own groups. Errors come without `success`, as they did. */
import { Effect, Predicate } from "effect"
import { HttpServerResponse } from "effect/http"
import type { Group } from "../../../domain/identity/Group.ts"
import { Groups } from "../../../domain/identity/Groups.ts"
import { GroupId } from "../../../domain/Ids.ts"
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

export const make = Effect.gen(function* () {
  const groups = yield* Groups
  const own = ({ param, viewer }: LegacyCall) => [GroupId.make(param("id")), viewer.userId] as const

  const list = ({ viewer }: LegacyCall) =>
    Effect.map(groups.listByUser(viewer.userId), (all) =>
      data([...all].sort((a, b) => b.createdAt - a.createdAt).map(view))
    )

  const create = Effect.fnUntraced(function* ({ body, viewer }: LegacyCall) {
    const { description, name, servers } = yield* changeIn(body)
    if (name === undefined || servers === undefined) return yield* refused(400, "그룹 이름과 서버 목록이 필요합니다")
    return data(view(yield* groups.create({ userId: viewer.userId, name, servers, description })), 201)
  })

  const update = Effect.fnUntraced(function* (call: LegacyCall) {
    const [id, owner] = own(call)
    return data(view(yield* groups.update(id, yield* changeIn(call.body), owner)))
  })

  const setActive = Effect.fnUntraced(function* (call: LegacyCall) {
    const { isActive } = call.body
    if (typeof isActive !== "boolean") return yield* refused(400, "isActive는 불리언이어야 합니다")
    const [id, owner] = own(call)
    return data(view(yield* groups.setActive(id, isActive, owner)))
  })

  const remove = (call: LegacyCall) => Effect.as(groups.remove(...own(call)), HttpServerResponse.empty({ status: 204 }))

  const routes: ReadonlyArray<LegacyRoute> = [
    { call: "GET /api/user/groups", need: "own", errors: "group", handle: list },
    { call: "POST /api/user/groups", need: "own", errors: "group", handle: create },
    { call: "PUT /api/user/groups/:id", need: "own", errors: "group", handle: update },
    { call: "DELETE /api/user/groups/:id", need: "own", errors: "group", handle: remove },
    { call: "PATCH /api/user/groups/:id/active", need: "own", errors: "group", handle: setActive }
  ]
  return routes
})
