/**
 * The rate at which one user may open sessions and event streams: a client that reconnects without pause is answered 429
 * and costs the hub no session, while requests within a session are never counted.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { UserId } from "../../domain/Ids.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import { TokenBuckets } from "../../domain/TokenBuckets.ts"
import { refuse } from "../wire/Refusals.ts"
import type { WireReply } from "../wire/Wire.ts"

export class OpenRate extends Context.Service<
  OpenRate,
  {
    /** Whether this user may open one more now; what may not is answered here. */
    readonly mayOpen: (userId: UserId, reply: WireReply) => boolean
  }
>()("mcphub/http/admission/OpenRate") {
  static readonly layer = Layer.effect(
    OpenRate,
    Effect.suspend(() => make)
  )
}

/** Openings a second in the long run. */
const perSecond = 50
/** At once, at least: the clients of a whole team that come back after the hub was restarted. */
const leastBurst = 200
/** Users remembered; beyond that the one heard of longest ago is forgotten. */
const maxUsers = 10_000

const make = Effect.gen(function* () {
  const { maxSessionsPerUser } = yield* HubConfig
  const size = { capacity: Math.max(leastBurst, 2 * maxSessionsPerUser), perSecond }
  const buckets = new TokenBuckets(size, maxUsers, monotonicMillis(yield* Clock.Clock))

  return OpenRate.of({
    mayOpen: (userId, reply) => {
      const seconds = buckets.take(userId)
      if (seconds === undefined) return true
      refuse(reply, 429, 1429, "too_many_openings", "This user opens sessions and streams too often; wait a moment", {
        "retry-after": String(seconds)
      })
      return false
    }
  })
})
