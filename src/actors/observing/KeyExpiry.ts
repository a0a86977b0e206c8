/**
 * Tells of keys that end soon, or have lately ended, before their users' clients do: in the log once a day for each key,
 * and in metrics. Looks when the time of the next one has come that it knows of, and every ten minutes, for new ones.
 */
import { Clock, Effect, Layer } from "effect"
import { HubKeys } from "../../domain/identity/HubKeys.ts"
import { type HubKey, type KeyEnding, keyEnding, millisPerDay } from "../../domain/identity/HubKey.ts"
import type { UserId } from "../../domain/Ids.ts"
import { Users } from "../../domain/identity/Users.ts"
import { HubMetrics } from "./HubMetrics.ts"

/** Lines of one look: whose keys all end at once hears of some of them. */
const mostLines = 50

const lookEveryMs = 10 * 60_000
const leastMs = 1_000

const texts: Readonly<Record<KeyEnding, string>> = {
  ending: "A key ends soon; extend it with `mcphub key extend`, or give its client a new one",
  ended: "A key has ended; its client gets 401 until it has another, or `mcphub key extend`"
}

export const layer: Layer.Layer<never, never, HubKeys | Users | HubMetrics> = Layer.effectDiscard(
  Effect.gen(function* () {
    const keys = yield* HubKeys
    const users = yield* Users
    const metrics = yield* HubMetrics
    const told = new Map<string, number>()
    const counts: Record<KeyEnding, number> = { ending: 0, ended: 0 }

    const tell = (key: HubKey, state: KeyEnding, user: string) =>
      Effect.logWarning(texts[state]).pipe(
        Effect.annotateLogs({
          userId: key.userId,
          user,
          keyId: key.id,
          key: key.name,
          expiresAt: new Date(key.expiresAt).toISOString()
        })
      )

    const look = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const known = new Map<UserId, string>()
      for (const { id, isActive, username } of yield* users.list) if (isActive) known.set(id, username)
      const found = (yield* keys.list).flatMap((key) => {
        const state = keyEnding(key, now)
        const user = known.get(key.userId)
        return state === undefined || user === undefined ? [] : [{ key, state, user }]
      })
      for (const state of ["ending", "ended"] as const) {
        counts[state] = found.filter((one) => one.state === state).length
      }
      // A key goes from one state to the other once, and the second is news.
      const idOf = ({ key, state }: (typeof found)[number]): string => `${state} ${key.id}`
      const due = found.filter((one) => now - (told.get(idOf(one)) ?? 0) >= millisPerDay).slice(0, mostLines)
      const current = new Set(found.map(idOf))
      for (const id of told.keys()) if (!current.has(id)) told.delete(id)
      for (const one of due) {
        told.set(idOf(one), now)
        yield* tell(one.key, one.state, one.user)
      }
      const ends = found.filter(({ state }) => state === "ending").map(({ key }) => key.expiresAt + 1 - now)
      return Math.max(leastMs, Math.min(lookEveryMs, ...ends))
    })

    for (const state of ["ending", "ended"] as const) {
      const about = "Keys that end within 14 days, or have ended within 14 days"
      yield* metrics.gauge("mcphub_keys", about, () => counts[state], { state })
    }
    // While the database is away there is nothing to tell; the next look will.
    const next = Effect.orElseSucceed(look, () => lookEveryMs)
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(next, (ms) => Effect.sleep(ms))))
  })
)
