/**
 * The pause before a stream that ended is opened again: never less than a second, however politely it ended, ever
 * longer while nothing comes through, and a little at random, so that a restarted server is not met by all at once.
 */
import { Effect, Random } from "effect"

const floorMs = 1_000
const ceilingMs = 60_000
/** The most a server may ask for. */
const maxAskedMs = 300_000

/** `quiet` counts the openings in a row that brought nothing; `askedMs` is what the server wants. */
export const pause = Effect.fnUntraced(function* (quiet: number, askedMs = 0) {
  const jitter = 1 + (yield* Random.next) / 4
  const backoff = Math.min(floorMs * 2 ** Math.min(quiet, 10), ceilingMs)
  yield* Effect.sleep(Math.max(backoff, Math.min(askedMs, maxAskedMs)) * jitter)
})
