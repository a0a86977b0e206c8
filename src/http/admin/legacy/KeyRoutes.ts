/** `/api/oauth/keys`, and `/api/keys`, which was a constant there: a user's own keys and the tokens that come with them. */
import { Clock, Effect, Redacted } from "effect"
import { type HubKey, keyDays, millisPerDay } from "../../../domain/identity/HubKey.ts"
import { HubKeys } from "../../../domain/identity/HubKeys.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { KeyId } from "../../../domain/Ids.ts"
import { data, refused, said, saidWith, whole } from "./Answers.ts"
import type { LegacyCall, LegacyRoute } from "./Routes.ts"
import { masked, textsIn } from "./TokenValues.ts"

const iso = (millis: number): string => new Date(millis).toISOString()

/** The one name that the old hub gave. */
const usualName = "MCPHub Key"

const daysLeft = (key: HubKey, now: number): number => Math.ceil((key.expiresAt - now) / millisPerDay)

const view = (key: HubKey, now: number) => ({
  id: key.id,
  // The database has a digest alone.
  keyValue: "mcphub_***",
  name: key.name,
  description: key.description,
  userId: key.userId,
  isActive: key.isActive,
  expiresAt: iso(key.expiresAt),
  lastUsedAt: key.lastUsedAt === null ? null : iso(key.lastUsedAt),
  usageCount: key.usageCount,
  serviceTokens: key.tokenNames,
  createdAt: iso(key.createdAt),
  updatedAt: iso(Math.max(key.createdAt, key.lastUsedAt ?? 0)),
  daysUntilExpiry: daysLeft(key, now)
})

const daysIn = (given: unknown): number | undefined => {
  if (given === undefined || given === null) return keyDays.usual
  const days =
    typeof given === "number" || (typeof given === "string" && given.trim() !== "") ? Number(given) : Number.NaN
  return Number.isInteger(days) && days >= keyDays.least && days <= keyDays.most ? days : undefined
}

export const make = Effect.gen(function* () {
  const keys = yield* HubKeys
  const users = yield* Users

  const own = ({ param, viewer }: LegacyCall) => [KeyId.make(param("id")), viewer.userId] as const

  const list = Effect.fnUntraced(function* ({ viewer }: LegacyCall) {
    const now = yield* Clock.currentTimeMillis
    if (viewer.role === "user") {
      return whole({ data: (yield* keys.listByUser(viewer.userId)).map((key) => view(key, now)), isAdminView: false })
    }
    const owners = new Map((yield* users.list).map((user) => [user.id, user]))
    const all = (yield* keys.list).filter((key) => key.isActive)
    return whole({
      isAdminView: true,
      data: all.map((key) => {
        const user = owners.get(key.userId)
        const { displayName = null, isAdmin = false, username = null } = user ?? {}
        return { ...view(key, now), user: { id: key.userId, githubUsername: username, displayName, isAdmin } }
      })
    })
  })

  const create = Effect.fnUntraced(function* ({ body, viewer }: LegacyCall) {
    const days = daysIn(body["expiryDays"])
    if (days === undefined)
      return yield* refused(400, `만료 기간은 ${keyDays.least}일에서 ${keyDays.most}일 사이여야 합니다`)
    const now = yield* Clock.currentTimeMillis
    const mine = yield* keys.listByUser(viewer.userId)
    if (mine.some((key) => key.name === usualName && key.isActive && key.expiresAt > now)) {
      return yield* refused(400, "이미 활성화된 MCPHub Key가 있습니다")
    }
    const { key, row } = yield* keys.create({ userId: viewer.userId, name: usualName, days })
    return saidWith(
      "MCPHub Key가 생성되었습니다",
      {
        id: row.id,
        keyValue: Redacted.value(key),
        name: row.name,
        description: row.description,
        expiresAt: iso(row.expiresAt),
        daysUntilExpiry: days
      },
      201
    )
  })

  const shownOnce = (call: LegacyCall) =>
    Effect.andThen(
      keys.byId(...own(call)),
      Effect.fail(refused(410, "A key is shown once, when it is made; make another one"))
    )

  const tokens = Effect.fnUntraced(function* (call: LegacyCall) {
    const { tokenNames } = yield* keys.byId(...own(call))
    return data({ serviceTokens: Object.fromEntries(tokenNames.map((name) => [name, masked])) })
  })

  const setTokens = Effect.fnUntraced(function* (call: LegacyCall) {
    const [keyId, owner] = own(call)
    const { blank, set } = yield* textsIn(call.body)
    yield* keys.byId(keyId, owner)
    if (Object.keys(set).length > 0) yield* keys.setTokens({ keyId, owner }, set)
    for (const name of blank) yield* keys.removeToken({ keyId, owner }, name)
    const { id, name, tokenNames } = yield* keys.byId(keyId, owner)
    return saidWith("서비스 토큰이 업데이트되었습니다", { id, name, serviceTokenKeys: tokenNames })
  })

  const extend = Effect.fnUntraced(function* (call: LegacyCall) {
    const [id, owner] = own(call)
    const key = yield* keys.extend(id, keyDays.usual, owner)
    const until = { expiresAt: iso(key.expiresAt), daysUntilExpiry: daysLeft(key, yield* Clock.currentTimeMillis) }
    return saidWith("키 만료일이 연장되었습니다", { id: key.id, name: key.name, ...until })
  })

  const remove = (call: LegacyCall) => Effect.as(keys.revoke(...own(call)), said("키가 삭제되었습니다"))

  const routes: ReadonlyArray<LegacyRoute> = [
    { call: "GET /api/oauth/keys", need: "own", handle: list },
    { call: "POST /api/oauth/keys", need: "own", handle: create },
    { call: "GET /api/oauth/keys/:id", need: "own", handle: shownOnce },
    { call: "GET /api/oauth/keys/:id/full-value", need: "own", handle: shownOnce },
    { call: "GET /api/oauth/keys/:id/tokens", need: "own", handle: tokens },
    { call: "PUT /api/oauth/keys/:id/tokens", need: "own", absent: 400, handle: setTokens },
    { call: "POST /api/oauth/keys/:id/extend", need: "own", absent: 400, handle: extend },
    { call: "DELETE /api/oauth/keys/:id", need: "own", absent: 400, handle: remove },
    { call: "GET /api/keys", need: "own", handle: list },
    { call: "POST /api/keys", need: "own", handle: create },
    { call: "DELETE /api/keys/:id", need: "own", absent: 400, handle: remove }
  ]
  return routes
})
