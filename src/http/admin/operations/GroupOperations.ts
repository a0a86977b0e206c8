/** The operations on a user's groups: the servers, and where given the tools, that the user may reach. */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { OperationRefused } from "./OperationRefused.ts"
import { UserRef } from "./UserRef.ts"

export const GroupView = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  username: Schema.String,
  isActive: Schema.Boolean,
  servers: Schema.Array(Schema.String),
  /** Those of them that the settings do not have. */
  unknownServers: Schema.Array(Schema.String),
  /** Null: all tools of those servers. */
  tools: Schema.NullOr(Schema.Array(Schema.String))
})
export type GroupView = typeof GroupView.Type

const named = { user: UserRef, name: Schema.String }
/** By its id, and as one of this user. */
const group = { group: Schema.String, owner: Schema.String }
const tools = Schema.NullOr(Schema.Array(Schema.String))

export class GroupOperations extends RpcGroup.make(
  Rpc.make("groupCreate", {
    payload: { ...named, servers: Schema.Array(Schema.String), tools },
    success: GroupView,
    error: OperationRefused
  }),
  Rpc.make("groupList", {
    payload: { user: Schema.NullOr(UserRef) },
    success: Schema.Array(GroupView),
    error: OperationRefused
  }),
  Rpc.make("groupShow", { payload: group, success: GroupView, error: OperationRefused }),
  /** Replaces what is given of the group with this id. */
  Rpc.make("groupChange", {
    payload: {
      ...group,
      name: Schema.optional(Schema.String),
      servers: Schema.optional(Schema.Array(Schema.String)),
      /** Null: all tools of the servers. */
      tools: Schema.optional(tools),
      isActive: Schema.optional(Schema.Boolean)
    },
    success: GroupView,
    error: OperationRefused
  }),
  Rpc.make("groupDelete", { payload: group, success: GroupView, error: OperationRefused }),
  Rpc.make("groupRemove", { payload: named, success: GroupView, error: OperationRefused }),
  /** Replaces the given fields and keeps the rest; `allTools` lifts the restriction to single tools. */
  Rpc.make("groupSet", {
    payload: { ...named, servers: Schema.NullOr(Schema.Array(Schema.String)), tools, allTools: Schema.Boolean },
    success: GroupView,
    error: OperationRefused
  }),
  Rpc.make("groupSetActive", {
    payload: { ...named, isActive: Schema.Boolean },
    success: GroupView,
    error: OperationRefused
  })
) {}
