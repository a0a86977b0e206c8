/**
 * The user's session as upstreams see it: a uuid of version 8 (RFC 9562 §5.8) from the SHA-256 of `userId:sessionId`,
 * so two users never share one and nobody can compute either input from it.
 */
import { createHash } from "node:crypto"
import type { SessionId, UserId } from "../Ids.ts"

export const userSessionId = (userId: UserId, sessionId: SessionId): string => {
  const digest = createHash("sha256").update(`${userId}:${sessionId}`).digest()
  digest[6] = (digest[6]! & 0x0f) | 0x80
  digest[8] = (digest[8]! & 0x3f) | 0x80
  const hex = digest.toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`
}
