/**
 * Writes the sessions of this hub down, off the data path: when one is opened, when it ends, and, in batches, that it
 * is still in use. Writes are never concurrent, so that they reach the database in the order in which they were
 * decided; what has gathered while one was under way is the next.
 *
 * A session whose row cannot be written fails alone: those written with it survive a restart all the same.
 *
 * A database that does not answer delays an `initialize` by a second at most: the session is opened all the same, and
 * written as soon as the database answers. Until then it would not survive a restart, which the log says.
 */
import { randomUUID } from "node:crypto"
import { Cause, Clock, Effect, Exit, Fiber, Semaphore } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { type Claim, SessionStore, type StoredSession } from "../../domain/records/SessionStore.ts"
import { writeApart } from "../../domain/records/WriteApart.ts"
import type { DatabaseUnavailable } from "../../domain/identity/IdentityErrors.ts"
import { WriteTroubles } from "../observing/WriteTroubles.ts"
import type { SessionActor } from "../session/SessionActor.ts"

/** One live session and what of it is written already. */
export interface JournalEntry {
  readonly digest: string
  readonly actor: SessionActor
  written?: { readonly activeAt: number; readonly revision: number } | undefined
}

type Written = NonNullable<JournalEntry["written"]>

export interface SessionJournal {
  /** Resolves when the session is written, or after a second without it. */
  readonly opened: (entry: JournalEntry) => Effect.Effect<void>
  /** The same for ends; `forget` leaves no trace of the id, and leaves alone what goes on in another hub. */
  readonly ended: (digests: ReadonlyArray<string>, how: "end" | "forget") => Effect.Effect<void>
  /** Everything as it is now, for a hub that stops. */
  readonly flush: Effect.Effect<void>
  readonly claim: (digest: string) => Effect.Effect<Claim, DatabaseUnavailable>
}

export interface JournalOptions {
  readonly live: () => Iterable<JournalEntry>
  /** The session was ended elsewhere, or goes on in another hub. */
  readonly lost: (digest: string) => Effect.Effect<void>
}

/** The longest wait of an opening or ending session for the database. */
const patience = "1 second"
/** A statement has this long. */
const deadline = "3 seconds"
const writeEvery = "5 seconds"
const tidyEvery = "1 minute"
const sweepBatch = 1_000
/** Milliseconds the ids of ended sessions are remembered: nobody's client tries that long. */
const rememberEnds = 86_400_000
/** A client that says more of itself than this, in characters of JSON, is not written down; subscriptions have bounds. */
const maxClient = 64 * 1024

const lastOf = <A extends object>(all: ReadonlyArray<A>, last: WeakSet<A>): ReadonlyArray<A> =>
  [...all].sort((one, other) => Number(last.has(one)) - Number(last.has(other)))

