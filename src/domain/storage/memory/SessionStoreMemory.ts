/**
 * Stored sessions in memory, for as long as the store lives; behaves as SessionStoreSql.
 */
import { Clock, Effect, Layer } from "effect"
import { type MemorySession, MemoryStore } from "./MemoryStore.ts"
import { SessionStore } from "../../records/SessionStore.ts"

const make = Effect.gen(function* () {
  const { keys, sessions, users } = yield* MemoryStore

  const isOver = (session: MemorySession, now: number): boolean => {
    const key = keys.get(session.keyId)
    return key === undefined || !key.isActive || key.expiresAt <= now || users.get(session.userId)?.isActive !== true
  }

  return SessionStore.of({
    save: (owner, rows) =>
      Effect.sync(() =>
        rows.flatMap((row) => {
          const known = sessions.get(row.digest)
          if (known !== undefined && (known.owner !== owner || known.endedAt !== undefined)) return [row.digest]
          sessions.set(row.digest, { ...row, owner })
          return []
        })
      ),
    claim: (owner, digest, activeSince) =>
      Effect.sync(() => {
        const known = sessions.get(digest)
        if (known === undefined) return { kind: "unknown" }
        if (known.endedAt !== undefined) return { kind: "ended" }
        sessions.set(digest, { ...known, owner })
        if (known.lastActiveAt < activeSince) return { kind: "unknown" }
        const { endedAt: _ended, owner: _owner, ...session } = known
        return { kind: "found", session }
      }),
    end: Effect.fnUntraced(function* (digests) {
      const endedAt = yield* Clock.currentTimeMillis
      for (const digest of digests) {
        const known = sessions.get(digest)
        if (known !== undefined && known.endedAt === undefined) sessions.set(digest, { ...known, endedAt })
      }
    }),
    disowned: (owner, digests) =>
      Effect.sync(() =>
        digests.filter((digest) => {
          const known = sessions.get(digest)
          return known !== undefined && (known.owner !== owner || known.endedAt !== undefined)
        })
      ),
    forget: (owner, digests) =>
      Effect.sync(() => {
        for (const digest of digests) if (sessions.get(digest)?.owner === owner) sessions.delete(digest)
      }),
    sweep: Effect.fnUntraced(function* ({ activeSince, endedSince, limit }) {
      const now = yield* Clock.currentTimeMillis
      const over = [...sessions.values()].filter((session) =>
        session.endedAt === undefined
          ? session.lastActiveAt < activeSince || isOver(session, now)
          : session.endedAt < endedSince
      )
      const swept = over.slice(0, limit)
      for (const { digest } of swept) sessions.delete(digest)
      return swept.length
    })
  })
})

export const layer: Layer.Layer<SessionStore, never, MemoryStore> = Layer.effect(SessionStore, make)
