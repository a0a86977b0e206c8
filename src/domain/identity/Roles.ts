/**
 * The roles of users beside that of an admin, which is a column of the old hub's table: an auditor sees what an admin
 * sees, and changes nothing but what is their own.
 */
import { Context, type Effect, Schema } from "effect"
import type { UserId } from "../Ids.ts"
import type { DatabaseUnavailable, UserNotFound } from "./IdentityErrors.ts"

export const hubRoles = ["user", "auditor"] as const
export const HubRole = Schema.Literals(hubRoles)
export type HubRole = typeof HubRole.Type

export class Roles extends Context.Service<
  Roles,
  {
    /** "user" also for whoever is unknown. */
    readonly of: (userId: UserId) => Effect.Effect<HubRole, DatabaseUnavailable>
    readonly set: (userId: UserId, role: HubRole) => Effect.Effect<void, UserNotFound | DatabaseUnavailable>
    /** Those who are more than a user. */
    readonly all: Effect.Effect<ReadonlyMap<UserId, HubRole>, DatabaseUnavailable>
  }
>()("mcphub/domain/identity/Roles") {}
