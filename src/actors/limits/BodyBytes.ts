/**
 * The bytes of request bodies that the hub holds for each user. Each body has a limit of its own (`MAX_BODY_BYTES`); these
 * count in the user's account (`Retained`), so that nobody can have the hub hold hundreds of halves. A small body that
 * arrives in one piece is not counted, and costs nothing here. Large ones take turns (`BodyTurns`) and count from their
 * turn on for as long as anybody holds them.
 */
import { Context, Effect, Layer } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { BodyTurns, type Turn } from "./BodyTurns.ts"
import { Retained } from "./Retained.ts"

/** What one body takes of its user's room. */
export interface BodyRoom {
  /** N bytes of it are held now. False: there is no room for them. */
  readonly hold: (bytes: number) => boolean
  /**
   * It is a large one, of N bytes at most. `goOn` says, now or later, that it is its turn, and whether there is room for
   * it. False: it cannot even wait.
   */
  readonly turn: (bytes: number, isAnswer: boolean, goOn: (hasRoom: boolean) => void) => boolean
  /** It was let in beside the turns, as an answer. */
  readonly isBeside: () => boolean
  /** Nothing of it is held any more. */
  readonly end: () => void
}

export class BodyBytes extends Context.Service<
  BodyBytes,
  {
    /** Bytes one user may have altogether. */
    readonly max: number
    readonly arriving: (userId: UserId) => BodyRoom
    /** Over all users. */
    readonly held: () => number
    /** Large ones that wait for their turn. */
    readonly waiting: () => number
  }
>()("mcphub/actors/limits/BodyBytes") {
  static readonly layer: Layer.Layer<BodyBytes, never, Retained> = Layer.effect(
    BodyBytes,
    Effect.map(Retained, (retained) => make(retained))
  )
}

const MiB = 1024 * 1024

/** Bytes of large bodies at a time: of one user, and of all. */
const turns = { perUser: 64 * MiB, atOnce: 192 * MiB }

const make = (retained: Retained["Service"]): BodyBytes["Service"] => {
  const bodyTurns = new BodyTurns(Math.min(turns.perUser, retained.bounds.bodies), turns.atOnce)

  const arriving = (userId: UserId): BodyRoom => {
    const claim = retained.claim(userId, "bodies")
    let reserved = 0
    let turn: Turn | undefined
    let hasEnded = false
    return {
      // From its turn on all of a body is counted.
      hold: (bytes) => claim.set(Math.max(bytes, reserved)),
      turn: (bytes, isAnswer, goOn) => {
        turn = bodyTurns.take(userId, bytes, isAnswer, () => {
          reserved = bytes
          goOn(claim.set(bytes))
        })
        // It may have been given up at once.
        if (hasEnded) turn?.end()
        return turn !== undefined
      },
      isBeside: () => turn?.isBeside === true,
      end: () => {
        hasEnded = true
        claim.end()
        turn?.end()
      }
    }
  }

  return BodyBytes.of({
    max: retained.bounds.bodies,
    held: () => retained.held("bodies"),
    waiting: () => bodyTurns.waiting,
    arriving
  })
}
