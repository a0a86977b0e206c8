/** Two users of a test's own, and their keys and tokens as a repository gives them back. */
import { Effect, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Users } from "../../../src/domain/identity/Users.ts"

export const now = Date.UTC(2026, 2, 29, 1, 30)

/** How many tests have taken two users: part of their names. */
export let runs = 0

/** Two users of their own for every test. */
export const adaAndBo = Effect.gen(function* () {
  yield* TestClock.setTime(now)
  const users = yield* Users
  const run = ++runs
  return { ada: yield* users.add({ username: `ada-${run}` }), bo: yield* users.add({ username: `bo-${run}` }) }
})

export const token = (text: string) => Redacted.make(text)

export const principalOf = (key: Redacted.Redacted<string>) =>
  Effect.flatMap(HubKeys, (keys) => keys.principal(key)).pipe(Effect.map(Option.getOrThrow))

export const tokensOf = (key: Redacted.Redacted<string>) =>
  Effect.map(principalOf(key), ({ serviceTokens }) =>
    Object.fromEntries([...serviceTokens].map(([name, value]) => [name, Redacted.value(value)]))
  )
