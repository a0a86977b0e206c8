/** What a hub does with its database, as values to write: made up, of the size and shape of real ones. */
import { randomUUID } from "node:crypto"
import { type KeyId, SessionId, UserId } from "../../src/domain/Ids.ts"
import type { AuditEvent } from "../../src/domain/records/AuditEvent.ts"
import { sessionDigest, type StoredSession } from "../../src/domain/records/SessionStore.ts"

const users = Array.from({ length: 1_000 }, (_, place) => ({
  userId: UserId.make(randomUUID()),
  username: `user-${place}`,
  keyId: randomUUID(),
  sessionId: SessionId.make(randomUUID())
}))

const servers = ["github", "files", "jira", "search"]

export const auditRow = (time: number, place: number): AuditEvent => {
  const user = users[place % users.length]!
  return {
    id: `user-${user.userId}-${user.sessionId}-tools/call-${time}-${randomUUID().slice(0, 8)}`,
    time,
    kind: "request",
    ...user,
    server: servers[place % servers.length]!,
    method: "tools/call",
    target: `${servers[place % servers.length]!}-read`,
    outcome: "completed",
    durationMs: 12.345,
    errorCode: null,
    errorKind: null,
    origin: null
  }
}

export const auditRows = (time: number, count: number): ReadonlyArray<AuditEvent> =>
  Array.from({ length: count }, (_, place) => auditRow(time + place, place * 7))

export const session = (userId: UserId, keyId: KeyId): StoredSession => ({
  digest: sessionDigest(userId, keyId, "*", randomUUID()),
  sessionId: SessionId.make(randomUUID()),
  userId,
  keyId,
  target: "*",
  protocolVersion: "2025-11-25",
  client: { capabilities: { roots: {} }, clientInfo: { name: "editor", version: "1" }, subscriptions: [] },
  adopted: false,
  createdAt: Date.now(),
  lastActiveAt: Date.now()
})
