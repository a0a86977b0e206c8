/**
 * The reason in words that a server gives beside an HTTP error status: out of a JSON-RPC error whoever it answers, out of
 * the error bodies of OAuth, of RFC 9457 and of common frameworks, out of a text, or the title of a page. What comes out
 * still holds whatever the server was given, so it is for a scrubber next, and then to be cut.
 */
import { Predicate } from "effect"
import type { JsonObject } from "../JsonRpc.ts"
import { isJsonObject } from "../JsonObjects.ts"
import { readFromServer } from "./ServerMessages.ts"

/** Characters of a body beyond which nobody looks for words in it. */
const maxBody = 64 * 1024
/** Characters of words that are shown. */
const maxWords = 300

const members = ["error_description", "message", "detail", "title", "error", "errors", "reason"] as const

const inJson = (value: unknown, depth: number): string => {
  if (Predicate.isString(value)) return value
  if (depth === 0) return ""
  if (Array.isArray(value)) return inJson(value[0], depth - 1)
  if (!isJsonObject(value)) return ""
  for (const name of members) {
    const words = inJson((value as JsonObject)[name], depth - 1)
    if (words !== "") return words
  }
  return ""
}

const title = /<title>([^<]{1,300})<\/title>/i

export const wordsIn = (body: string): string => {
  if (body.length > maxBody) return ""
  const read = readFromServer(body)
  if (read.ok) return inJson(read.value, 4)
  return /^\s*</.test(body) ? (title.exec(body)?.[1] ?? "") : body
}

/** The scrubbed words as the end of a sentence: on one line, and not too many. */
export const shortened = (words: string): string => {
  const line = words.replace(/[\s\p{Cc}]+/gu, " ").trim()
  return line.length <= maxWords ? line : `${line.slice(0, maxWords).toWellFormed()}…`
}
