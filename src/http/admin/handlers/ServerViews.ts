/** Servers as an operator sees them: state, reason, since when, for whom not, and when they are tried again. */
import type { ServerFigures } from "../../../actors/upstream/guards/ServerFigures.ts"
import type { UserState } from "../../../actors/upstream/guards/ServerStates.ts"
import type { UpstreamBreakers } from "../../../actors/upstream/guards/UpstreamBreakers.ts"
import type { ServerStatus } from "../../../actors/upstream/guards/UpstreamHealth.ts"
import type { ServerView } from "../operations/ServerOperations.ts"
import { iso } from "./Lookup.ts"

export interface Beside {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly states: ReadonlyArray<UserState>
  readonly breakers: UpstreamBreakers["Service"]
  readonly figures: ServerFigures["Service"]
}

export const serverView = (one: ServerStatus, { breakers, figures, now, states }: Beside): ServerView => {
  const troubles = states.filter(({ server, state }) => server === one.name && state !== "up")
  const waits = troubles.flatMap(({ retryMs }) => retryMs ?? [])
  return {
    name: one.name,
    type: one.type,
    state: one.state,
    why: one.why ?? null,
    reason: one.reason ?? null,
    stage: one.stage ?? null,
    since: one.since === undefined ? null : iso(one.since),
    nextAttempt: waits.length === 0 ? null : iso(now + Math.min(...waits)),
    lastLines: one.lastLines,
    connections: one.connections,
    paused: breakers.paused(one.name),
    tools: one.tools ?? null,
    troubles: troubles.map(({ forMs, reason, retryMs, state, triedMs, username }) => ({
      username: username ?? null,
      state,
      reason: reason ?? null,
      forMs,
      triedMs,
      retryMs: retryMs ?? null
    })),
    errors: figures.errors(one.name),
    oddities: one.oddities
  }
}