export const make = Effect.fnUntraced(function* ({ live, lost }: JournalOptions) {
  const store = yield* SessionStore
  const troubles = yield* WriteTroubles
  const hub = yield* HubConfig
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const writing = yield* Semaphore.make(1)
  /** Of this run of the hub, not of its folder: what an earlier run has written is claimed like another hub's. */
  const owner = randomUUID()
  /** Use is written down this often: sessions are found again up to so long after their idle time. */
  const touchEvery = Math.min(60_000, hub.sessionIdleMs / 10)
  const activeSince = () => clock.currentTimeMillisUnsafe() - hub.sessionIdleMs - 2 * touchEvery
  const ends = new Map<string, "end" | "forget">()
  const fresh = new Set<JournalEntry>()
  const unwritten = new WeakSet<JournalEntry>()
  /** Failed alone when nothing else was written either: they come last, so that those behind them are tried, too. */
  const suspects = new WeakSet<JournalEntry>()
  let failing = false

  const activeAt = ({ actor }: JournalEntry, now: number): number => (actor.inUse() ? now : actor.lastActiveAt())

  /** Undefined where it cannot be made: what the client says of itself is too large even for a text. */
  const rowOf = ({ actor, digest }: JournalEntry, lastActiveAt: number): StoredSession | undefined => {
    try {
      const client = actor.remembered()
      if (JSON.stringify({ ...client, subscriptions: [] }).length > maxClient) return undefined
      const { adopted, createdAt, keyId, protocolVersion, sessionId, target, userId } = actor.summary()
      return { digest, client, lastActiveAt, adopted, createdAt, keyId, protocolVersion, sessionId, target, userId }
    } catch {
      return undefined
    }
  }

  /** Said once of a session, and with whose it is. */
  const sayUnwritten = (entries: ReadonlyArray<JournalEntry>, why: string, cause?: Cause.Cause<unknown>) =>
    Effect.forEach(
      entries.filter((entry) => !unwritten.has(entry)),
      (entry) => {
        unwritten.add(entry)
        const { sessionId, userId, username } = entry.actor.summary()
        return Effect.logWarning(
          `A session does not survive a restart: ${why}`,
          ...(cause === undefined ? [] : [cause])
        ).pipe(Effect.annotateLogs({ userId, user: username, sessionId }))
      },
      { discard: true }
    )

  const save = Effect.fnUntraced(function* (entries: ReadonlyArray<JournalEntry>) {
    const now = clock.currentTimeMillisUnsafe()
    const written = (entry: JournalEntry, state: Written): void => {
      entry.written = state
      fresh.delete(entry)
    }
    const rows = lastOf(entries, suspects).flatMap((entry) => {
      const state = { activeAt: activeAt(entry, now), revision: entry.actor.revision() }
      const row = rowOf(entry, state.activeAt)
      if (row !== undefined) return [{ entry, state, row }]
      written(entry, state)
      return []
    })
    yield* sayUnwritten(
      entries.filter((entry) => !rows.some((one) => one.entry === entry)),
      "its client says too much of itself"
    )
    const alone: Array<(typeof rows)[number] & { readonly cause: Cause.Cause<DatabaseUnavailable> }> = []
    let done = 0
    let rest: Cause.Cause<DatabaseUnavailable> | undefined
    const gone = yield* writeApart(
      rows,
      (part) =>
        Effect.tap(
          store.save(
            owner,
            part.map(({ row }) => row)
          ),
          () =>
            Effect.sync(() => {
              done += part.length
              for (const { entry, state } of part) written(entry, state)
            })
        ),
      (bad, cause) =>
        Effect.sync(() => {
          // More than one are too many to be looked for at once: the next time.
          if (bad.length > 1) rest = cause
          else alone.push({ ...bad[0]!, cause })
        })
    )
    yield* letGo(gone.flat())
    // Not the rows' fault where it is all of them.
    if (rest !== undefined && done === 0) {
      for (const { entry } of alone) suspects.add(entry)
      return yield* Effect.failCause(rest)
    }
    for (const { cause, entry, state } of alone) {
      written(entry, state)
      yield* sayUnwritten([entry], "the database does not take it", cause)
    }
  })

  const letGo = (digests: ReadonlyArray<string>) =>
    Effect.forEach(digests, (digest) => Effect.forkIn(lost(digest), scope), { discard: true })

  /** A session that nobody uses here may be in use elsewhere. */
  const check = Effect.suspend(() =>
    store.disowned(
      owner,
      [...live()].map(({ digest }) => digest)
    )
  ).pipe(Effect.flatMap(letGo))

  const saveEnds = Effect.fnUntraced(function* () {
    const taken = [...ends]
    const digests = (how: "end" | "forget") => taken.flatMap(([digest, kind]) => (kind === how ? [digest] : []))
    yield* store.end(digests("end"))
    yield* store.forget(owner, digests("forget"))
    for (const [digest, how] of taken) if (ends.get(digest) === how) ends.delete(digest)
  })

  const isDue = (entry: JournalEntry, now: number): boolean =>
    entry.written === undefined ||
    entry.written.revision !== entry.actor.revision() ||
    activeAt(entry, now) - entry.written.activeAt >= touchEvery

  /** What was not written is written by the next one: nothing is taken off the lists before it is. */
  const write = (entries: () => ReadonlyArray<JournalEntry>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const saved = entries()
      return saved.length === 0 && ends.size === 0
        ? Effect.void
        : Effect.flatMap(Effect.exit(save(saved)), (exit) => Effect.andThen(saveEnds(), exit)).pipe(
            Effect.timeout(deadline),
            Effect.onExit((exit) =>
              Effect.sync(() => troubles.note("sessions", Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined))
            ),
            Effect.tap(() => (failing ? Effect.logInfo("Sessions are written to the database again") : Effect.void)),
            Effect.andThen(Effect.sync(() => void (failing = false))),
            Effect.catchCause((cause) => {
              if (Cause.hasInterruptsOnly(cause) || failing) return Effect.void
              failing = true
              return Effect.logWarning(
                "Sessions cannot be written to the database: they go on, and end if the hub restarts before it answers",
                cause
              )
            })
          )
    }).pipe(writing.withPermits(1))

  /**
   * Goes on when nobody waits any more. It must not be made interruptible: a hub that was told to stop is an interrupted
   * fiber, and its shutdown, which waits here too, would end at once with the interrupt.
   */
  const soon = (effect: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.flatMap(Effect.forkIn(effect, scope), (fiber) =>
      Fiber.await(fiber).pipe(Effect.timeoutOption(patience), Effect.asVoid)
    )

  const due = () => {
    const now = clock.currentTimeMillisUnsafe()
    return [...live()].filter((entry) => isDue(entry, now))
  }

  const sweep: Effect.Effect<void, DatabaseUnavailable> = Effect.suspend(() => {
    const endedSince = clock.currentTimeMillisUnsafe() - rememberEnds
    return store.sweep({ activeSince: activeSince(), endedSince, limit: sweepBatch })
  }).pipe(Effect.flatMap((swept) => (swept === sweepBatch ? sweep : Effect.void)))

  yield* write(due).pipe(Effect.delay(writeEvery), Effect.forever, Effect.forkScoped)
  yield* check.pipe(
    Effect.andThen(sweep),
    Effect.timeout("30 seconds"),
    Effect.catchCause(() => Effect.void),
    Effect.delay(tidyEvery),
    Effect.forever,
    Effect.forkScoped
  )

  return {
    opened: (entry) => {
      fresh.add(entry)
      return soon(write(() => [...fresh]))
    },
    ended: (digests, how) => {
      for (const digest of digests) ends.set(digest, how)
      return soon(write(() => [...fresh]))
    },
    flush: soon(
      write(() => {
        const now = clock.currentTimeMillisUnsafe()
        return [...live()].filter((entry) => entry.written?.activeAt !== activeAt(entry, now) || isDue(entry, now))
      })
    ),
    claim: (digest) => store.claim(owner, digest, activeSince())
  } satisfies SessionJournal
})
