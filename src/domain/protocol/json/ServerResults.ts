/**
 * The results that the hub itself reads, checked before it does: the answer to `initialize` and the pages of lists. What
 * the hub only carries it does not check.
 *
 * Source: MCP 2025-11-25 schema, `InitializeResult`, `PaginatedResult` and the list results.
 */
import { Predicate } from "effect"
import { isJsonObject } from "../JsonObjects.ts"
import type { JsonObject } from "../JsonRpc.ts"
import { type ListKind, lists } from "../Methods.ts"
import type { Era } from "../Versions.ts"
import { type Abilities, readAbilities } from "./Abilities.ts"
import { isName, readItem, type UnusableItem } from "./ListItems.ts"

/** Bytes of an answer to the first request, and of a list over all of its pages. */
export const firstAnswerBytes = 1024 * 1024
export const listBytes = 4 * 1024 * 1024

/** `what` follows the server's name. */
export type Shaped<A> = { readonly ok: true; readonly value: A } | { readonly ok: false; readonly what: string }

const wrong = (what: string) => ({ ok: false, what }) as const

export interface Introduction extends Abilities {
  readonly protocolVersion: string
}

const isAbsentOr = <A>(is: (value: unknown) => value is A, value: unknown): value is A | null | undefined =>
  value === undefined || value === null || is(value)

/** The answer to `initialize`, whatever revision it names. */
export const readIntroduction = (result: unknown): Shaped<Introduction> => {
  const given: JsonObject = isJsonObject(result) ? result : {}
  const protocolVersion = given["protocolVersion"]
  if (!Predicate.isString(protocolVersion)) return wrong("answered initialize without a revision of the protocol")
  return { ok: true, value: { protocolVersion, ...readAbilities(given) } }
}

export interface ListPage {
  /** By their own keys, as clients take them. */
  readonly items: ReadonlyArray<readonly [key: string, item: JsonObject]>
  /** Entries that are left out. */
  readonly unusable: ReadonlyArray<UnusableItem>
  readonly nextCursor: string | undefined
  readonly ttlMs: unknown
}

export const readPage = (kind: ListKind, era: Era, result: unknown): Shaped<ListPage> => {
  const { field, method } = lists[kind]
  const page: JsonObject = isJsonObject(result) ? result : {}
  const array = page[field]
  if (!Array.isArray(array)) return wrong(`answered ${method} without the array "${field}"`)
  const items: Array<readonly [string, JsonObject]> = []
  const unusable: Array<UnusableItem> = []
  for (const value of array as ReadonlyArray<unknown>) {
    const read = readItem(kind, era, value)
    if (read.isUsable) items.push([read.key, read.item])
    else unusable.push(read)
  }
  const next = page["nextCursor"]
  if (!isAbsentOr(isName, next)) return wrong(`answered ${method} with a cursor that is no text the hub can send back`)
  return { ok: true, value: { items, unusable, nextCursor: next ?? undefined, ttlMs: page["ttlMs"] } }
}
