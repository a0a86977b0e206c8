/**
 * Takes the user's own tokens out of what an upstream wrote about a failure, before a client, a log or an audit row
 * sees it. Only errors pass through here, so its cost does not matter.
 */
import { Redacted } from "effect"
import type { Principal } from "../../../domain/identity/Principal.ts"
import { mapTexts } from "../../../domain/protocol/json/JsonText.ts"

/** Shorter values would tear ordinary words apart, and are no secrets worth the name. */
const minLength = 6

/** The JSON value with every occurrence of a token of the principal, in any text it holds, replaced by `[redacted]`. */
export const scrub = <A>(value: A, principal: Principal): A => {
  const secrets = Array.from(principal.serviceTokens.values(), Redacted.value).filter(
    (text) => text.length >= minLength
  )
  if (secrets.length === 0 || value === undefined) return value
  // The longest first: one token may be the beginning of another.
  secrets.sort((a, b) => b.length - a.length)
  const clean = (text: string) => secrets.reduce((rest, secret) => rest.replaceAll(secret, "[redacted]"), text)
  return mapTexts(value, clean) as A
}
