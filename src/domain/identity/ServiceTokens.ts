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

export interface OpenedTokens {
  readonly serviceTokens: ReadonlyMap<string, Redacted.Redacted<string>>
  /** Names of those that do not open. */
  readonly unreadableTokens?: ReadonlySet<string> | undefined
}

/**
 * Values by name from the user's row and a key's, which goes before. Blank values count as absent, as in the old hub. A
 * value that does not open is left out by name, so that the servers that need it fail, and not the key.
 */
export const openTokens = Effect.fnUntraced(function* (
  credentials: Credentials["Service"],
  userId: UserId,
  ofUser: unknown,
  ofKey?: unknown
): Effect.fn.Return<OpenedTokens> {
  const serviceTokens = new Map<string, Redacted.Redacted<string>>()
  const unreadable = new Set<string>()
  for (const [name, value] of Object.entries({ ...members(ofUser), ...members(ofKey) })) {
    if (typeof value !== "string" || value === "") continue
    const result = yield* Effect.result(credentials.open(userId, name, value))
    if (Result.isSuccess(result)) serviceTokens.set(name, result.success)
    else unreadable.add(name)
  }
  return unreadable.size === 0 ? { serviceTokens } : { serviceTokens, unreadableTokens: unreadable }
})

/** How many of the stored tokens there are, and how many of them do not open. */
export interface SealCheck {
  readonly checked: number
  readonly unreadable: number
}

/** Rows that a check reads of each table: a credential key that is another opens none of them. */
export const mostSealsChecked = 500

export const checkSeals = Effect.fnUntraced(function* (
  credentials: Credentials["Service"],
  rows: Iterable<{ readonly userId: UserId; readonly tokens: unknown }>
): Effect.fn.Return<SealCheck> {
  let checked = 0
  let unreadable = 0
  for (const { tokens, userId } of rows) {
    const opened = yield* openTokens(credentials, userId, tokens)
    const lost = opened.unreadableTokens?.size ?? 0
    checked += opened.serviceTokens.size + lost
    unreadable += lost
  }
  return { checked, unreadable }
})
