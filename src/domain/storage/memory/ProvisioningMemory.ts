/**
 * Provisioning in memory; behaves as ProvisioningSql.
 */
import { Clock, Effect, Layer } from "effect"
import { SecureRandom } from "effect/crypto"
import { Credentials } from "../../identity/Credentials.ts"
import { KeyEvents } from "../../identity/KeyEvents.ts"
import { MemoryStore, mergeUserTokens } from "./MemoryStore.ts"
import { Provisioning } from "../../provisioning/Provisioning.ts"
import { readFile, refuse } from "../../provisioning/ProvisioningFile.ts"
import { makePlan, type Writes } from "../../provisioning/ProvisioningPlan.ts"

const make = Effect.gen(function* () {
  const store = yield* MemoryStore
  const events = yield* KeyEvents
  const credentials = yield* Credentials
  const random = yield* SecureRandom.SecureRandom

  const write = (writes: Writes, createdAt: number): void => {
    for (const user of writes.newUsers) {
      store.users.set(user.id, {
        ...user,
        displayName: null,
        email: null,
        isActive: true,
        lastLoginAt: null,
        createdAt
      })
    }
    for (const { id, isAdmin } of writes.adminChanges) {
      store.users.set(id, { ...store.users.get(id)!, isAdmin })
      store.roles.delete(id)
    }
    for (const { tools, ...group } of [...writes.newGroups, ...writes.groupChanges]) {
      const { tools: _replaced, ...known } = store.groups.get(group.id) ?? {
        description: null,
        isActive: true,
        createdAt
      }
      store.groups.set(group.id, { ...known, ...group, ...(tools === null ? {} : { tools }) })
    }
    for (const key of writes.newKeys) {
      const unused = { description: null, isActive: true, lastUsedAt: null, usageCount: 0, tokens: {} }
      store.keys.set(key.id, { ...unused, ...key, createdAt })
    }
    for (const key of writes.keyChanges) store.keys.set(key.id, { ...store.keys.get(key.id)!, ...key })
    for (const { tokens, userId } of writes.tokens) mergeUserTokens(store, userId, tokens)
  }

  return Provisioning.of({
    apply: Effect.fn("Provisioning.apply")(
      function* (input, file = "The provisioning file") {
        const entries = yield* readFile(input, file)
        const state = {
          users: [...store.users.values()].map((user) => ({ ...user, isOwnName: true })),
          keys: [...store.keys.values()],
          userTokens: [...store.userTokens].map(([userId, tokens]) => ({ userId, tokens })),
          groups: [...store.groups.values()].map((group) => ({ ...group, tools: group.tools ?? null }))
        }
        const plan = yield* makePlan(entries, state, credentials)
        if (plan.problems.length > 0) return yield* refuse(file, plan.problems)
        write(plan.writes, yield* Clock.currentTimeMillis)
        yield* events.publish(plan.writes.events)
        return plan.summary
      },
      Effect.provideService(SecureRandom.SecureRandom, random)
    )
  })
})

export const layer: Layer.Layer<Provisioning, never, MemoryStore | KeyEvents | Credentials> = Layer.effect(
  Provisioning,
  make
).pipe(Layer.provide(SecureRandom.layerWebCrypto))
