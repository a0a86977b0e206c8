/**
 * The user's bulkhead: how many sessions, requests in flight, calls that wait for an answer of theirs and child processes
 * one user holds, over all their sessions and keys. Counting is exact and synchronous; whoever takes a place gives it back in a finalizer beside it.
 */
import { Context, Effect, Layer } from "effect"
import type { UserId } from "../../domain/Ids.ts"

export type Limited = "sessions" | "inFlight" | "openCalls" | "children"

const none: Readonly<Record<Limited, number>> = { sessions: 0, inFlight: 0, openCalls: 0, children: 0 }

export class UserLimits extends Context.Service<
  UserLimits,
  {
    /** Takes a place if fewer than `max` are taken. */
    readonly take: (user: UserId, what: Limited, max: number) => boolean
    readonly give: (user: UserId, what: Limited) => void
    readonly taken: (user: UserId, what: Limited) => number
    /** Over all users: for gauges. */
    readonly total: (what: Limited) => number
  }
>()("mcphub/actors/limits/UserLimits") {
  static readonly layer: Layer.Layer<UserLimits> = Layer.effect(
    UserLimits,
    Effect.sync(() => make())
  )
}

const make = (): UserLimits["Service"] => {
  const users = new Map<UserId, Record<Limited, number>>()
  const totals = { ...none }
  return {
    take: (user, what, max) => {
      let counts = users.get(user)
      if (counts === undefined) users.set(user, (counts = { ...none }))
      if (counts[what] >= max) return false
      counts[what]++
      totals[what]++
      return true
    },
    give: (user, what) => {
      const counts = users.get(user)
      if (counts === undefined || counts[what] === 0) return
      counts[what]--
      totals[what]--
      if (counts.sessions + counts.inFlight + counts.openCalls + counts.children === 0) users.delete(user)
    },
    taken: (user, what) => users.get(user)?.[what] ?? 0,
    total: (what) => totals[what]
  }
}
