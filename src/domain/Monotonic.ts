/**
 * Milliseconds that only ever go forward, at the speed of time: for pauses, idle times and limits, which a wall clock
 * that is set must neither end nor make last. They mean nothing outside this process and are never shown or stored.
 */
import type { Clock } from "effect"

/** Reads the monotonic side of a clock, with a fraction. */
export const monotonicMillis =
  (clock: Clock.Clock): (() => number) =>
  () =>
    Number(clock.monotonicTimeNanosUnsafe()) / 1e6
