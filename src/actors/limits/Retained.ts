/**
 * The ledger of what the hub keeps in memory for each user beyond the moment: one account a user, in bytes and by kind,
 * and one for each server that several users share (`Payer`).
 * Each kind has a bound of its own, so that none takes the room of the others, and all of them have one together
 * (`MAX_MEMORY_PER_USER`). Counting is exact and synchronous; whoever holds bytes releases as many, and what a scope
 * still holds is released at its end.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { HubConfig, type HubConfigShape } from "../../domain/config/HubConfig.ts"
import type { Payer } from "./Payer.ts"

/**
 * `answers`: large answers on their way. `batches`: answers that wait for the rest of their batch. `bodies`: of requests,
 * still arriving. `events`: kept for clients that come back. `lists`: of servers, and URIs that they gave. `news`: of
 * servers that talk too much, until it is its turn. `notifications`: that servers have not accepted yet. `parked`: what a
 * call has for its client while the client asks for nothing. `subscriptions`: to resources.
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
    readonly hold: (payer: Payer, kind: RetainedKind, bytes: number, inPlaceOf?: number) => boolean
    /** Counts what is there already and cannot be refused. */
    readonly count: (payer: Payer, kind: RetainedKind, bytes: number) => void
    readonly release: (payer: Payer, kind: RetainedKind, bytes: number) => void
    readonly claim: (payer: Payer, kind: RetainedKind) => Claim
    /** For what belongs to the caller's scope: after its end there is no room, and nothing of it is held. */
    readonly room: (payer: Payer, kind: RetainedKind) => Effect.Effect<Room, never, Scope.Scope>
    readonly heldBy: (payer: Payer) => RetainedBytes
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
  const accounts = new Map<Payer, Account>()
  const total = { ...nothing }
  const refused = { ...nothing }

  const add = (payer: Payer, kind: RetainedKind, bytes: number): void => {
    let account = accounts.get(payer)
    if (account === undefined) accounts.set(payer, (account = { held: { ...nothing }, all: 0 }))
    account.held[kind] += bytes
    account.all += bytes
    total[kind] += bytes
    if (account.all === 0) accounts.delete(payer)
  }

  const hasRoom = (payer: Payer, kind: RetainedKind, bytes: number): boolean => {
    const account = accounts.get(payer)
    return (account?.held[kind] ?? 0) + bytes <= bounds[kind] && (account?.all ?? 0) + bytes <= config.maxMemoryPerUser
  }

  const hold = (payer: Payer, kind: RetainedKind, bytes: number, inPlaceOf = 0): boolean => {
    if (!hasRoom(payer, kind, bytes - inPlaceOf)) {
      refused[kind]++
      return false
    }
    add(payer, kind, bytes)
    return true
  }

  const claim = (payer: Payer, kind: RetainedKind): Claim => {
    let held = 0
    let hasEnded = false
    const count = (bytes: number): void => {
      if (hasEnded) return
      add(payer, kind, bytes)
      held += bytes
    }
    const take = (bytes: number, inPlaceOf?: number): boolean => {
      if (hasEnded || !hold(payer, kind, bytes, inPlaceOf)) return false
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
    release: (payer, kind, bytes) => add(payer, kind, -bytes),
    claim,
    room: (payer, kind) =>
      Effect.acquireRelease(
        Effect.sync(() => claim(payer, kind)),
        ({ end }) => Effect.sync(end)
      ),
    heldBy: (payer) => accounts.get(payer)?.held ?? nothing,
    held: (kind) => total[kind],
    refused: (kind) => refused[kind]
  })
})
