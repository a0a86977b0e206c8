/**
 * The bytes of request bodies that the hub holds for each user while they are still arriving. Each body has a limit of
 * its own (`MAX_BODY_BYTES`); these count in the user's account (`Retained`), so that nobody can have the hub hold
 * hundreds of halves. A body that arrives in one piece is not counted, and costs nothing here.
 */
import { Context, Effect, Layer } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { Retained } from "./Retained.ts"

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
    /** Over all users. */
    readonly held: () => number
  }
>()("mcphub/actors/limits/BodyBytes") {
  static readonly layer: Layer.Layer<BodyBytes, never, Retained> = Layer.effect(
    BodyBytes,
    Effect.map(Retained, (retained) =>
      BodyBytes.of({
        max: retained.bounds.bodies,
        held: () => retained.held("bodies"),
        arriving: (userId) => {
          const { end, set } = retained.claim(userId, "bodies")
          return { hold: set, end }
        }
      })
    )
  )
}
