/**
 * Service tokens between a key's row and a `Principal`: sealed on the way in, opened on the way out, `Redacted` between.
 */
import { Effect, type Redacted, Result } from "effect"
import type { Credentials } from "./Credentials.ts"
import type { UserId } from "../Ids.ts"

export const sealTokens = (
  credentials: Credentials["Service"],
  userId: UserId,
  tokens: Readonly<Record<string, Redacted.Redacted<string>>>
): Effect.Effect<Record<string, string>> =>
  Effect.map(
    Effect.forEach(Object.entries(tokens), ([name, value]) =>
      Effect.map(credentials.seal(userId, name, value), (sealed) => [name, sealed] as const)
    ),
    (entries) => Object.fromEntries(entries)
  )

/** The members of a stored value that may be anything. */
const members = (stored: unknown): Readonly<Record<string, unknown>> =>
  typeof stored === "object" && stored !== null && !Array.isArray(stored) ? { ...stored } : {}

/**
 * Values by name from the user's row and a key's, which goes before. Blank values count as absent, as in the old hub. A value that does not
 * open is dropped and reported by name, so that its server says "not connected" instead of the whole key failing.
 */
export const openTokens = Effect.fnUntraced(function* (
  credentials: Credentials["Service"],
  userId: UserId,
  ofUser: unknown,
  ofKey?: unknown
) {
  const opened = new Map<string, Redacted.Redacted<string>>()
  for (const [name, value] of Object.entries({ ...members(ofUser), ...members(ofKey) })) {
    if (typeof value !== "string" || value === "") continue
    const result = yield* Effect.result(credentials.open(userId, name, value))
    if (Result.isSuccess(result)) opened.set(name, result.success)
    else yield* Effect.annotateLogs(Effect.logWarning(result.failure.message), { userId })
  }
  return opened
})
