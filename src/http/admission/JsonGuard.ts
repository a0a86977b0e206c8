/**
 * Parses a request body: valid UTF-8, within the limits for clients. The limits are looked at in the bytes, before
 * anything is decoded.
 *
 * Source: RFC 8259 §8.1 (UTF-8).
 */
import { clientLimits, membersWithin, type ReadJson, readMeasured } from "../../domain/protocol/json/JsonLimits.ts"

const utf8 = new TextDecoder("utf-8", { fatal: true })

const refused = (reason: string): ReadJson => ({ ok: false, reason: `The body ${reason}` })

/** `weigh` hears the number of members before they are parsed, unless they are too many to be. */
export const parse = (body: Uint8Array, weigh?: (members: number) => void): ReadJson => {
  const measured = membersWithin(body, clientLimits)
  if (typeof measured === "string") return refused(measured)
  weigh?.(measured)
  let text: string
  try {
    text = utf8.decode(body)
  } catch {
    return refused("is not valid JSON in UTF-8")
  }
  const read = readMeasured(text)
  return read.ok ? read : refused(read.reason)
}
