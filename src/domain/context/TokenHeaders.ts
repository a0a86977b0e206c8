/**
 * The user's service tokens that a server is entitled to, and the header in which each one travels.
 *
 * A token reaches a server only when the server's configuration refers to it as `${USER_X}` or lists it in
 * `contextTokens`, or when the token is named after the server. A `shared` server never receives one.
 */
import { type ServerConfig, serverType, contextLevel } from "../servers/ServerConfig.ts"
import { referencedTokens } from "../servers/ServerTemplates.ts"

export interface EntitledToken {
  /** The stored name, e.g. `GITHUB_TOKEN`. */
  readonly name: string
  /** The header that carries it, e.g. `X-MCPHub-GitHub-Token`. */
  readonly header: string
}

const knownHeaders: ReadonlyMap<string, string> = new Map([
  ["GITHUB_TOKEN", "X-MCPHub-GitHub-Token"],
  ["ATLASSIAN_TOKEN", "X-MCPHub-Atlassian-Token"],
  ["FIRECRAWL_TOKEN", "X-MCPHub-Firecrawl-Token"],
  ["JIRA_TOKEN", "X-MCPHub-Jira-Token"],
  ["JIRA_API_TOKEN", "X-MCPHub-Jira-Token"],
  ["CONFLUENCE_TOKEN", "X-MCPHub-Confluence-Token"]
])

/** The token named after a server: `github-pr` → `GITHUB_PR_TOKEN`. */
export const serverTokenName = (server: string): string => `${server.toUpperCase().replace(/[^A-Z0-9]/g, "_")}_TOKEN`

/** The stored name for a name in the settings: `USER_GITHUB_TOKEN` and `GITHUB_TOKEN` are the same. */
export const storedTokenName = (name: string): string =>
  name.startsWith("USER_") && name.length > 5 ? name.slice(5) : name

const capitalised = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase()

export const tokenHeader = (name: string, server: string): string => {
  const known = knownHeaders.get(name)
  if (known !== undefined) return known
  if (name === serverTokenName(server)) return `X-MCPHub-${server.replace(/[^A-Za-z0-9._-]/g, "-")}-Token`
  const words = name.replace(/_TOKEN$/, "").split(/[^A-Za-z0-9]+/)
  return `X-MCPHub-${words
    .filter((word) => word !== "")
    .map(capitalised)
    .join("-")}-Token`
}

/**
 * The tokens for a server, listed ones first. Of two with one header, the hub sends the first that the user has set.
 */
export const entitledTokens = (server: string, config: ServerConfig): ReadonlyArray<EntitledToken> => {
  if (config.isolation === "shared") return []
  const names = new Set([
    ...(config.contextTokens ?? []).map(storedTokenName),
    serverTokenName(server),
    ...referencedTokens(config)
  ])
  return Array.from(names, (name) => ({ name, header: tokenHeader(name, server) }))
}

/**
 * Whether a stdio server without a sandbox gets users' tokens: other processes of the same system user may read them.
 */
export const exposesTokens = (config: ServerConfig): boolean =>
  serverType(config) === "stdio" &&
  config.sandboxed !== true &&
  config.isolation !== "shared" &&
  (contextLevel(config) === "full" || referencedTokens(config).size > 0)
