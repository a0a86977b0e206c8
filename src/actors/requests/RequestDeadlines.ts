/**
 * The deadlines of all running requests, kept by one fiber: it sleeps until the nearest one, ends what is due and looks
 * for the next. A request costs no timer and no fiber of its own here.
 *
 * Time is monotonic, so setting the wall clock ends nothing. When the process was stalled, the fiber wakes late; answers
 * may then lie unread in the sockets, so it lets them be read before it looks again.
 */
import { Clock, Effect, FiberHandle, type Scope } from "effect"
import { graceMs, stallMs } from "../../domain/AwakeTimeout.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"

/** A process that keeps standing still gets no more graces than this. */
const maxGraces = 5

/** What is watched: the earliest moment (monotonic milliseconds) at which it may be due, and how to end it. */
export interface Deadlined {
  readonly deadline: number
  readonly expire: () => void
}

export interface RequestDeadlines {
  /** Monotonic milliseconds, with a fraction. */
  readonly now: () => number
  /** The moment that is awaited: later ones need not be told of. */
  readonly awaited: number
  /** Tells that something is due at this moment. */
  readonly arm: (deadline: number) => void
}

/** Watches everything `running` yields; it is read only when a deadline was reached. */
export const make = Effect.fnUntraced(function* (
  running: () => Iterable<Deadlined>
): Effect.fn.Return<RequestDeadlines, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const run = yield* FiberHandle.makeRuntime<never>()
  const now = monotonicMillis(clock)
  const expireDue = () => {
    const moment = now()
    // Ending a request may start another one: it must not restart the watch in the middle of this round.
    deadlines.awaited = Number.NEGATIVE_INFINITY
    for (const each of running()) if (each.deadline <= moment) each.expire()
    deadlines.awaited = Number.POSITIVE_INFINITY
    for (const each of running()) deadlines.awaited = Math.min(deadlines.awaited, each.deadline)
  }

  const watch = Effect.gen(function* () {
    while (deadlines.awaited !== Number.POSITIVE_INFINITY) {
      const remaining = deadlines.awaited - now()
      if (remaining > 0) {
        yield* Effect.sleep(Math.ceil(remaining))
        let late = now() - deadlines.awaited
        for (let graces = 0; late > stallMs && graces < maxGraces; graces++) {
          const until = now() + graceMs
          yield* Effect.sleep(graceMs)
          late = now() - until
        }
      }
      // One turn of the event loop: an answer that is already here wins.
      yield* Effect.yieldNow
      expireDue()
    }
  })

  const deadlines = {
    now,
    awaited: Number.POSITIVE_INFINITY,
    arm: (deadline: number) => {
      if (deadline >= deadlines.awaited) return
      deadlines.awaited = deadline
      run(watch)
    }
  }
  return deadlines
})
