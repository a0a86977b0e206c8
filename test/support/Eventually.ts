/**
 * A poll for state that announces no change: another process, the system's list of processes, sockets that the kernel
 * closes. Tests wait for everything else by its own event; only here do they look again by the clock.
 */
import { Clock, type Duration, Effect, Schedule } from "effect"

/** The machine's clock, whatever the test's own is: what is waited for does not run by a test's. */
const machine = Clock.Clock.defaultValue()

/**
 * Asks again until the answer is as wanted, and answers with the last one when the deadline has passed: the caller's
 * assertion then shows what was wrong.
 */
export const eventually = <A, E, R>(
  ask: Effect.Effect<A, E, R>,
  wanted: (value: A) => boolean,
  { deadline = "20 seconds", every = "100 millis" }: { deadline?: Duration.Input; every?: Duration.Input } = {}
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let last: A
    const asked = Effect.tap(ask, (value) => Effect.sync(() => (last = value)))
    return asked.pipe(
      Effect.repeat({ until: wanted, schedule: Schedule.spaced(every) }),
      Effect.map(() => last),
      Effect.timeoutOrElse({ duration: deadline, orElse: () => Effect.sync(() => last) }),
      Effect.provideService(Clock.Clock, machine)
    )
  })
