/** Objects and texts out of what strangers sent where they belong: anything else counts as none. */
import { Predicate } from "effect"
import type { JsonObject } from "./JsonRpc.ts"

export const isJsonObject = (value: unknown): value is JsonObject => Predicate.isObject(value)

export const objectOrEmpty = (value: unknown): JsonObject => (isJsonObject(value) ? value : {})

/** A text out of it; everything else counts as none. */
export const textOrEmpty = (value: unknown): string => (typeof value === "string" ? value : "")

/** The `_meta` of parameters or of a result. */
export const metaOf = (holder: JsonObject | undefined): JsonObject | undefined => {
  const meta = holder?.["_meta"]
  return Predicate.isObject(meta) ? (meta as JsonObject) : undefined
}
