/** The operations on MCPHub keys and the service tokens that come with them. A key's id names it. */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { OperationRefused } from "./OperationRefused.ts"
import { Owner, UserRef } from "./UserRef.ts"

export const KeyView = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  username: Schema.String,
  isActive: Schema.Boolean,
  /** ISO 8601, UTC. */
  createdAt: Schema.String,
  expiresAt: Schema.String,
  /** `ending` from 14 days before its end, `ended` for 14 days after it, unless it was revoked. */
  ending: Schema.NullOr(Schema.Literals(["ending", "ended"])),
  lastUsedAt: Schema.NullOr(Schema.String),
  usageCount: Schema.Number,
  /** Names only: a value never leaves the database again. */
  serviceTokens: Schema.Array(Schema.String)
})
export type KeyView = typeof KeyView.Type

export const NewKey = Schema.Struct({
  /** The key itself, shown this once. */
  key: Schema.String,
  id: Schema.String,
  expiresAt: Schema.String,
  name: Schema.String,
  username: Schema.String
})
export type NewKey = typeof NewKey.Type

export const TokenView = Schema.Struct({
  name: Schema.String,
  username: Schema.String,
  /** It comes with every key of the user, also with one made later. */
  ofUser: Schema.Boolean,
  /** The keys it comes with now. */
  keyIds: Schema.Array(Schema.String)
})
export type TokenView = typeof TokenView.Type

const key = { key: Schema.String, owner: Owner }
/** `key` absent: the user. */
const token = { user: UserRef, name: Schema.String, key: Schema.NullOr(Schema.String) }

export class KeyOperations extends RpcGroup.make(
  Rpc.make("keyCreate", {
    payload: { user: UserRef, name: Schema.NullOr(Schema.String), days: Schema.NullOr(Schema.Number) },
    success: NewKey,
    error: OperationRefused
  }),
  Rpc.make("keyList", {
    payload: { user: Schema.NullOr(UserRef) },
    success: Schema.Array(KeyView),
    error: OperationRefused
  }),
  Rpc.make("keyShow", { payload: key, success: KeyView, error: OperationRefused }),
  Rpc.make("keyRename", { payload: { ...key, name: Schema.String }, success: KeyView, error: OperationRefused }),
  /** Makes the key valid for `days` from now on. */
  Rpc.make("keyExtend", { payload: { ...key, days: Schema.Number }, success: KeyView, error: OperationRefused }),
  /** Beside a running hub it succeeds once the sessions of the key have ended. */
  Rpc.make("keyRevoke", { payload: key, success: KeyView, error: OperationRefused }),
  Rpc.make("tokenSet", { payload: { ...token, value: Schema.String }, success: TokenView, error: OperationRefused }),
  Rpc.make("tokenList", {
    payload: { user: UserRef },
    success: Schema.Array(TokenView),
    error: OperationRefused
  }),
  /** Whether the stored tokens open with the hub's credential key. */
  Rpc.make("tokenCheck", {
    success: Schema.Struct({ checked: Schema.Number, unreadable: Schema.Number }),
    error: OperationRefused
  }),
  Rpc.make("tokenRemove", { payload: token, success: TokenView, error: OperationRefused })
) {}
