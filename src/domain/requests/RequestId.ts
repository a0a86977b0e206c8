/**
 * The id of one request: `user-{userId}-{sessionId}-{method}-{timestamp}-{random}`.
 *
 * It goes into logs, audit rows, error data and the header `X-MCPHub-Request-Id`, so it uses only characters that a
 * header can hold. It can be read back: the method may contain `/` and `-`, and uuids contain `-`, so `parse` finds the
 * parts by their shapes instead of counting dashes.
 */
import { randomBytes } from "node:crypto"
import { Option } from "effect"
import type { RequestId, SessionId, UserId } from "../Ids.ts"
import { excerpt } from "../Redaction.ts"
import { uuidPattern } from "../Ids.ts"

export interface RequestIdParts {
  readonly userId: string
  readonly sessionId: string
  readonly method: string
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  /** 24 hexadecimal digits: 96 random bits. */
  readonly random: string
}

/** Makes one id; `timestamp` in milliseconds since the epoch. */
export type MintRequestId = (userId: UserId, sessionId: SessionId, method: string, timestamp: number) => RequestId

const randomDigits = 24
const poolIds = 512
const maxMethodLength = 64
const plainMethod = /^[A-Za-z0-9/_$.-]{1,64}$/

/** The text of a method inside an id: at most 64 characters of `A-Z a-z 0-9 / _ $ . -`, others become `_`. */
export const methodText = (method: string): string =>
  plainMethod.test(method) ? method : excerpt(method, maxMethodLength).replace(/[^A-Za-z0-9/_$.-]/g, "_") || "_"

/**
 * A source of ids. Random bytes come from the platform's generator, enough for many ids at a time, since one call costs
 * more than the rest of an id.
 */
export const makeMint = (): MintRequestId => {
  let pool = ""
  let offset = 0
  return (userId, sessionId, method, timestamp) => {
    if (offset === pool.length) {
      pool = randomBytes((poolIds * randomDigits) / 2).toString("hex")
      offset = 0
    }
    const random = pool.slice(offset, (offset += randomDigits))
    return `user-${userId}-${sessionId}-${methodText(method)}-${timestamp}-${random}` as RequestId
  }
}

const outer = /^user-(.+)-(\d{1,16})-([0-9a-f]{24})$/s
/** Most certain first: both ids are uuids, the session's is, none is but no part holds a dash. */
const inner = [
  new RegExp(`^(${uuidPattern})-(${uuidPattern})-([A-Za-z0-9/_$.-]{1,64})$`),
  new RegExp(`^(.+?)-(${uuidPattern})-([A-Za-z0-9/_$.-]{1,64})$`),
  new RegExp(`^(${uuidPattern})-([^-]+)-([A-Za-z0-9/_$.]{1,64})$`),
  /^([^-]+)-([^-]+)-([A-Za-z0-9/_$.]{1,64})$/
]

/** Reads an id back; none when the text is no id or is ambiguous. */
export const parse = (id: string): Option.Option<RequestIdParts> => {
  const ends = outer.exec(id)
  if (ends === null) return Option.none()
  for (const shape of inner) {
    const parts = shape.exec(ends[1]!)
    if (parts === null) continue
    return Option.some({
      userId: parts[1]!,
      sessionId: parts[2]!,
      method: parts[3]!,
      timestamp: Number(ends[2]),
      random: ends[3]!
    })
  }
  return Option.none()
}
