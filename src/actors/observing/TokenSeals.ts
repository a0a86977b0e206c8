/**
 * Looks at the start, and every hour, whether the stored service tokens open with the hub's credential key: a hub that
 * was given another one works for everybody who needs no token, so nothing else would tell.
 */
import { Effect, Layer } from "effect"
import { HubKeys } from "../../domain/identity/HubKeys.ts"
import type { SealCheck } from "../../domain/identity/ServiceTokens.ts"
import { HubMetrics } from "./HubMetrics.ts"

export const layer: Layer.Layer<never, never, HubKeys | HubMetrics> = Layer.effectDiscard(
  Effect.gen(function* () {
    const keys = yield* HubKeys
    const metrics = yield* HubMetrics
    let latest: SealCheck = { checked: 0, unreadable: 0 }

    const look = Effect.gen(function* () {
      const before = latest
      latest = yield* keys.checkSeals
      const { checked, unreadable } = latest
      if (unreadable === 0 || unreadable === before.unreadable) return
      yield* Effect.logError(
        "Stored service tokens do not open: they were sealed with another CREDENTIAL_KEY; start the hub with that key, or set the tokens again"
      ).pipe(Effect.annotateLogs({ checked, unreadable }))
    })

    const about = "Stored service tokens that do not open with the credential key"
    yield* metrics.gauge("mcphub_tokens_unreadable", about, () => latest.unreadable)
    // While the database is away there is nothing to tell; the next look will.
    yield* Effect.ignore(look).pipe(Effect.andThen(Effect.sleep("1 hour")), Effect.forever, Effect.forkScoped)
  })
)
