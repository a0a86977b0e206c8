/** `/api/env-templates` and `/api/user-env-vars`: which tokens the servers ask for, and a user's own. */
import { Effect } from "effect"
import { HubKeys } from "../../../domain/identity/HubKeys.ts"
import { isJsonObject } from "../../../domain/protocol/JsonObjects.ts"
import { referencedTokens } from "../../../domain/servers/ServerTemplates.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import { data, refused, said } from "./Answers.ts"
import type { Reach } from "./Reach.ts"
import type { LegacyCall, LegacyRoute } from "./Routes.ts"
import { masked, textsIn } from "./TokenValues.ts"

export const make = Effect.fnUntraced(function* (reach: Reach) {
  const keys = yield* HubKeys
  const settings = yield* Settings

  /** Servers of the user, with the stored names of the tokens that their entries ask for. */
  const wanted = Effect.fnUntraced(function* (call: LegacyCall) {
    const servers = yield* reach(call.viewer)
    return servers.flatMap((name) => {
      const config = settings.current().mcpServers[name]
      const names = config === undefined ? [] : [...referencedTokens(config)].sort()
      return names.length === 0 ? [] : [[name, names] as const]
    })
  })

  const templates = Effect.fnUntraced(function* (call: LegacyCall) {
    const all = yield* wanted(call)
    return data(Object.fromEntries(all.map(([name, names]) => [name, names.map((one) => `USER_${one}`)])))
  })

  const list = Effect.fnUntraced(function* (call: LegacyCall) {
    const set = new Set(yield* keys.tokenNames({ userId: call.viewer.userId }))
    const all = (yield* wanted(call)).map(([name, names]) => [name, names.filter((one) => set.has(one))] as const)
    return data(
      Object.fromEntries(
        all.flatMap(([name, names]) =>
          names.length === 0 ? [] : [[name, Object.fromEntries(names.map((one) => [one, masked]))]]
        )
      )
    )
  })

  const save = Effect.fnUntraced(function* ({ body, viewer }: LegacyCall) {
    const given = body["envVars"]
    if (!isJsonObject(given)) return yield* refused(400, "envVars must be an object")
    const members: Record<string, unknown> = {}
    for (const one of Object.values(given)) {
      if (!isJsonObject(one)) return yield* refused(400, "envVars holds an object for each server")
      Object.assign(members, one)
    }
    const { set } = yield* textsIn(members)
    // They come with every key, also with one that is made later.
    if (Object.keys(set).length > 0) yield* keys.setTokens({ userId: viewer.userId }, set)
    return said("환경 변수가 저장되었습니다")
  })

  const routes: ReadonlyArray<LegacyRoute> = [
    { call: "GET /api/env-templates", need: "own", handle: templates },
    { call: "GET /api/user-env-vars", need: "own", handle: list },
    { call: "POST /api/user-env-vars", need: "own", handle: save }
  ]
  return routes
})
