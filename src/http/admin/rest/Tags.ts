/**
 * Changes that two people may make at once: each repeats the tag of what its maker has seen (`If-Match`), so that the
 * later one is told and loses nothing.
 *
 * Source: RFC 9110 §8.8.3, §13.1.1; RFC 6585 §3.
 */
import { Effect, Semaphore } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { tagMatches, tagOf } from "../operations/ChangeTags.ts"
import { PreconditionMissing, Stale } from "./api/Problems.ts"

export const withTag = <A>(body: A) => HttpApiSchema.withHeaders({ body, headers: { etag: tagOf(body) } })

const missing = new PreconditionMissing({
  kind: "IfMatchMissing",
  detail: "Send If-Match with the ETag of what you have seen"
})

export const stale = new Stale({
  kind: "Stale",
  detail: "It was changed meanwhile; get it again and repeat the change"
})

export const expectedOf = (headers: {
  readonly "if-match"?: string | undefined
}): Effect.Effect<string, PreconditionMissing> => {
  const expected = headers["if-match"]
  return expected === undefined || expected.trim() === "" ? Effect.fail(missing) : Effect.succeed(expected)
}

const oneAtATime = Semaphore.makeUnsafe(1)

/** Makes the change if what it is about is still what its maker has seen; those of this hub wait for one another. */
export const guarded = <A, E, R, B, E2, R2>(
  headers: { readonly "if-match"?: string | undefined },
  current: Effect.Effect<A, E, R>,
  change: (current: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2 | PreconditionMissing | Stale, R | R2> =>
  Effect.flatMap(expectedOf(headers), (expected) =>
    Effect.flatMap(current, (now): Effect.Effect<B, E2 | Stale, R2> =>
      tagMatches(expected, tagOf(now)) ? change(now) : Effect.fail(stale)
    ).pipe(oneAtATime.withPermits(1))
  )
