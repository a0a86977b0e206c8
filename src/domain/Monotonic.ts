/**
 * Milliseconds that never go back and pass at the speed of time, for pauses, idle times and limits: setting the wall
 * clock neither ends nor prolongs them. They mean nothing outside this process and are never shown or stored.
 *
 * A call reads them nine times, and each reading of the clock in nanoseconds makes a `BigInt`; where the clock is the
 * platform's, it is read as the number that it is.
 */
import { Clock, Context } from "effect"

const platform = Context.get(Context.empty(), Clock.Clock)
const sinceStart = performance.now.bind(performance)

export const monotonicMillis = (clock: Clock.Clock): (() => number) =>
  clock === platform ? sinceStart : () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
