/**
 * The loop that brings what waits in memory to the database, and goes on waiting while the database is away: a line when
 * nothing can be written any more, and one when it can again. Closing the scope writes what waits, for as long as that
 * may take; old rows are removed once an hour.
 */
import { Clock, type Duration, Effect, type Latch, Schedule, Semaphore } from "effect"
import { DatabaseUnavailable } from "../../domain/identity/IdentityErrors.ts"

const retainEvery = "1 hour"

/** The failure of a batch that the database has not taken in time. */
export const noAnswer = new DatabaseUnavailable({ message: "The database does not answer" })

export interface BackgroundWritingOptions {
  /** The lines of the log. */
  readonly words: {
    readonly stopped: string
    readonly resumed: string
    readonly notRemoved: string
  }
  /** Opened by whoever adds something. */
  readonly some: Latch.Latch
  readonly waits: () => boolean
  /** Writes some of it; the failure where the database does not take it. */
  readonly writeBatch: Effect.Effect<DatabaseUnavailable | undefined>
  /** Told after each batch, before the line that says that it can be written again. */
  readonly batchEnded?: (isWritten: boolean) => Effect.Effect<void>
  /** How long things are collected before they are written, and the pause between attempts. */
  readonly collectFor: Duration.Input
  readonly pause: Duration.Input
  readonly farewellLimit: Duration.Input
  /** What a scope that closes has to leave unwritten, in words. */
  readonly left: () => string | undefined
  readonly retain: (now: number) => Effect.Effect<unknown, DatabaseUnavailable>
}

export interface BackgroundWriting {
  /** From a failed attempt to the next good one. */
  readonly isFailing: () => boolean
  /** Writes what waits now; ends early, keeping it, when the database does not answer. */
  readonly flush: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* (options: BackgroundWritingOptions) {
  const { some, waits, words, writeBatch } = options
  const turn = yield* Semaphore.make(1)
  let failing: string | undefined

  const say = Effect.fnUntraced(function* (reason: string | undefined) {
    const before = failing
    failing = reason
    if (reason !== undefined && reason !== before) {
      yield* Effect.annotateLogs(Effect.logWarning(words.stopped), { reason })
    }
    if (options.batchEnded !== undefined) yield* options.batchEnded(reason === undefined)
    if (reason === undefined && before !== undefined) yield* Effect.logWarning(words.resumed)
  })

  const flush = Effect.gen(function* () {
    let reason: string | undefined
    while (reason === undefined && waits()) {
      reason = (yield* writeBatch)?.message
      yield* say(reason)
    }
    return reason === undefined
  }).pipe(turn.withPermit)

  const write = Effect.gen(function* () {
    yield* some.await
    yield* Effect.sleep(options.collectFor)
    some.closeUnsafe()
    while (!(yield* flush)) yield* Effect.sleep(options.pause)
  })

  const farewell = Effect.gen(function* () {
    yield* Effect.timeoutOption(flush, options.farewellLimit)
    const left = options.left()
    if (left !== undefined) yield* Effect.logError(`${left}: ${failing ?? noAnswer.message}`)
  })

  const retain = Effect.flatMap(Clock.currentTimeMillis, options.retain).pipe(
    Effect.catch(() => Effect.logWarning(`${words.notRemoved}: the database is away`)),
    // The hub serves without it, and the rows stay.
    Effect.catchDefect((defect) => Effect.logError(words.notRemoved, defect)),
    Effect.repeat(Schedule.spaced(retainEvery))
  )

  yield* Effect.addFinalizer(() => farewell)
  yield* Effect.forkScoped(Effect.forever(write))
  yield* Effect.forkScoped(retain)

  return { isFailing: () => failing !== undefined, flush: Effect.asVoid(flush) } satisfies BackgroundWriting
})
