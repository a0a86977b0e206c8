/**
 * One entry of `mcpServers` in the settings file, as existing users have it, plus `isolation`, `context`,
 * `contextTokens` and `sandboxed`. Unknown keys are kept (the loader warns about them), so a file round-trips.
 */
import { Schema } from "effect"

const Strings = Schema.Record(Schema.String, Schema.String)

export const ServerOptions = Schema.Struct({
  /** Milliseconds until a request to this server times out. */
  timeout: Schema.optional(Schema.Number),
  /** Milliseconds within which a connection to this server must be initialized. */
  initTimeout: Schema.optional(Schema.Number),
  resetTimeoutOnProgress: Schema.optional(Schema.Boolean),
  /** Milliseconds no request may exceed, progress or not. */
  maxTotalTimeout: Schema.optional(Schema.Number),
  /** Requests one user may have in flight at this server, over all their sessions. */
  maxInflight: Schema.optional(Schema.Number)
})
export type ServerOptions = typeof ServerOptions.Type

export const ToolSetting = Schema.Struct({
  enabled: Schema.optional(Schema.Boolean),
  description: Schema.optional(Schema.String)
})

export const Isolation = Schema.Literals(["session", "user", "shared"])
export type Isolation = typeof Isolation.Type

export const ContextLevel = Schema.Literals(["none", "ids", "full"])
export type ContextLevel = typeof ContextLevel.Type

/** The era of an upstream: the client's where the upstream offers it, or always the one named. */
export const EraPreference = Schema.Literals(["client", "stateful", "stateless"])
export type EraPreference = typeof EraPreference.Type

export const ServerType = Schema.Literals(["stdio", "sse", "streamable-http", "openapi"])
export type ServerType = typeof ServerType.Type

export const ServerConfig = Schema.Struct({
  type: Schema.optional(ServerType),
  url: Schema.optional(Schema.String),
  command: Schema.optional(Schema.String),
  args: Schema.optional(Schema.Array(Schema.String)),
  /** Folder in which a stdio server runs; an empty one of its own when absent. */
  cwd: Schema.optional(Schema.String),
  env: Schema.optional(Strings),
  headers: Schema.optional(Strings),
  enabled: Schema.optional(Schema.Boolean),
  keepAliveInterval: Schema.optional(Schema.Number),
  tools: Schema.optional(Schema.Record(Schema.String, ToolSetting)),
  options: Schema.optional(ServerOptions),
  openapi: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
  isolation: Schema.optional(Isolation),
  context: Schema.optional(ContextLevel),
  era: Schema.optional(EraPreference),
  contextTokens: Schema.optional(Schema.Array(Schema.String)),
  /** The operator's word that the command isolates its process from all others of the hub's system user. */
  sandboxed: Schema.optional(Schema.Boolean)
})
export type ServerConfig = typeof ServerConfig.Type

/** The transport of an entry: as written, or inferred as the old hub did (url → streamable-http, command → stdio). */
export const serverType = (config: ServerConfig): ServerType => {
  if (config.type !== undefined) return config.type
  if (config.openapi !== undefined) return "openapi"
  return config.url !== undefined ? "streamable-http" : "stdio"
}

/** `ids` unless the server's configuration says otherwise. */
export const contextLevel = (config: ServerConfig): ContextLevel => config.context ?? "ids"
