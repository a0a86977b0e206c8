/** `/api/admin/…` of the old hub: users, their keys, and figures, which were constants or random numbers there. */
import { Clock, Effect } from "effect"
import { UpstreamHealth } from "../../../actors/upstream/guards/UpstreamHealth.ts"
import { type HubKey, millisPerDay } from "../../../domain/identity/HubKey.ts"
import { HubKeys } from "../../../domain/identity/HubKeys.ts"
import type { User } from "../../../domain/identity/User.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { UserId } from "../../../domain/Ids.ts"
import { startOfDay } from "../../../domain/records/AuditLog.ts"
import { Statistics } from "../../../domain/records/Statistics.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import { data, refused, saidWith } from "./Answers.ts"
import type { LegacyCall, LegacyRoute } from "./Routes.ts"

const iso = (millis: number): string => new Date(millis).toISOString()
const isoOrNull = (millis: number | null): string | null => (millis === null ? null : iso(millis))

const brief = (user: User) => ({
  id: user.id,
  githubUsername: user.username,
  email: user.email ?? "",
  displayName: user.displayName,
  isAdmin: user.isAdmin,
  isActive: user.isActive,
  lastLoginAt: isoOrNull(user.lastLoginAt),
  createdAt: iso(user.createdAt)
})

const newest = <A extends { readonly createdAt: number }>(rows: ReadonlyArray<A>): ReadonlyArray<A> =>
  rows.toSorted((a, b) => b.createdAt - a.createdAt)

/** `N분 전`, as the old hub's pages had it. */
const ago = (time: number, now: number): string => {
  const minutes = Math.max(0, Math.floor((now - time) / 60_000))
  if (minutes < 60) return `${minutes}분 전`
  return minutes < 1_440 ? `${Math.floor(minutes / 60)}시간 전` : `${Math.floor(minutes / 1_440)}일 전`
}

