/** The operations that seal what an old hub stored as text, and go the way back. */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { OperationRefused } from "./OperationRefused.ts"

export const ResealedView = Schema.Struct({
  /** Keys and service tokens that were changed. */
  keys: Schema.Number,
  tokens: Schema.Number,
  /** Keys whose text is kept sealed, for the way back. */
  kept: Schema.Number,
  /** After the way back: keys whose text nobody has. */
  digests: Schema.Number,
  /** Keys left as text, since the same key stands in another row as well. */
  twins: Schema.Number
})
export type ResealedView = typeof ResealedView.Type

export class SealOperations extends RpcGroup.make(
  Rpc.make("seal", { payload: { final: Schema.Boolean }, success: ResealedView, error: OperationRefused }),
  Rpc.make("unseal", { success: ResealedView, error: OperationRefused })
) {}
