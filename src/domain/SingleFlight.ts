/**
 * Work that several ask for at the same time and that runs once: the first to ask under a key begins it, the others wait
 * for the same outcome. Success and failure reach all who wait, and nothing is remembered: whoever asks afterwards begins
 * anew.
 *
 * The work runs in the scope given here and not in the fiber of whoever asked first: a caller that is interrupted stops
 * waiting, and the work goes on for the others. It ends with that scope.
 */
import { Deferred, Effect, Exit, type Scope } from "effect"

export interface SingleFlight<K, A, E> {
  /** The outcome of the work under way, or of the given work. */
  readonly run: <R>(key: K, work: Work<A, E, R>) => Effect.Effect<A, E, R>
  /** As `run`, succeeding with what waits for the outcome as soon as the work is on its way. */
  readonly begin: <R>(key: K, work: Work<A, E, R>) => Effect.Effect<Effect.Effect<A, E>, never, R>
  readonly has: (key: K) => boolean
  readonly keys: () => Iterable<K>
  /** Whoever waits goes on waiting; the next to ask begins anew. */
  readonly forget: (key: K) => void
}

/** `isCurrent` turns false when the key is forgotten. */
type Work<A, E, R> = (isCurrent: () => boolean) => Effect.Effect<A, E, R>

/** `interrupted` is the error for those who wait when the scope closes; without, their wait is interrupted too. */
export const make = <K, A, E>(scope: Scope.Scope, interrupted?: () => E): SingleFlight<K, A, E> => {
  const flights = new Map<K, Deferred.Deferred<A, E>>()

  const begin: SingleFlight<K, A, E>["begin"] = (key, work) =>
    // From the map to the observer without a gap in which an interruption could leave a flight that nothing ends.
    Effect.uninterruptible(
      Effect.suspend(() => {
        const known = flights.get(key)
        if (known !== undefined) return Effect.succeed(Deferred.await(known))
        const flight = Deferred.makeUnsafe<A, E>()
        const isCurrent = (): boolean => flights.get(key) === flight
        flights.set(key, flight)
        const working = Effect.suspend(() => work(isCurrent))
        return Effect.map(Effect.forkIn(working, scope), (fiber) => {
          // Observed from outside, because work in a scope that has closed never begins and has no end of its own.
          fiber.addObserver((exit) => {
            if (isCurrent()) flights.delete(key)
            const isOver = interrupted !== undefined && Exit.hasInterrupts(exit)
            Deferred.doneUnsafe(flight, isOver ? Exit.fail(interrupted()) : exit)
          })
          return Deferred.await(flight)
        })
      })
    )

  return {
    run: (key, work) => Effect.flatten(begin(key, work)),
    begin,
    has: (key) => flights.has(key),
    keys: () => flights.keys(),
    forget: (key) => void flights.delete(key)
  }
}
