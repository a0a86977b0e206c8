/** The operations on users. Username or id names a user. */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { HubRole } from "../../../domain/identity/Roles.ts"
import { OperationRefused } from "./OperationRefused.ts"
import { UserRef } from "./UserRef.ts"

export const UserView = Schema.Struct({
  id: Schema.String,
  username: Schema.String,
  isAdmin: Schema.Boolean,
  isActive: Schema.Boolean,
  role: Schema.Literals(["admin", "auditor", "user"]),
  /** ISO 8601, UTC. */
  createdAt: Schema.String
})
export type UserView = typeof UserView.Type

/** A user who is gone, and the folder of what servers have kept for them: null where there is none. */
const RemovedUser = Schema.Struct({ ...UserView.fields, files: Schema.NullOr(Schema.String) })

/** A link that signs its user in once. */
export const SignInLink = Schema.Struct({
  username: Schema.String,
  /** Whole where the hub knows its address (`PUBLIC_URL`), else from the slash after the hub's address on. */
  link: Schema.String,
  /** ISO 8601, UTC. */
  expiresAt: Schema.String
})
export type SignInLink = typeof SignInLink.Type

const user = { user: UserRef }

export class UserOperations extends RpcGroup.make(
  Rpc.make("userAdd", {
    payload: { username: Schema.String, isAdmin: Schema.Boolean, role: Schema.optional(HubRole) },
    success: UserView,
    error: OperationRefused
  }),
  Rpc.make("userShow", { payload: user, success: UserView, error: OperationRefused }),
  /** Changes what is given. An admin has no other role; one who is made a user again is a plain one, unless `role` says more. */
  Rpc.make("userChange", {
    payload: {
      ...user,
      isActive: Schema.optional(Schema.Boolean),
      isAdmin: Schema.optional(Schema.Boolean),
      role: Schema.optional(HubRole)
    },
    success: UserView,
    error: OperationRefused
  }),
  /** A new user, with a link for their first sign-in, at which they choose a password. */
  Rpc.make("userInvite", {
    payload: { username: Schema.String, isAdmin: Schema.Boolean },
    success: SignInLink,
    error: OperationRefused
  }),
  /** A link for a user who has lost their password. One that they have not used ends. */
  Rpc.make("userSignInLink", { payload: user, success: SignInLink, error: OperationRefused }),
  Rpc.make("userList", { success: Schema.Array(UserView), error: OperationRefused }),
  /** Removes the user with all keys and groups, and ends their sessions; the files of their servers stay. */
  Rpc.make("userRemove", { payload: user, success: RemovedUser, error: OperationRefused }),
  /** An inactive user keeps everything, but no key of theirs opens the hub; their sessions end. */
  Rpc.make("userSetActive", {
    payload: { ...user, isActive: Schema.Boolean },
    success: UserView,
    error: OperationRefused
  })
) {}
