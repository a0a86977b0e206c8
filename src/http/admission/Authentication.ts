/**
 * Finds the key that a request presents. The key is the only source of identity.
 *
 * Source: RFC 6750 (Bearer).
 */
import { looksLikeKey } from "../../domain/identity/HubKey.ts"
import type { WireRequest } from "../wire/Wire.ts"

export type Presented =
  | { readonly kind: "key"; readonly key: string; readonly byQuery: boolean }
  | { readonly kind: "none" }
  /** Places of two different keys, as a client's author knows them. */
  | { readonly kind: "conflict"; readonly places: readonly [string, string] }

/** What of a request may hold a key. */
export type KeyPlaces = Pick<WireRequest, "headers" | "query" | "disagrees" | "values">

const bearer = /^Bearer[ \t]+(\S+)[ \t]*$/i

interface Found {
  readonly key: string
  readonly place: string
}

/**
 * `Authorization: Bearer`, `x-mcphub-key` or `?key=`, each as often as it comes; two different keys in one request are a
 * conflict. What looks like no key of a hub is somebody else's, such as the token of a proxy on the way, and counts only
 * where there is nothing else.
 */
export const presentedKey = (request: KeyPlaces, allowQuery: boolean): Presented => {
  const authorization = request.headers["authorization"]
  // Usually there is nothing else, and no list is needed to say so.
  if (authorization !== undefined && request.headers["x-mcphub-key"] === undefined && request.query.size === 0) {
    const key = request.disagrees("authorization") ? undefined : bearer.exec(authorization)?.[1]
    if (key !== undefined) return { kind: "key", key, byQuery: false }
  }
  let first: Found | undefined
  let foreign: Found | undefined
  for (const found of candidates(request, allowQuery)) {
    if (!looksLikeKey(found.key)) foreign ??= found
    else if (first === undefined) first = found
    else if (first.key !== found.key) return { kind: "conflict", places: [first.place, found.place] }
  }
  const counts = first ?? foreign
  return counts === undefined ? { kind: "none" } : { kind: "key", key: counts.key, byQuery: counts.place === byQuery }
}

const byQuery = "?key="

/** Everything that stands where a key may stand. */
const candidates = (request: KeyPlaces, allowQuery: boolean): ReadonlyArray<Found> =>
  [
    ...valuesOf(request, "authorization", nextScheme).map((value) => ({
      key: bearer.exec(value)?.[1] ?? "",
      place: "Authorization"
    })),
    ...valuesOf(request, "x-mcphub-key", ",").map((key) => ({ key, place: "x-mcphub-key" })),
    ...(allowQuery ? request.query.getAll("key") : []).map((key) => ({ key, place: byQuery }))
  ].filter(({ key }) => key !== "")

/** A comma before credentials of another scheme, and not before a parameter of this one. */
const nextScheme = /,\s*(?=[A-Za-z][A-Za-z-]*\s)/

/** Each value of a header that came several times. Some runtimes and proxies join them by a comma, which no key has. */
const valuesOf = (request: KeyPlaces, name: string, separator: string | RegExp): ReadonlyArray<string> =>
  request.values(name).flatMap((value) => value.split(separator).map((one) => one.trim()))
