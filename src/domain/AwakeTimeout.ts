/**
 * A timeout for data from sockets and pipes that does not mistake a stalled process for a silent peer: when the timer
 * wakes late, answers may lie unread, so the process gets a moment to read them first.
 */
import { Clock, Effect } from "effect"
import { monotonicMillis } from "./Monotonic.ts"

/** Milliseconds of lateness from which on the process counts as stalled. */
export const stallMs = 100
/** Milliseconds to read what lies unread: below the ±250 ms that a request's time limit promises. */
export const graceMs = 150
const maxGraces = 5

const sleepAwake = Effect.fnUntraced(function* (ms: number) {
  const now = monotonicMillis(yield* Clock.Clock)
  let until = now() + ms
  yield* Effect.sleep(ms)
  for (let graces = 0; now() - until > stallMs && graces < maxGraces; graces++) {
    until = now() + graceMs
    yield* Effect.sleep(graceMs)
  }
})

export const timeoutAwake =
  <A2, E2, R2>(ms: number, orElse: () => Effect.Effect<A2, E2, R2>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A | A2, E | E2, R | R2> =>
    Effect.flatMap(
      Effect.raceFirst(
        Effect.map(self, (value) => ({ inTime: true as const, value })),
        Effect.as(sleepAwake(ms), { inTime: false as const })
      ),
      (result): Effect.Effect<A | A2, E2, R2> => (result.inTime ? Effect.succeed(result.value) : orElse())
    )
