/**
 * The activity of a session: its use, its users, its end. These are the numbers that the registry's idle watch, the
 * drain and the operators read. Plain counters, changed synchronously by the parts of the session that do the work.
 */
import { type Clock, Effect } from "effect"
import type { RequestId } from "../../domain/Ids.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { SessionClosed } from "../requests/RequestTracker.ts"

export interface SessionActivity {
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly lastActiveAt: () => number
  /** Milliseconds since then, whatever the wall clock was set to meanwhile. */
  readonly quietMs: () => number
  /** The user as of the latest message. */
  readonly principal: () => Principal
  /** The client has sent something. */
  readonly seen: (who: Principal) => void
  /** What is known of the user now, without the client having sent anything. */
  readonly renew: (who: Principal) => void
  readonly inFlight: () => number
  readonly requestStarted: () => void
  readonly requestEnded: () => void
  readonly streams: () => number
  readonly streamOpened: () => void
  readonly streamClosed: () => void
  /** Called after the answer has left: tells those who wait for `settled`. */
  readonly tellSettled: () => void
  /** Succeeds when nothing is in flight. */
  readonly settled: Effect.Effect<void>
  /** From here on the session takes nothing any more; the first reason counts. */
  readonly end: (reason: string) => void
  readonly ending: () => boolean
  /** What a request to an ending session is answered. */
  readonly closedError: (requestId?: RequestId) => SessionClosed
}

/** `began`: when an earlier run of the hub opened the session, in milliseconds since the epoch. */
export const make = (openedBy: Principal, clock: Clock.Clock, began?: number): SessionActivity => {
  const createdAt = began ?? clock.currentTimeMillisUnsafe()
  const now = monotonicMillis(clock)
  const waiting: Array<() => void> = []
  let principal = openedBy
  let lastActiveAt = clock.currentTimeMillisUnsafe()
  let lastActiveMono = now()
  let inFlight = 0
  let streams = 0
  let ending: string | undefined

  /** A message may have been read under groups that have changed since. */
  const renew = (who: Principal): void => {
    if (who !== principal && !who.standing.isOlderThan(principal.standing)) principal = who
  }

  const touch = (): void => {
    lastActiveAt = clock.currentTimeMillisUnsafe()
    lastActiveMono = now()
  }

  return {
    createdAt,
    lastActiveAt: () => lastActiveAt,
    quietMs: () => now() - lastActiveMono,
    principal: () => principal,
    seen: (who) => {
      renew(who)
      touch()
    },
    renew,
    inFlight: () => inFlight,
    requestStarted: () => {
      inFlight++
    },
    requestEnded: () => {
      inFlight--
      touch()
    },
    streams: () => streams,
    streamOpened: () => {
      streams++
    },
    streamClosed: () => {
      streams--
      touch()
    },
    tellSettled: () => {
      if (inFlight === 0 && waiting.length > 0) for (const tell of waiting.splice(0)) tell()
    },
    settled: Effect.callback((resume) => {
      if (inFlight === 0) return resume(Effect.void)
      waiting.push(() => resume(Effect.void))
    }),
    end: (reason) => {
      ending ??= reason
    },
    ending: () => ending !== undefined,
    closedError: (requestId) => {
      const reason = ending ?? "session ended"
      return new SessionClosed({
        requestId,
        reason,
        message: `The session has ended (${reason}); initialize a new one`
      })
    }
  }
}
