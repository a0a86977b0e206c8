/**
 * The bytes of large answers that the hub holds for each user: while they arrive from a server, whole or as one event
 * or line, and while they leave to the client. Each answer has a limit of its own (`MAX_UPSTREAM_BYTES`); this one is
 * for all that a user has on their way at once, so that nobody can have the hub hold a multiple of it.
 *
 * What arrives is refused beyond the limit. What leaves counts and is never refused: it is there already, and the next
 * answers have less room for it. Answers below `large` are not counted, and cost nothing here.
 */
import { Context, Effect, Layer } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { UserId } from "../../domain/Ids.ts"
import { large } from "../../domain/protocol/json/ResponseScanner.ts"

/** What one answer, or the stream it comes by, takes of its user's room. */
export interface AnswerRoom {
  /** Bytes the user may have altogether. */
  readonly max: number
  /** So many bytes of it are held now. False: there is no room for them, and it has to be given up. */
  readonly hold: (bytes: number) => boolean
  /** Nothing of it is held, now and from now on. */
  readonly end: () => void
}

export class AnswerBytes extends Context.Service<
  AnswerBytes,
  {
    readonly arriving: (userId: UserId) => AnswerRoom
    /** Counts N bytes until the result is called; calling it twice does no harm. */
    readonly leaving: (userId: UserId, bytes: number) => () => void
    /** Over all users, for the gauge. */
    readonly held: () => number
    readonly heldBy: (userId: UserId) => number
  }
>()("mcphub/actors/limits/AnswerBytes") {
  static readonly layer: Layer.Layer<AnswerBytes> = Layer.effect(
    AnswerBytes,
    Effect.suspend(() => make)
  )
}

const nothing = (): void => {}

const make = Effect.gen(function* () {
  const { maxAnswerBytesPerUser: max } = yield* HubConfig
  const users = new Map<UserId, number>()
  let total = 0

  const heldBy = (userId: UserId): number => users.get(userId) ?? 0

  const add = (userId: UserId, bytes: number): void => {
    total += bytes
    const now = heldBy(userId) + bytes
    if (now === 0) users.delete(userId)
    else users.set(userId, now)
  }

  return AnswerBytes.of({
    held: () => total,
    heldBy,
    arriving: (userId) => {
      let counted = 0
      let hasEnded = false
      const count = (bytes: number): void => {
        if (bytes === counted) return
        add(userId, bytes - counted)
        counted = bytes
      }
      return {
        max,
        hold: (bytes) => {
          if (hasEnded) return true
          const wanted = bytes < large ? 0 : bytes
          if (wanted > counted && heldBy(userId) + wanted - counted > max) return false
          count(wanted)
          return true
        },
        end: () => {
          hasEnded = true
          count(0)
        }
      }
    },
    leaving: (userId, bytes) => {
      if (bytes < large) return nothing
      add(userId, bytes)
      let isHeld = true
      return () => {
        if (isHeld) add(userId, -bytes)
        isHeld = false
      }
    }
  })
})
