/** Requests in flight as people see them: whose, where to, how old, and where each waits. */
import type { Clock } from "effect"
import type { RequestRecord } from "../../../actors/requests/RequestTracker.ts"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import type { RequestView, WhyView } from "../operations/LiveOperations.ts"
import { iso } from "./Lookup.ts"

/** One moment, on the clock of people and on the clock of waits. */
export interface Moment {
  readonly now: number
  readonly mono: number
}

export const momentOf = (clock: Clock.Clock): (() => Moment) => {
  const monotonic = monotonicMillis(clock)
  return () => ({ now: clock.currentTimeMillisUnsafe(), mono: monotonic() })
}

const whyOf = (record: RequestRecord, { mono, now }: Moment): WhyView => {
  const wait = record.waitsFor()
  const age = Math.max(0, now - record.startedAt)
  // What the hub itself is at has no moment of its own.
  const { heard, kind, server, since, stage, until } = wait ?? { kind: "hub" as const, since: mono - age }
  const forMs = Math.max(0, Math.round(mono - since))
  return {
    kind,
    server: server ?? record.server ?? null,
    stage: stage ?? null,
    since: iso(now - forMs),
    forMs,
    until: until === undefined ? null : iso(now + Math.round(until - mono)),
    heardMs: heard === undefined ? null : Math.max(0, Math.round(mono - heard))
  }
}

export const requestView =
  (moment: Moment) =>
  (record: RequestRecord): RequestView => ({
    requestId: record.requestId,
    username: record.username,
    sessionId: record.sessionId,
    method: record.method,
    server: record.server ?? null,
    target: record.target ?? null,
    startedAt: iso(record.startedAt),
    ageMs: Math.max(0, Math.round(moment.now - record.startedAt)),
    why: whyOf(record, moment)
  })
