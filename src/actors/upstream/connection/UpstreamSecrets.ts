/**
 * The secrets that one server was given: the user's tokens and the values of its own settings. They are taken out of
 * everything the server says of a failure before a client, a log or an audit row sees it. A server knows nothing else
 * that it could give away: other users' tokens reach it on connections of theirs.
 */
import { Redacted } from "effect"
import type { Principal } from "../../../domain/identity/Principal.ts"
import * as Scrubber from "../../../domain/Scrubber.ts"
import { contextReferences, parseTemplate, type Template } from "../../../domain/servers/Expansion.ts"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"

/** What became of the settings' templates; each transport has its own. */
export interface Expanded {
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly url?: string
}

/** A child's variables are there for it alone; of headers and arguments only what a template put in. */
export const scrubberOf = (config: ServerConfig, principal: Principal, expanded: Expanded): Scrubber.Scrubber => {
  const secrets = Array.from(principal.serviceTokens.values(), Redacted.value)
  const add = (template: string | undefined, value: string | undefined): void => {
    if (template?.includes("${") && value !== undefined && !isContext(parseTemplate(template))) {
      secrets.push(expansion(template, value))
    }
  }
  for (const [name, template] of Object.entries(config.env ?? {})) {
    const value = expanded.env?.[name]
    if (value === undefined || isContext(parseTemplate(template))) continue
    secrets.push(value)
    add(template, value)
  }
  config.args?.forEach((template, index) => add(template, expanded.args?.[index]))
  for (const [name, template] of Object.entries(config.headers ?? {})) add(template, expanded.headers?.[name])
  add(config.url, expanded.url)
  return Scrubber.make(secrets)
}

/** Whether the text holds nothing of the environment or of the user's tokens, and says where, or who, the user is. */
const isContext = (template: Template): boolean =>
  contextReferences(template).length > 0 &&
  template.every((part) => typeof part === "string" || part.scope === "context")

/** The part of `value` that came out of the template's `${…}`, between its literal beginning and end. */
const expansion = (template: string, value: string): string => {
  const opens = template.indexOf("${")
  const after = template.length - (template.lastIndexOf("}") + 1)
  return value.slice(opens, value.length - after)
}