export const make = Effect.gen(function* () {
  const users = yield* Users
  const keys = yield* HubKeys
  const settings = yield* Settings
  const health = yield* UpstreamHealth
  const statistics = yield* Statistics

  const isValid = (key: HubKey, now: number): boolean => key.isActive && key.expiresAt > now

  const list = () => Effect.map(users.list, (all) => data(newest(all).map(brief)))

  const longList = Effect.fnUntraced(function* () {
    const counts = new Map<UserId, number>()
    for (const key of yield* keys.list) counts.set(key.userId, (counts.get(key.userId) ?? 0) + 1)
    return data(
      newest(yield* users.list).map((user) => ({
        ...brief(user),
        username: user.username,
        githubId: null,
        avatarUrl: null,
        githubProfileUrl: null,
        updatedAt: iso(user.createdAt),
        keyCount: counts.get(user.id) ?? 0
      }))
    )
  })

  const found = ({ param }: LegacyCall) => users.byId(UserId.make(param("id")))

  const deactivated = Effect.fnUntraced(function* (call: LegacyCall) {
    const user = yield* found(call)
    if (user.isAdmin) return yield* refused(400, "관리자 계정은 비활성화할 수 없습니다")
    return yield* users.setActive(user.id, false)
  })

  const setActive = Effect.fnUntraced(function* (call: LegacyCall) {
    const { isActive } = call.body
    if (typeof isActive !== "boolean") return yield* refused(400, "isActive는 불리언이어야 합니다")
    const user = isActive ? yield* users.setActive((yield* found(call)).id, true) : yield* deactivated(call)
    return saidWith("사용자 상태가 변경되었습니다", { id: user.id, isActive: user.isActive })
  })

  const setAdmin = Effect.fnUntraced(function* (call: LegacyCall) {
    const { isAdmin } = call.body
    if (typeof isAdmin !== "boolean") return yield* refused(400, "isAdmin은 불리언이어야 합니다")
    const user = yield* found(call)
    const others = (yield* users.list).filter((one) => one.isAdmin && one.isActive && one.id !== user.id)
    if (!isAdmin && user.isAdmin && others.length === 0) {
      return yield* refused(400, "마지막 관리자의 권한은 제거할 수 없습니다")
    }
    const changed = yield* users.setAdmin(user.id, isAdmin)
    return saidWith("사용자 권한이 변경되었습니다", { id: changed.id, isAdmin: changed.isAdmin })
  })

  const remove = (call: LegacyCall) =>
    Effect.map(deactivated(call), ({ id, isActive }) => saidWith("사용자가 비활성화되었습니다", { id, isActive }))

  const stats = Effect.fnUntraced(function* () {
    const now = yield* Clock.currentTimeMillis
    const [people, all, servers] = [yield* users.list, yield* keys.list, yield* health.status]
    const today = yield* statistics.sums({ since: startOfDay(now), by: [], limit: 1 })
    const active = servers.filter(({ state }) => state === "connected" || state === "connecting")
    return data({
      totalUsers: people.length,
      activeUsers: people.filter((user) => user.isActive).length,
      totalServers: Object.keys(settings.current().mcpServers).length,
      activeServers: active.length,
      totalKeys: all.length,
      activeKeys: all.filter((key) => isValid(key, now)).length,
      todayLogs: today[0]?.requests ?? 0,
      systemStatus: servers.some(({ state }) => state === "failed") ? "degraded" : "healthy"
    })
  })

  const activities = Effect.fnUntraced(function* () {
    const now = yield* Clock.currentTimeMillis
    const people = yield* users.list
    const names = new Map(people.map((user) => [user.id, user.username]))
    const logins = people.flatMap(({ id, lastLoginAt, username }) =>
      lastLoginAt === null ? [] : [{ id, username, createdAt: lastLoginAt }]
    )
    const one = (id: string, type: string, message: string, time: number, userId: string) => {
      return { id, type, message, time: ago(time, now), userId }
    }
    return data([
      ...newest(people)
        .slice(0, 3)
        .map(({ createdAt, id, username }) => one(`user-${id}`, "user", `새 사용자: ${username}`, createdAt, username)),
      ...newest(yield* keys.list)
        .slice(0, 2)
        .map(({ createdAt, id, name, userId }) =>
          one(`key-${id}`, "key", `새 키: ${name}`, createdAt, names.get(userId) ?? "")
        ),
      ...newest(logins)
        .slice(0, 2)
        .map(({ createdAt, id, username }) => one(`login-${id}`, "info", `로그인: ${username}`, createdAt, username))
    ])
  })

  const userKeys = Effect.fnUntraced(function* () {
    const now = yield* Clock.currentTimeMillis
    const all = (yield* keys.list).filter((key) => key.isActive)
    return data(
      newest(yield* users.list).map((user) => {
        const key = all.find(({ userId }) => userId === user.id)
        const owner = {
          userId: user.id,
          username: user.username,
          githubUsername: user.username,
          isActive: user.isActive
        }
        if (key === undefined) return { ...owner, hasKey: false }
        const { createdAt, expiresAt, id, isActive, lastUsedAt, name, usageCount } = key
        const keyInfo = { id, name, isActive, usageCount, daysUntilExpiry: Math.ceil((expiresAt - now) / millisPerDay) }
        const times = { expiresAt: iso(expiresAt), lastUsedAt: isoOrNull(lastUsedAt), createdAt: iso(createdAt) }
        return { ...owner, hasKey: true, keyInfo: { ...keyInfo, ...times } }
      })
    )
  })

  const routes: ReadonlyArray<LegacyRoute> = [
    { call: "GET /api/admin/users", need: "read", handle: list },
    { call: "GET /api/admin/users/list", need: "read", handle: longList },
    { call: "PUT /api/admin/users/:id/active", need: "change", handle: setActive },
    { call: "PUT /api/admin/users/:id/admin", need: "change", handle: setAdmin },
    { call: "DELETE /api/admin/users/:id", need: "change", handle: remove },
    { call: "GET /api/admin/stats", need: "read", handle: stats },
    { call: "GET /api/admin/activities", need: "read", handle: activities },
    { call: "GET /api/admin/user-keys", need: "read", handle: userKeys }
  ]
  return routes
})
