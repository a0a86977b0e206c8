/** The servers that somebody may see in the old interface: a user those of their groups, admins and auditors all. */
import { Effect } from "effect"
import { accessOf } from "../../../domain/access/Access.ts"
import type { Viewer } from "../../../domain/access/Viewer.ts"
import { Groups } from "../../../domain/identity/Groups.ts"
import { Settings } from "../../../domain/servers/Settings.ts"

export type Reach = Effect.Success<typeof make>

export const make = Effect.gen(function* () {
  const groups = yield* Groups
  const settings = yield* Settings
  return ({ role, userId }: Viewer) =>
    role === "user"
      ? Effect.map(groups.listByUser(userId), (own) => [...accessOf(own, settings.current()).keys()])
      : Effect.sync(() => Object.keys(settings.current().mcpServers))
})
