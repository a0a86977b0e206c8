/** The servers that one user may reach: how each fares for them, and what they have not set for it. */
import { Effect } from "effect"
import { ServerStates } from "../../../actors/upstream/guards/ServerStates.ts"
import { accessOf } from "../../../domain/access/Access.ts"
import type { ToolGrant } from "../../../domain/access/ToolGrant.ts"
import { entitledTokens } from "../../../domain/context/TokenHeaders.ts"
import { Groups } from "../../../domain/identity/Groups.ts"
import { HubKeys } from "../../../domain/identity/HubKeys.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { type ServerConfig, serverType } from "../../../domain/servers/ServerConfig.ts"
import { referencedTokens } from "../../../domain/servers/ServerTemplates.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import type { OwnServerView } from "../operations/ServerOperations.ts"
import type { UserRef } from "../operations/UserRef.ts"
import { findUser } from "./Lookup.ts"

const namesOf = (grant: ToolGrant): ReadonlyArray<string> | null => {
  if (grant === "all") return null
  return "both" in grant ? [] : [...grant].sort()
}

export const ownServers = Effect.fnUntraced(function* (user: UserRef) {
  const settings = (yield* Settings).current()
  const owner = yield* findUser(yield* Users, user)
  const groups = yield* (yield* Groups).listByUser(owner.id)
  const set = new Set(yield* (yield* HubKeys).tokenNames({ userId: owner.id }))
  const states = (yield* ServerStates).of(owner.id)

  const view = (name: string, config: ServerConfig, grant: ToolGrant): OwnServerView => {
    const seen = states.find(({ server }) => server === name)
    return {
      name,
      type: serverType(config),
      tools: namesOf(grant),
      state: seen?.state ?? "unknown",
      reason: seen?.reason ?? null,
      missing: [...referencedTokens(config)].filter((token) => !set.has(token)),
      tokens: entitledTokens(name, config)
        .map((token) => token.name)
        .filter((token) => set.has(token))
    }
  }

  return [...accessOf(groups, settings)].flatMap(([name, grant]) => {
    const config = settings.mcpServers[name]
    return config === undefined ? [] : [view(name, config, grant)]
  })
})
