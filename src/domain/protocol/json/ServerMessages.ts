/**
 * The one reader of everything that servers send, over both transports and in both eras: text within the limits for
 * servers, and messages of the shapes that JSON-RPC has. A large result that is carried as bytes (`RawJson`) has been
 * checked by `ResponseScanner` instead.
 *
 * An error passes to the client with what its server wrote, except for the members of `data` by which clients tell the
 * hub's own errors: those are the hub's to set, so a server's stand under `upstream`.
 */
import { isJsonObject } from "../JsonObjects.ts"
import type { JsonObject, JsonRpcErrorObject } from "../JsonRpc.ts"
import { readJson, type ReadJson, serverLimits } from "./JsonLimits.ts"

/** Characters of a text that holds an error: errors go to logs and through scrubbing as well as to the client. */
const maxErrorLength = 256 * 1024

/** Messages of a batch (2025-03-26) of a server: it is dealt with at once, without a pause. */
export const maxBatch = 256

export const readFromServer = (text: string): ReadJson => {
  const read = readJson(text, serverLimits)
  if (read.ok && text.length > maxErrorLength && holdsError(read.value)) {
    return { ok: false, reason: `is an error of more than ${maxErrorLength} characters` }
  }
  return read
}

const holdsError = (value: unknown): boolean =>
  Array.isArray(value) ? value.some(holdsError) : isJsonObject(value) && (value["error"] ?? null) !== null

/** Members of `HubErrorData` that say whose error it is and what it means. */
const hubMarks = ["origin", "kind", "requestId", "retryable"] as const

/** The error as its server may say it. */
export const serverError = (error: JsonRpcErrorObject): JsonRpcErrorObject => {
  const { code, data, message } = error
  if (data === undefined) return { code, message }
  if (!isJsonObject(data) || !hubMarks.some((mark) => mark in data)) return { code, message, data }
  const { kind, origin, requestId, retryable, ...own } = data
  const claimed: JsonObject = { origin, kind, requestId, retryable }
  const upstream = Object.fromEntries(Object.entries(claimed).filter(([, value]) => value !== undefined))
  return { code, message, data: { ...own, upstream } }
}

const quote = 0x22
const backslash = 0x5c

/**
 * The id of the request that an unreadable text was to answer: a number at its top level, or its text, beside a
 * `result` or an `error` and no `method`. The text may be cut off, nested too deep, or no JSON further in.
 */
export const answeredId = (text: string): number | undefined => {
  let id: number | undefined
  let answers = false
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      const end = endOfText(text, at)
      if (depth === 1 && isName(text, end)) {
        const name = text.slice(at + 1, end)
        if (name === "method") return undefined
        if (name === "result" || name === "error") answers = true
        if (name === "id") id = numberAt(text, end)
      }
      at = end
    } else if (code === 0x7b || code === 0x5b) depth++
    else if (code === 0x7d || code === 0x5d) depth--
  }
  return answers ? id : undefined
}

const endOfText = (text: string, start: number): number => {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === backslash) at++
    else if (code === quote) return at
  }
  return text.length
}

const afterBlank = (text: string, from: number): number => {
  let at = from
  while (at < text.length && text.charCodeAt(at) <= 0x20) at++
  return at
}

const isName = (text: string, end: number): boolean => text[afterBlank(text, end + 1)] === ":"

const numberAt = (text: string, end: number): number | undefined => {
  const from = afterBlank(text, afterBlank(text, end + 1) + 1)
  const digits = /^"?(\d{1,15})/.exec(text.slice(from, from + 16))
  return digits === null ? undefined : Number(digits[1])
}
