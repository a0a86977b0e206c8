/**
 * The bytes of large answers that the hub holds for each user: while they arrive from a server, whole or as one event
 * or line, and while they leave to the client. Each answer has a limit of its own (`MAX_UPSTREAM_BYTES`); all that a
 * user has on their way at once count in the user's account (`Retained`), so that nobody can have the hub hold a
 * multiple of it.
 *
 * What arrives is refused beyond the limit. What leaves counts and is never refused: it is there already, and the next
 * answers have less room for it. Answers below `large` are not counted, and cost nothing here.
 */
import { Context, Effect, Layer } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import type { Payer } from "./Payer.ts"
import { large } from "../../domain/protocol/json/ResponseScanner.ts"
import { Retained } from "./Retained.ts"

/** What one answer, or the stream it comes by, takes of its user's room. */
export interface AnswerRoom {
  /** So many bytes of it are held now. False: there is no room for them, and it has to be given up. */
  readonly hold: (bytes: number) => boolean
  /** Nothing of it is held, now and from now on. */
  readonly end: () => void
}

export class AnswerBytes extends Context.Service<
  AnswerBytes,
  {
    readonly arriving: (payer: Payer) => AnswerRoom
    /** Counts N bytes until the result is called; calling it twice does no harm. */
    readonly leaving: (userId: UserId, bytes: number) => () => void
    /** Over all users. */
    readonly held: () => number
    readonly heldBy: (userId: UserId) => number
  }
>()("mcphub/actors/limits/AnswerBytes") {
  static readonly layer: Layer.Layer<AnswerBytes, never, Retained> = Layer.effect(
    AnswerBytes,
    Effect.suspend(() => make)
  )
}

const nothing = (): void => {}

const make = Effect.gen(function* () {
  const retained = yield* Retained

  return AnswerBytes.of({
    held: () => retained.held("answers"),
    heldBy: (userId) => retained.heldBy(userId).answers,
    arriving: (payer) => {
      const claim = retained.claim(payer, "answers")
      return { hold: (bytes) => claim.set(bytes < large ? 0 : bytes), end: claim.end }
    },
    leaving: (userId, bytes) => {
      if (bytes < large) return nothing
      const claim = retained.claim(userId, "answers")
      claim.count(bytes)
      return claim.end
    }
  })
})
