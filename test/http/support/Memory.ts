/** What a hub keeps in memory for its users, as tests look at it. */
import { assert } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Retained, retainedKinds } from "../../../src/actors/limits/Retained.ts"
import type { HubUser } from "../../../src/testkit/index.ts"
import { eventually } from "../../support/Eventually.ts"

export const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.map(eventually(Effect.sync(isSo), Boolean, { every: "10 millis" }), (was) => assert.isTrue(was, String(isSo)))

export const memoryOf = (services: Context.Context<Retained>) => {
  const retained = Context.get(services, Retained)
  return {
    retained,
    /** Nothing at all is held for the user any more. */
    free: ({ user }: HubUser) => until(() => retainedKinds.every((kind) => retained.heldBy(user.id)[kind] === 0))
  }
}
