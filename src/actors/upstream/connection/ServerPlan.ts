/**
 * A server's configuration prepared for the data path: templates parsed and bound to the environment, entitlements
 * worked out, once per configuration object. What is left per request is the user's part.
 */
import { type BindProblem, bindTemplate, type BoundTemplate, parseTemplate } from "../../../domain/servers/Expansion.ts"
import type { EnvironmentRecord } from "../../../domain/config/Environment.ts"
import {
  type ContextLevel,
  type Isolation,
  type ServerConfig,
  serverType,
  contextLevel
} from "../../../domain/servers/ServerConfig.ts"
import { namesFolder } from "../../../domain/servers/ServerTemplates.ts"
import { type EntitledToken, entitledTokens } from "../../../domain/context/TokenHeaders.ts"
import { reservedHeaders } from "../../../domain/context/UserContext.ts"

export interface NamedTemplate {
  readonly name: string
  readonly template: BoundTemplate
}

export interface ServerPlan {
  readonly server: string
  readonly level: ContextLevel
  readonly isolation: Isolation
  /** Configured headers, each name once, without those that are the hub's or the connection's own. */
  readonly headers: ReadonlyArray<NamedTemplate>
  readonly url: BoundTemplate
  readonly command: BoundTemplate
  readonly args: ReadonlyArray<BoundTemplate>
  readonly cwd: BoundTemplate
  readonly env: ReadonlyArray<NamedTemplate>
  /** Whether a template names the user's own folder, which then has to be there. */
  readonly namesFolder: boolean
  /** The tokens the context may carry: those the server is entitled to, and none below `full`. */
  readonly tokens: ReadonlyArray<EntitledToken>
  /** The server is sent who asks, and nothing of the settings or of the user's tokens. */
  readonly isPlain: boolean
  /** Fields that cannot be expanded for anybody, e.g. because a variable is not set. */
  readonly problems: ReadonlyArray<{ readonly path: string; readonly problem: BindProblem }>
}

/** Headers that frame the message or the MCP session: the hub's connection writes them, never the settings. */
export const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

/** Parses and binds everything the configuration has; never fails, problems are part of the plan. */
export const serverPlan = (server: string, config: ServerConfig, environment: EnvironmentRecord): ServerPlan => {
  const problems: Array<{ path: string; problem: BindProblem }> = []
  const bind = (path: string, text: string): BoundTemplate => {
    const bound = bindTemplate(parseTemplate(text), environment)
    for (const problem of bound.problems) problems.push({ path, problem })
    return bound.template
  }
  const headers = new Map<string, NamedTemplate>()
  for (const [name, text] of Object.entries(config.headers ?? {})) {
    const key = name.toLowerCase()
    if (reservedHeaders.has(key) || connectionHeaders.has(key)) continue
    headers.set(key, { name, template: bind(`headers.${name}`, text) })
  }
  const level = contextLevel(config)
  const tokens = level === "full" ? entitledTokens(server, config) : []
  const plan = {
    server,
    level,
    isolation: config.isolation ?? (serverType(config) === "stdio" ? "session" : "user"),
    headers: Array.from(headers.values()),
    url: bind("url", config.url ?? ""),
    command: bind("command", config.command ?? ""),
    cwd: bind("cwd", config.cwd ?? ""),
    args: (config.args ?? []).map((text, index) => bind(`args[${index}]`, text)),
    env: Object.entries(config.env ?? {}).map(([name, text]) => ({ name, template: bind(`env.${name}`, text) })),
    tokens,
    namesFolder: namesFolder(config),
    problems
  }
  const isPlain = level !== "none" && headers.size === 0 && tokens.length === 0 && problems.length === 0
  return { ...plan, isPlain }
}
