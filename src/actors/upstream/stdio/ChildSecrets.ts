/**
 * What must not appear when a child's own words are repeated: the values this very child was started with. A child
 * knows only its own user's tokens and its server's configuration, so these are all it could give away.
 */
import { Redacted } from "effect"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import { mapTexts } from "../../../domain/protocol/json/JsonText.ts"
import type { CallContext } from "../connection/UpstreamConnection.ts"

/** Shorter values are words, not secrets: replacing them would only mangle the text. */
const shortest = 6

export interface StartedWith {
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/** The user's tokens, every value of the server's own `env`, and whatever a template in its arguments became. */
export const collect = (config: ServerConfig, context: CallContext, started: StartedWith): ReadonlyArray<string> => {
  const values = new Set<string>()
  for (const token of context.principal.serviceTokens.values()) values.add(Redacted.value(token))
  for (const [name, template] of Object.entries(config.env ?? {})) {
    const value = started.env[name]
    if (value === undefined) continue
    values.add(value)
    values.add(expansion(template, value))
  }
  config.args?.forEach((template, index) => {
    const value = started.args[index]
    if (value !== undefined && template.includes("${")) values.add(expansion(template, value))
  })
  // The longest first: a token that contains another must not leave its remainder behind.
  return [...values].filter((value) => value.length >= shortest).sort((a, b) => b.length - a.length)
}

/** The part of `value` that came out of the template's `${…}`, between its literal beginning and end. */
const expansion = (template: string, value: string): string => {
  const opens = template.indexOf("${")
  if (opens === -1) return value
  const after = template.length - (template.lastIndexOf("}") + 1)
  return value.slice(opens, value.length - after)
}

/** The JSON value with each secret replaced in any text it holds. */
export const scrubJson = <A>(value: A, secrets: ReadonlyArray<string>): A =>
  mapTexts(value, (text) => scrub(text, secrets)) as A

/** `text` with each secret replaced, in its plain and its URL-encoded form. */
export const scrub = (text: string, secrets: ReadonlyArray<string>): string => {
  let clean = text
  for (const secret of secrets) {
    clean = clean.replaceAll(secret, "<redacted>")
    const encoded = encodeURIComponent(secret)
    if (encoded !== secret) clean = clean.replaceAll(encoded, "<redacted>")
  }
  return clean
}
