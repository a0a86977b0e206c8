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
  | { readonly kind: "conflict" }

const bearer = /^Bearer[ \t]+(\S+)[ \t]*$/i

/**
 * `Authorization: Bearer`, `x-mcphub-key` or `?key=`; two different keys in one request are a conflict. What looks like no
 * key of a hub is somebody else's, such as the token of a proxy on the way, and counts only where there is nothing else.
 */
export const presentedKey = (request: WireRequest, allowQuery: boolean): Presented => {
  const authorization = request.header("authorization")
  const own = request.header("x-mcphub-key")
  // A header that is not there does not disagree with itself.
  if (authorization !== undefined && request.disagrees("authorization")) return { kind: "conflict" }
  if (own !== undefined && request.disagrees("x-mcphub-key")) return { kind: "conflict" }
  const byBearer = authorization === undefined ? undefined : bearer.exec(authorization)?.[1]
  const byHeader = own?.trim()
  // Usually there is nothing else, and no list is needed to say so.
  if (byBearer !== undefined && byHeader === undefined && request.query.size === 0) {
    return { kind: "key", key: byBearer, byQuery: false }
  }
  const byQuery = allowQuery ? (request.query.get("key") ?? undefined) : undefined
  let key: string | undefined
  let foreign: string | undefined
  for (const candidate of [byBearer, byHeader, byQuery]) {
    if (candidate === undefined || candidate === "") continue
    if (!looksLikeKey(candidate)) {
      foreign ??= candidate
      continue
    }
    if (key !== undefined && key !== candidate) return { kind: "conflict" }
    key = candidate
  }
  key ??= foreign
  if (allowQuery && request.query.getAll("key").length > 1) return { kind: "conflict" }
  return key === undefined ? { kind: "none" } : { kind: "key", key, byQuery: key === byQuery }
}
