/**
 * Rows of several users written together, of which one that fails for its own sake fails alone: a batch that the
 * database does not take is written by halves until the row is found. A database that does not answer is no fault of a
 * row, and ends it all.
 */
import { Cause, Effect } from "effect"

/** Rows of one batch that are looked for; with more of them the rest is given up together: it is not the rows' fault. */
const mostBad = 8

/** `giveUp` gets the rows that cannot be written, with the reason. What was written comes back, in order. */
export const writeApart = <Row, A, E, E2>(
  rows: ReadonlyArray<Row>,
  write: (rows: ReadonlyArray<Row>) => Effect.Effect<A, E>,
  giveUp: (rows: ReadonlyArray<Row>, cause: Cause.Cause<E>) => Effect.Effect<void, E2>
): Effect.Effect<ReadonlyArray<A>, E | E2> => {
  let bad = 0
  const part = (some: ReadonlyArray<Row>): Effect.Effect<ReadonlyArray<A>, E | E2> =>
    Effect.matchCauseEffect(write(some), {
      onSuccess: (written) => Effect.succeed([written]),
      onFailure: (cause): Effect.Effect<ReadonlyArray<A>, E | E2> => {
        if (Cause.hasInterrupts(cause) || !Cause.hasDies(cause)) return Effect.failCause(cause)
        if (some.length === 1 || bad >= mostBad) {
          bad++
          return Effect.as(giveUp(some, cause), [])
        }
        const half = Math.ceil(some.length / 2)
        return Effect.zipWith(
          part(some.slice(0, half)),
          Effect.suspend(() => part(some.slice(half))),
          (first, second) => [...first, ...second]
        )
      }
    })
  return Effect.suspend(() => part(rows))
}
