/**
 * For whom the audit trail is a condition: nothing of theirs is done while it cannot be written.
 *
 * A group of the settings file with `"audit": "required"` is such a condition for requests addressed to it
 * (`/mcp/{name}`) and for every request of a user with an active group of that name. It is the operator's rule, which is
 * why it stands in the settings and not with the groups that users have.
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
