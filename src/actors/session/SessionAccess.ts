/** The user's access through this session, decided once and kept until groups or settings change. */
import { type Access, accessOrNothing } from "../../domain/access/Access.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { Settings, SettingsValue } from "../../domain/servers/Settings.ts"
import type { Target } from "../../domain/access/Target.ts"

export type AccessFor = (principal: Principal) => Access

/** Decided anew whenever the user's groups or the settings are other objects than the last time. */
export const make = (target: Target, settings: Settings["Service"]): AccessFor => {
  let decided:
    | { readonly groups: Principal["groups"]; readonly settings: SettingsValue; readonly access: Access }
    | undefined
  return ({ groups }) => {
    const current = settings.current()
    if (decided === undefined || decided.groups !== groups || decided.settings !== current) {
      decided = { groups, settings: current, access: accessOrNothing(target, groups, current) }
    }
    return decided.access
  }
}
