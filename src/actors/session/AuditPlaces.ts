/**
 * The place in the audit trail for the row of what a client asks, reserved before anything of it leaves for a server:
 * where a group requires the trail, nothing may be done that leaves no row.
 */
import { auditRequired } from "../../domain/access/AuditPolicy.ts"
import type { Target } from "../../domain/access/Target.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { Settings } from "../../domain/servers/Settings.ts"
import type { AuditTrailShape } from "../observing/AuditTrail.ts"

/** `none`: it may not be done now. */
export type AuditPlace = "reserved" | "unneeded" | "none"

export interface AuditPlaces {
  readonly take: (principal: Principal) => AuditPlace
  /** What a place was reserved for has not begun. */
  readonly release: (principal: Principal) => void
}

export const make = (target: Target, settings: Settings["Service"], audit: AuditTrailShape): AuditPlaces => ({
  take: ({ groups, userId }) => {
    if (!auditRequired(target, groups, settings.current())) return "unneeded"
    return audit.reserve(userId) ? "reserved" : "none"
  },
  release: ({ userId }) => audit.release(userId)
})
