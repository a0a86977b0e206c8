/**
 * The users that every isolation test needs: ada and bo, each with a key and a service token of their own.
 *
 * The tokens are canaries: `canary-ada-github` must never appear where bo's requests go, and vice versa.
 */
import { Context, Effect, Layer, Redacted } from "effect"
import type { HubKey } from "../domain/identity/HubKey.ts"
import { HubKeys } from "../domain/identity/HubKeys.ts"
import type { User } from "../domain/identity/User.ts"
import { Users } from "../domain/identity/Users.ts"

export interface HubUser {
  readonly user: User
  readonly row: HubKey
  /** The key that the user's client presents. */
  readonly key: Redacted.Redacted<string>
  /** The user's own GITHUB_TOKEN. */
  readonly githubToken: Redacted.Redacted<string>
}

export class TwoUsers extends Context.Service<TwoUsers, { readonly ada: HubUser; readonly bo: HubUser }>()(
  "mcphub/testkit/TwoUsers"
) {
  /** Adds both to the hub's own stores. */
  static readonly layer = Layer.effect(
    TwoUsers,
    Effect.gen(function* () {
      return { ada: yield* addUser("ada"), bo: yield* addUser("bo") }
    })
  )
}

/** One more user with a key and a GITHUB_TOKEN `canary-{name}-github`. */
export const addUser = Effect.fnUntraced(function* (username: string) {
  const users = yield* Users
  const keys = yield* HubKeys
  const user = yield* users.add({ username })
  const { key, row } = yield* keys.create({ userId: user.id, name: "first" })
  const githubToken = Redacted.make(`canary-${username}-github`)
  yield* keys.setTokens({ keyId: row.id }, { GITHUB_TOKEN: githubToken })
  return { user, row, key, githubToken } satisfies HubUser
}, Effect.orDie)
