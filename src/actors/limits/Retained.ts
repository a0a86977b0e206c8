/**
 * The ledger of what the hub keeps in memory for each user beyond the moment: one account a user, in bytes and by kind.
 * Each kind has a bound of its own, so that none takes the room of the others, and all of them have one together
 * (`MAX_MEMORY_PER_USER`). Counting is exact and synchronous; whoever holds bytes releases as many, and what a scope
 * still holds is released at its end.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { HubConfig, type HubConfigShape } from "../../domain/config/HubConfig.ts"
import type { UserId } from "../../domain/Ids.ts"

/**
 * `answers`: large answers on their way. `batches`: answers that wait for the rest of their batch. `bodies`: of requests,
 * still arriving. `events`: kept for clients that come back. `lists`: of servers. `news`: of servers that talk too much,
 * until it is its turn. `notifications`: that servers have not accepted yet. `parked`: what a call has for its client
 * while the client asks for nothing. `subscriptions`: to resources.
 */
export const retainedKinds = [
  "answers",
  "batches",
  "bodies",
  "events",
  "lists",
  "news",
  "notifications",
  "parked",
  "subscriptions"
] as const

export type RetainedKind = (typeof retainedKinds)[number]

export type RetainedBytes = Readonly<Record<RetainedKind, number>>

const MiB = 1024 * 1024

/** A user's honest uploads may arrive together. */
const bodiesAtOnce = 32
const leastBodyBytes = 64 * MiB

const boundsOf = (config: HubConfigShape): RetainedBytes => {
  const { maxAnswerBytesPerUser, maxBodyBytes, maxMemoryPerUser: max } = config
  return {
    answers: Math.min(maxAnswerBytesPerUser, max),
    batches: max / 4,
    bodies: Math.min(Math.max(bodiesAtOnce * maxBodyBytes, leastBodyBytes), max),
    events: max / 4,
    lists: max / 2,
    news: max / 16,
    notifications: max / 8,
    parked: max / 8,
    subscriptions: max / 16
  }
}

/** The room that a user has for one kind of thing. */
export interface Room {
  /**
   * Takes the bytes if there is room for them, in their kind and in all. `inPlaceOf` bytes are held already and are
   * released when these are complete.
   */
  readonly hold: (bytes: number, inPlaceOf?: number) => boolean
  readonly release: (bytes: number) => void
}

/** What one thing takes of its user's room, which lives as long as the thing does. */
export interface Claim extends Room {
  /**
   * N bytes are held now, whatever it was before. False: there is no room for more, and as much is held as before. After
   * its end nothing is held, and that is no lack of room.
   */
  readonly set: (bytes: number) => boolean
  /** Counts what is there already and cannot be refused. */
  readonly count: (bytes: number) => void
  /** Nothing is held, now and from now on. */
  readonly end: () => void
}

export class Retained extends Context.Service<
  Retained,
  {
    /** Bytes that one user may have of each kind. */
    readonly bounds: RetainedBytes
    /** Takes the bytes if there is room for them, in their kind and in all. */
    readonly hold: (userId: UserId, kind: RetainedKind, bytes: number) => boolean
    /** Counts what is there already and cannot be refused. */
    readonly count: (userId: UserId, kind: RetainedKind, bytes: number) => void
    readonly release: (userId: UserId, kind: RetainedKind, bytes: number) => void
    readonly claim: (userId: UserId, kind: RetainedKind) => Claim
    /** For what belongs to the caller's scope: after its end there is no room, and nothing of it is held. */
    readonly room: (userId: UserId, kind: RetainedKind) => Effect.Effect<Room, never, Scope.Scope>
    readonly heldBy: (userId: UserId) => RetainedBytes
    /** Over all users, for gauges. */
    readonly held: (kind: RetainedKind) => number
    readonly refused: (kind: RetainedKind) => number
  }
>()("mcphub/actors/limits/Retained") {
  static readonly layer: Layer.Layer<Retained> = Layer.effect(
    Retained,
    Effect.suspend(() => make)
  )
}

const nothing: RetainedBytes = Object.fromEntries(retainedKinds.map((kind) => [kind, 0])) as Record<
  RetainedKind,
  number
>

interface Account {
  readonly held: Record<RetainedKind, number>
  all: number
}

const make = Effect.gen(function* () {
  const config = yield* HubConfig
  const bounds = boundsOf(config)
  const users = new Map<UserId, Account>()
  const total = { ...nothing }
  const refused = { ...nothing }

  const add = (userId: UserId, kind: RetainedKind, bytes: number): void => {
    let account = users.get(userId)
    if (account === undefined) users.set(userId, (account = { held: { ...nothing }, all: 0 }))
    account.held[kind] += bytes
    account.all += bytes
    total[kind] += bytes
    if (account.all === 0) users.delete(userId)
  }

  const hasRoom = (userId: UserId, kind: RetainedKind, bytes: number): boolean => {
    const account = users.get(userId)
    return (account?.held[kind] ?? 0) + bytes <= bounds[kind] && (account?.all ?? 0) + bytes <= config.maxMemoryPerUser
  }

  const hold = (userId: UserId, kind: RetainedKind, bytes: number, inPlaceOf = 0): boolean => {
    if (!hasRoom(userId, kind, bytes - inPlaceOf)) {
      refused[kind]++
      return false
    }
    add(userId, kind, bytes)
    return true
  }

  const claim = (userId: UserId, kind: RetainedKind): Claim => {
    let held = 0
    let hasEnded = false
    const count = (bytes: number): void => {
      if (hasEnded) return
      add(userId, kind, bytes)
      held += bytes
    }
    const take = (bytes: number, inPlaceOf?: number): boolean => {
      if (hasEnded || !hold(userId, kind, bytes, inPlaceOf)) return false
      held += bytes
      return true
    }
    return {
      hold: take,
      count,
      release: (bytes) => count(-bytes),
      set: (bytes) => {
        if (bytes > held && !hasEnded) return take(bytes - held)
        count(bytes - held)
        return true
      },
      end: () => {
        count(-held)
        hasEnded = true
      }
    }
  }

  return Retained.of({
    bounds,
    hold,
    count: add,
    release: (userId, kind, bytes) => add(userId, kind, -bytes),
    claim,
    room: (userId, kind) =>
      Effect.acquireRelease(
        Effect.sync(() => claim(userId, kind)),
        ({ end }) => Effect.sync(end)
      ),
    heldBy: (userId) => users.get(userId)?.held ?? nothing,
    held: (kind) => total[kind],
    refused: (kind) => refused[kind]
  })
})
