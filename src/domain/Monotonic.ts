/**
 * Milliseconds that never go back and pass at the speed of time, for pauses, idle times and limits: setting the wall
 * clock neither ends nor prolongs them. They mean nothing outside this process and are never shown or stored.
 */
import type { Clock } from "effect"

export const monotonicMillis =
  (clock: Clock.Clock): (() => number) =>
  () =>
    Number(clock.monotonicTimeNanosUnsafe()) / 1e6
