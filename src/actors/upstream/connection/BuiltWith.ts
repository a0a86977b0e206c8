/**
 * A mark of the user's tokens that a connection was built with. A child process keeps the environment it was started
 * with, and a server may keep the credentials of its session's first request: once such a token is another, so must the
 * connection be.
 */
import { hash } from "node:crypto"
import { Redacted } from "effect"
import { entitledTokens } from "../../../domain/context/TokenHeaders.ts"
import type { Principal } from "../../../domain/identity/Principal.ts"
import { contextLevel, type ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import { referencedTokens } from "../../../domain/servers/ServerTemplates.ts"

/** The stored names of the tokens that the server receives from users who have them. */
export const receivedTokens = (server: string, config: ServerConfig): Array<string> => {
  if (config.isolation === "shared") return []
  if (contextLevel(config) === "full") return entitledTokens(server, config).map(({ name }) => name)
  return [...referencedTokens(config)]
}

/** A digest over names and values; empty where the server receives no token of any user. */
export const builtWith = (server: string, config: ServerConfig, { serviceTokens }: Principal): string => {
  const names = receivedTokens(server, config)
  if (names.length === 0) return ""
  const values = names.sort().map((name) => {
    const value = serviceTokens.get(name)
    return [name, value === undefined ? null : Redacted.value(value)]
  })
  return hash("sha256", JSON.stringify(values))
}
