/**
 * A request that has passed Host, Origin, key and target: both eras go on with it.
 */
import type { Principal } from "../../domain/identity/Principal.ts"
import type { WireReply, WireRequest } from "../wire/Wire.ts"
import type { Target } from "../../domain/access/Target.ts"

export interface Admitted {
  readonly request: WireRequest
  readonly reply: WireReply
  readonly principal: Principal
  readonly target: Target
}
