/**
 * The test's clock in a process that can stall: time goes on, and nothing that is due wakes until the stall is over.
 */
import { Clock, Effect } from "effect"

export interface StallingClock {
  readonly clock: Clock.Clock
  /** So many milliseconds have passed while nothing ran. */
  readonly stall: (ms: number) => void
}

export const make: Effect.Effect<StallingClock> = Effect.map(Clock.Clock, (inner) => {
  let stalledMs = 0
  const millis = () => inner.currentTimeMillisUnsafe() + stalledMs
  const nanos = () => inner.currentTimeNanosUnsafe() + BigInt(stalledMs) * 1_000_000n
  const monotonic = () => inner.monotonicTimeNanosUnsafe() + BigInt(stalledMs) * 1_000_000n
  return {
    clock: {
      ...inner,
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: monotonic,
      monotonicTimeNanos: Effect.sync(monotonic)
    },
    stall: (ms) => void (stalledMs += ms)
  }
})
