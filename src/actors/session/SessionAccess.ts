/**
 * The rights of a session in force: the servers and tools its user reaches through it, and whether what it asks has to
 * leave a row in the audit trail. Decided once, and anew when the user's groups or the settings change.
 */
import { type Access, accessOrNothing } from "../../domain/access/Access.ts"
import { auditRequired } from "../../domain/access/AuditPolicy.ts"
import { grantsTool } from "../../domain/access/ToolGrant.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { Settings, SettingsValue } from "../../domain/servers/Settings.ts"
import type { Target } from "../../domain/access/Target.ts"
import type { AuditTrailShape } from "../observing/AuditTrail.ts"

/**
 * Of the user as the session knows them by now, whoever asks: a request that was read under groups which have changed
 * since gets no more than what they admit now. The same object as long as neither groups nor settings are others.
 */
export type AccessInForce = () => Access

/** `none`: it may not be done now. */
export type AuditPlace = "reserved" | "unneeded" | "none"

/**
 * The place in the audit trail for the row of what a client asks, reserved before anything of it leaves for a server:
 * where a group requires the trail, nothing may be done that leaves no row.
 */
export interface AuditPlaces {
  /** The session has seen this principal. */
  readonly take: (principal: Principal) => AuditPlace
  /** What a place was reserved for has not begun. */
  readonly release: (principal: Principal) => void
}

export interface SessionAccess {
  readonly access: AccessInForce
  readonly places: AuditPlaces
}

interface Decided {
  readonly groups: Principal["groups"]
  readonly settings: SettingsValue
  readonly access: Access
  readonly isAudited: boolean
}

export const make = (
  target: Target,
  settings: Settings["Service"],
  audit: AuditTrailShape,
  principal: () => Principal
): SessionAccess => {
  let decided: Decided | undefined

  const inForce = (): Decided => {
    const { groups } = principal()
    const current = settings.current()
    if (decided === undefined || decided.groups !== groups || decided.settings !== current) {
      const access = accessOrNothing(target, groups, current)
      decided = { groups, settings: current, access, isAudited: auditRequired(target, groups, current) }
    }
    return decided
  }

  return {
    access: () => inForce().access,
    places: {
      take: ({ userId }) => {
        if (!inForce().isAudited) return "unneeded"
        return audit.reserve(userId) ? "reserved" : "none"
      },
      release: ({ userId }) => audit.release(userId)
    }
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
