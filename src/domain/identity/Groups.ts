/**
 * The users' groups of servers and tools.
 *
 * `owner`, where given, is part of the query: another user's group is not found. `GroupsMemory` and the SQL layer
 * (GroupsSql.ts) behave alike; every change is announced through `KeyEvents`.
 */
import { Context, type Effect } from "effect"
import type { Group } from "./Group.ts"
import type { GroupId, UserId } from "../Ids.ts"
import type {
  DatabaseUnavailable,
  GroupNameTaken,
  GroupNotFound,
  InvalidValue,
  UserNotFound
} from "./IdentityErrors.ts"

export interface NewGroup {
  readonly userId: UserId
  readonly name: string
  readonly description?: string | undefined
  readonly servers: ReadonlyArray<string>
  /** Absent: all tools of the servers. */
  readonly tools?: ReadonlyArray<string> | undefined
}

export interface GroupChange {
  readonly name?: string | undefined
  readonly description?: string | undefined
  readonly servers?: ReadonlyArray<string> | undefined
  /** null: all tools of the servers again. */
  readonly tools?: ReadonlyArray<string> | null | undefined
}

export class Groups extends Context.Service<
  Groups,
  {
    readonly create: (
      group: NewGroup
    ) => Effect.Effect<Group, UserNotFound | GroupNameTaken | InvalidValue | DatabaseUnavailable>
    readonly byId: (id: GroupId, owner?: UserId) => Effect.Effect<Group, GroupNotFound | DatabaseUnavailable>
    /** By name, inactive ones too. */
    readonly listByUser: (userId: UserId) => Effect.Effect<ReadonlyArray<Group>, DatabaseUnavailable>
    readonly list: Effect.Effect<ReadonlyArray<Group>, DatabaseUnavailable>
    readonly setActive: (
      id: GroupId,
      active: boolean,
      owner?: UserId
    ) => Effect.Effect<Group, GroupNotFound | DatabaseUnavailable>
    readonly update: (
      id: GroupId,
      change: GroupChange,
      owner?: UserId
    ) => Effect.Effect<Group, GroupNotFound | GroupNameTaken | InvalidValue | DatabaseUnavailable>
    readonly remove: (id: GroupId, owner?: UserId) => Effect.Effect<void, GroupNotFound | DatabaseUnavailable>
  }
>()("mcphub/domain/identity/Groups") {}
