/** The live sessions in numbers. */
import type { SessionStatsView, SessionView } from "../operations/LiveOperations.ts"

/** Names with the most sessions; what is beyond that is no summary. */
const mostNamed = 100

const add = <K>(counts: Map<K, number>, key: K): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

const shares = (counts: ReadonlyMap<string, number>) =>
  [...counts]
    .map(([name, sessions]) => ({ name, sessions }))
    .sort((a, b) => b.sessions - a.sessions || (a.name < b.name ? -1 : 1))
    .slice(0, mostNamed)

export const sessionStats = (
  sessions: ReadonlyArray<SessionView>,
  { count, totalMs }: { readonly count: number; readonly totalMs: number }
): SessionStatsView => {
  const users = new Map<
    string,
    { -readonly [K in keyof SessionStatsView["byUser"][number]]: SessionStatsView["byUser"][number][K] }
  >()
  const [targets, clients, revisions] = [
    new Map<string, number>(),
    new Map<string, number>(),
    new Map<string, number>()
  ]
  let [active, adopted, recovered, streams, inFlight] = [0, 0, 0, 0, 0]
  let oldestAt: string | null = null
  for (const one of sessions) {
    if (one.state === "active") active++
    if (one.adopted) adopted++
    if (one.recovered) recovered++
    streams += one.streams
    inFlight += one.inFlight
    if (oldestAt === null || one.createdAt < oldestAt) oldestAt = one.createdAt
    const { userId, username } = one
    const user = users.get(userId) ?? { userId, username, sessions: 0, inFlight: 0, streams: 0 }
    user.sessions++
    user.inFlight += one.inFlight
    user.streams += one.streams
    users.set(userId, user)
    add(targets, one.target)
    add(clients, one.client.name)
    add(revisions, one.protocolVersion)
  }
  return {
    sessions: sessions.length,
    active,
    idle: sessions.length - active,
    adopted,
    recovered,
    streams,
    inFlight,
    oldestAt,
    byUser: [...users.values()].sort((a, b) => b.sessions - a.sessions || (a.username < b.username ? -1 : 1)),
    byTarget: shares(targets),
    byClient: shares(clients),
    byRevision: shares(revisions),
    ended: count,
    meanLifeMs: count === 0 ? 0 : Math.round(totalMs / count)
  }
}
