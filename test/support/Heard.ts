/** The values a callback has been given: all of them so far, and each one as it comes. */
import { Effect, Queue } from "effect"

export const make = <A>() =>
  Effect.map(Queue.unbounded<A>(), (coming) => {
    const all: Array<A> = []
    return {
      all: all as ReadonlyArray<A>,
      add: (value: A): void => {
        all.push(value)
        Queue.offerUnsafe(coming, value)
      },
      /** The first that has not been taken yet. */
      next: Queue.take(coming)
    }
  })
