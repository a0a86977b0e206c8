/**
 * The settings files of other programs: where their MCP servers stand, and how an entry reads in the hub's words. What
 * `Dialects` understands in the hub's own file is not repeated here.
 *
 * Source: the documented settings of each program, autumn 2026.
 */
import { isJsonObject } from "../protocol/JsonObjects.ts"
import type { JsonObject } from "../protocol/JsonRpc.ts"
import * as RegistryServer from "./RegistryServer.ts"
import type { SettingsFinding } from "./SettingsFinding.ts"

/** Servers by name, in words that the checks of the hub's own file understand; and what could not be read so. */
export interface Imported {
  readonly servers: Readonly<Record<string, JsonObject>>
  readonly problems: ReadonlyArray<SettingsFinding>
}

export interface ForeignProgram {
  readonly title: string
  readonly syntax: "json" | "toml"
  /** Usual places of the file, the nearest first; `~` is the user's own folder. */
  readonly files: ReadonlyArray<string>
  readonly read: (document: JsonObject) => Imported
}

type Translate = (entry: JsonObject, problem: (path: string, reason: string) => void) => JsonObject

const servers =
  (members: ReadonlyArray<string>, translate: Translate) =>
  (document: JsonObject): Imported => {
    const found: Record<string, JsonObject> = Object.create(null)
    const problems: Array<SettingsFinding> = []
    const member = members.find((name) => isJsonObject(document[name]))
    for (const [name, entry] of Object.entries(member === undefined ? {} : (document[member] as JsonObject))) {
      const problem = (path: string, reason: string) =>
        void problems.push({ path: `${member}.${name}${path === "" ? "" : `.${path}`}`, reason })
      if (name === "__proto__") problem("", "No server can have this name")
      else if (isJsonObject(entry)) found[name] = translate(entry, problem)
      else problem("", "Expected an object")
    }
    return { servers: found, problems }
  }

const same: Translate = (entry) => entry

/** Every text of an entry, wherever it stands. */
const texts = <A>(value: A, change: (text: string) => string): A => {
  if (typeof value === "string") return change(value) as A
  if (Array.isArray(value)) return value.map((one) => texts(one as unknown, change)) as A
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, texts(one, change)])) as A
}

/** `${USER_X}` is a variable there like any other, and a user's token only here. */
const asVariable = (text: string): string => text.replaceAll("${USER_", "${env:USER_")

const fromClaude: Translate = (entry) => texts(entry, asVariable)

/** The name of a user's token for what VS Code asks its user. */
const tokenName = (id: string): string =>
  id
    .replaceAll(/[^A-Za-z0-9]+/g, "_")
    .replaceAll(/^_+|_+$/g, "")
    .toUpperCase()

const withTimeout = (entry: JsonObject, milliseconds: number): JsonObject =>
  typeof entry["timeout"] === "number"
    ? { ...without(entry, "timeout"), options: { timeout: entry["timeout"] * milliseconds } }
    : entry

const without = (entry: JsonObject, ...names: ReadonlyArray<string>): JsonObject =>
  Object.fromEntries(Object.entries(entry).filter(([name]) => !names.includes(name)))

/** `url` is an SSE server there, `httpUrl` one of streamable HTTP; `$NAME` is a variable. */
const fromGemini: Translate = (entry) => {
  const typed = entry["url"] !== undefined && entry["httpUrl"] === undefined ? { ...entry, type: "sse" } : entry
  return texts(withTimeout(typed, 1), (text) => asVariable(text.replaceAll(/\$([A-Za-z_][A-Za-z0-9_]*)/g, "${$1}")))
}

const fromOpencode: Translate = (entry, problem) => {
  const read = withTimeout(entry, 1)
  if (read["oauth"] !== undefined) problem("oauth", "The hub cannot sign in by OAuth yet; use a header with a token")
  return texts(without(read, "oauth"), (text) => text.replaceAll(/\{env:([A-Za-z_][A-Za-z0-9_]*)\}/g, "${env:$1}"))
}

/** Times are in seconds there. */
const fromCodex: Translate = (entry, problem) => {
  const { bearer_token_env_var, disabled_tools, enabled_tools, env_http_headers, env_vars, ...rest } = entry
  const { http_headers, tool_timeout_sec, ...own } = without(rest, "startup_timeout_sec", "startup_timeout_ms")
  const read: Record<string, unknown> = { ...own }
  const variable = (name: unknown) => `\${env:${String(name)}}`
  const headers: Record<string, unknown> = isJsonObject(http_headers) ? { ...http_headers } : {}
  for (const [name, from] of Object.entries(isJsonObject(env_http_headers) ? env_http_headers : {})) {
    headers[name] = variable(from)
  }
  if (typeof bearer_token_env_var === "string") headers["Authorization"] = `Bearer ${variable(bearer_token_env_var)}`
  if (Object.keys(headers).length > 0) read["headers"] = headers
  if (Array.isArray(env_vars)) {
    const passed = Object.fromEntries(env_vars.map((name) => [String(name), variable(name)]))
    read["env"] = { ...passed, ...(isJsonObject(own["env"]) ? own["env"] : {}) }
  }
  if (typeof tool_timeout_sec === "number") read["options"] = { timeout: tool_timeout_sec * 1_000 }
  if (disabled_tools !== undefined) read["disabledTools"] = disabled_tools
  if (enabled_tools !== undefined) problem("enabled_tools", onlyTools)
  return read
}

const onlyTools =
  'The hub has no list of the only tools; give the users a group with these tools, or switch others off by "tools"'

const fromVsCode: Translate = (entry) =>
  texts(entry, (text) => text.replaceAll(/\$\{input:([^}]+)\}/g, (_, id: string) => `\${USER_${tokenName(id)}}`))

const fromCline: Translate = (entry) => withTimeout(entry, 1_000)

export const foreignPrograms = {
  claude: {
    title: "Claude Code or Claude Desktop",
    syntax: "json",
    files: [".mcp.json", "~/.claude.json"],
    read: servers(["mcpServers"], fromClaude)
  },
  cursor: {
    title: "Cursor",
    syntax: "json",
    files: [".cursor/mcp.json", "~/.cursor/mcp.json"],
    read: servers(["mcpServers"], same)
  },
  vscode: {
    title: "Visual Studio Code",
    syntax: "json",
    files: [".vscode/mcp.json"],
    read: servers(["servers", "mcpServers"], fromVsCode)
  },
  windsurf: {
    title: "Windsurf",
    syntax: "json",
    files: ["~/.codeium/windsurf/mcp_config.json"],
    read: servers(["mcpServers"], same)
  },
  cline: {
    title: "Cline",
    syntax: "json",
    files: ["cline_mcp_settings.json"],
    read: servers(["mcpServers"], fromCline)
  },
  gemini: {
    title: "Gemini CLI",
    syntax: "json",
    files: [".gemini/settings.json", "~/.gemini/settings.json"],
    read: servers(["mcpServers"], fromGemini)
  },
  opencode: {
    title: "opencode",
    syntax: "json",
    files: ["opencode.json", "opencode.jsonc", "~/.config/opencode/opencode.json"],
    read: servers(["mcp"], fromOpencode)
  },
  codex: {
    title: "Codex",
    syntax: "toml",
    files: [".codex/config.toml", "~/.codex/config.toml"],
    read: servers(["mcp_servers"], fromCodex)
  },
  registry: {
    title: "a server.json of the MCP registry",
    syntax: "json",
    files: ["server.json"],
    read: RegistryServer.read
  }
} as const satisfies Record<string, ForeignProgram>

export type ForeignProgramName = keyof typeof foreignPrograms
