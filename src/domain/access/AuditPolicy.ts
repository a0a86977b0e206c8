/**
 * The users and targets whose requests require the audit trail: the hub does nothing for them while it cannot write it.
 *
 * A group of the settings file with `"audit": "required"` requires it for every request addressed to the group
 * (`/mcp/{name}`) and for every request of a user with an active group of that name. The operator makes this rule, so
 * it stands in the settings and not with the groups that users have.
 */
import type { Target } from "./Target.ts"
import type { GroupGrant } from "../identity/Principal.ts"
import type { SettingsValue } from "../servers/Settings.ts"

export const auditRequired = (target: Target, groups: ReadonlyArray<GroupGrant>, settings: SettingsValue): boolean =>
  (settings.groups ?? []).some(
    ({ audit, name }) =>
      audit === "required" &&
      ((target.kind === "group" && target.name === name) ||
        groups.some((group) => group.isActive && group.name === name))
  )
