/**
 * The bytes of request bodies that the hub holds for each user while they are still arriving. Each body has a limit of
 * its own (`MAX_BODY_BYTES`); this one is for all that a user has begun and not finished, so that nobody can have the
 * hub hold hundreds of halves. A body that arrives in one piece is not counted, and costs nothing here.
 */
import { Context, Effect, Layer } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { UserId } from "../../domain/Ids.ts"

/** What one body takes of its user's room. */
export interface BodyRoom {
  /** N bytes of it are held now. False: there is no room for them. */
  readonly hold: (bytes: number) => boolean
  /** Nothing of it is held any more. */
  readonly end: () => void
}

export class BodyBytes extends Context.Service<
  BodyBytes,
  {
    /** Bytes one user may have altogether. */
    readonly max: number
    readonly arriving: (userId: UserId) => BodyRoom
    /** Over all users, for the gauge. */
    readonly held: () => number
  }
>()("mcphub/actors/limits/BodyBytes") {
  static readonly layer: Layer.Layer<BodyBytes> = Layer.effect(
    BodyBytes,
    Effect.suspend(() => make)
  )
}

const bodies = 32
const leastBytes = 64 * 1024 * 1024

const make = Effect.gen(function* () {
  const { maxBodyBytes } = yield* HubConfig
  const max = Math.max(bodies * maxBodyBytes, leastBytes)
  const users = new Map<UserId, number>()
  let total = 0

  const add = (userId: UserId, bytes: number): void => {
    total += bytes
    const now = (users.get(userId) ?? 0) + bytes
    if (now === 0) users.delete(userId)
    else users.set(userId, now)
  }

  return BodyBytes.of({
    max,
    held: () => total,
    arriving: (userId) => {
      let counted = 0
      return {
        hold: (bytes) => {
          if ((users.get(userId) ?? 0) + bytes - counted > max) return false
          add(userId, bytes - counted)
          counted = bytes
          return true
        },
        end: () => {
          add(userId, -counted)
          counted = 0
        }
      }
    }
  })
})
