/**
 * Pages of lists that are read whole: the cursor holds the place of the last item that was given, so that what comes and
 * goes meanwhile neither repeats nor hides another.
 */
import { Effect } from "effect"
import { BadRequest } from "./api/Problems.ts"
import { usualLimit } from "./api/Shapes.ts"

export interface PageQuery {
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

export interface PageOf<A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | null
}

const cursorOf = (place: string): string => Buffer.from(place).toString("base64url")

const badCursor = new BadRequest({ kind: "CursorInvalid", detail: "The cursor is not one that this list has given" })

const placeOf = (cursor: string): Effect.Effect<string, BadRequest> => {
  const place = Buffer.from(cursor, "base64url").toString()
  return cursorOf(place) === cursor ? Effect.succeed(place) : Effect.fail(badCursor)
}

/** Whole numbers that a database of either kind can compare. */
export const numberOf = (cursor: string): Effect.Effect<number, BadRequest> =>
  Effect.flatMap(placeOf(cursor), (place) =>
    /^\d{1,15}$/.test(place) ? Effect.succeed(Number(place)) : Effect.fail(badCursor)
  )

export const cursorOfNumber = (place: number): string => cursorOf(String(place))

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

/** `place` orders the items, and no two have the same; `newest` gives the last ones first. */
export const pageOf = <A>(
  all: ReadonlyArray<A>,
  place: (item: A) => string,
  { cursor, limit = usualLimit }: PageQuery,
  newest = false
): Effect.Effect<PageOf<A>, BadRequest> =>
  Effect.map(cursor === undefined ? Effect.succeed(undefined) : placeOf(cursor), (after) => {
    const way = newest ? -1 : 1
    const rest = all
      .map((item) => ({ item, at: place(item) }))
      .filter(({ at }) => after === undefined || compare(at, after) * way > 0)
      .sort((one, other) => compare(one.at, other.at) * way)
    const items = rest.slice(0, limit)
    const last = items.at(-1)
    return {
      items: items.map(({ item }) => item),
      next: last === undefined || rest.length <= limit ? null : cursorOf(last.at)
    }
  })
