/** The access through this session that is in force: decided once, and anew when groups or settings change. */
import { type Access, accessOrNothing } from "../../domain/access/Access.ts"
import { grantsTool } from "../../domain/access/ToolGrant.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { Settings, SettingsValue } from "../../domain/servers/Settings.ts"
import type { Target } from "../../domain/access/Target.ts"

/**
 * Of the user as the session knows them by now, whoever asks: a request that was read under groups which have changed
 * since gets no more than what they admit now.
 */
export type AccessInForce = () => Access

/** Decided anew whenever the user's groups or the settings are other objects than the last time. */
export const make = (target: Target, settings: Settings["Service"], principal: () => Principal): AccessInForce => {
  let decided:
    | { readonly groups: Principal["groups"]; readonly settings: SettingsValue; readonly access: Access }
    | undefined
  return () => {
    const { groups } = principal()
    const current = settings.current()
    if (decided === undefined || decided.groups !== groups || decided.settings !== current) {
      decided = { groups, settings: current, access: accessOrNothing(target, groups, current) }
    }
    return decided.access
  }
}

/** Whether a request may be at a server. `names`: those its tool goes by, where it is a call of one. */
export const admitsRequest = (
  access: Access,
  server: string,
  method: string,
  names: ReadonlyArray<string>,
  separator: string
): boolean => {
  const grant = access.get(server)
  if (grant === undefined) return false
  return method !== "tools/call" || names.some((name) => grantsTool(grant, server, name, separator))
}
