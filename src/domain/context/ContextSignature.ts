/**
 * `X-MCPHub-Signature`: proof that context headers come from the hub, are fresh, and were meant for this server and
 * this body. The hub signs with it and `UpstreamAuthor` verifies; it depends on nothing else.
 *
 * The signed text is, line by line: `mcphub-context-v1`, user id, user session id, session id, request id, timestamp,
 * protocol version, source server (the audience), user groups, and the SHA-256 of the body in hex. A header value
 * cannot hold a line break, so the lines cannot be shifted.
 */
import { Buffer } from "node:buffer"
import { createHash, createHmac, timingSafeEqual } from "node:crypto"

export const signatureHeader = "X-MCPHub-Signature"

/** The signed headers in the order of the signed text. */
export const signedHeaders = [
  "X-MCPHub-User-Id",
  "X-MCPHub-User-Session-Id",
  "X-MCPHub-Session-Id",
  "X-MCPHub-Request-Id",
  "X-MCPHub-Timestamp",
  "X-MCPHub-Protocol-Version",
  "X-MCPHub-Source-Server",
  "X-MCPHub-User-Groups"
] as const

/** A large body in its pieces. */
export interface SignedPieces {
  readonly pieces: () => ReadonlyArray<Uint8Array>
}

const digestOf = (body: string | Uint8Array | SignedPieces): string => {
  const hash = createHash("sha256")
  if (typeof body === "string" || body instanceof Uint8Array) return hash.update(body).digest("hex")
  for (const piece of body.pieces()) hash.update(piece)
  return hash.digest("hex")
}

/** The header's value: `v1=` and the HMAC-SHA-256 in hex. An absent body counts as empty. */
export const sign = (
  secret: string,
  header: (name: (typeof signedHeaders)[number]) => string | undefined,
  body: string | Uint8Array | SignedPieces | undefined
): string => {
  const lines = ["mcphub-context-v1", ...signedHeaders.map((name) => header(name) ?? "")]
  lines.push(digestOf(body ?? ""))
  return `v1=${createHmac("sha256", secret).update(lines.join("\n")).digest("hex")}`
}

/** Compares two signatures in constant time. */
export const sameSignature = (expected: string, found: string): boolean => {
  const left = Buffer.from(expected)
  const right = Buffer.from(found)
  return left.length === right.length && timingSafeEqual(left, right)
}
