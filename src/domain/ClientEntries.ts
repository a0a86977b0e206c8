/**
 * The place where each client keeps its MCP servers, and the entry of the hub there, as its vendor documents it. No entry holds
 * the key: VS Code asks for it, the others read it from the environment variable `MCPHUB_KEY`.
 */
import type { JsonObject } from "./protocol/JsonRpc.ts"

/** A value in a client's file. */
export interface EntryChange {
  /** Names of objects, the last one that of the value. */
  readonly path: readonly [string, ...ReadonlyArray<string>]
  readonly value: JsonObject
  /** The path leads to a list, in which the value replaces the one that has the same value of this member. */
  readonly sameBy?: string | undefined
}

export interface ClientEntry {
  readonly syntax: "json" | "toml"
  /** Places of the file; the first that is there counts, or else the first. `~` is the user's own folder. */
  readonly files: readonly [string, ...ReadonlyArray<string>]
  readonly changes: (url: string) => ReadonlyArray<EntryChange>
  /** What is left to do. */
  readonly afterwards: string
}

const bearer = (key: string) => ({ Authorization: `Bearer ${key}` })

export const vscodeInput = {
  type: "promptString",
  id: "mcphub-key",
  description: "MCPHub key",
  password: true
} as const

export const entries = {
  claude: {
    syntax: "json",
    files: [".mcp.json"],
    changes: (url) => [
      { path: ["mcpServers", "mcphub"], value: { type: "http", url, headers: bearer("${MCPHUB_KEY}") } }
    ],
    afterwards: "Start Claude Code in this folder, where MCPHUB_KEY holds your key"
  },
  cursor: {
    syntax: "json",
    files: ["~/.cursor/mcp.json"],
    changes: (url) => [{ path: ["mcpServers", "mcphub"], value: { url, headers: bearer("${env:MCPHUB_KEY}") } }],
    afterwards: "Start Cursor where MCPHUB_KEY holds your key"
  },
  vscode: {
    syntax: "json",
    files: [".vscode/mcp.json"],
    changes: (url) => [
      { path: ["inputs"], sameBy: "id", value: vscodeInput },
      { path: ["servers", "mcphub"], value: { type: "http", url, headers: bearer("${input:mcphub-key}") } }
    ],
    afterwards: "VS Code asks for the key and keeps it"
  },
  opencode: {
    syntax: "json",
    files: ["opencode.json", "opencode.jsonc"],
    changes: (url) => [
      {
        path: ["mcp", "mcphub"],
        value: { type: "remote", url, enabled: true, headers: bearer("{env:MCPHUB_KEY}") }
      }
    ],
    afterwards: "Start opencode in this folder, where MCPHUB_KEY holds your key"
  },
  gemini: {
    syntax: "json",
    files: ["~/.gemini/settings.json"],
    changes: (url) => [{ path: ["mcpServers", "mcphub"], value: { httpUrl: url, headers: bearer("$MCPHUB_KEY") } }],
    afterwards: "Start Gemini CLI where MCPHUB_KEY holds your key"
  },
  codex: {
    syntax: "toml",
    files: ["~/.codex/config.toml"],
    changes: (url) => [
      { path: ["mcp_servers", "mcphub"], value: { url, bearer_token_env_var: "MCPHUB_KEY", required: true } }
    ],
    afterwards: "Start Codex where MCPHUB_KEY holds your key"
  }
} as const satisfies Record<string, ClientEntry>

export type WritableClient = keyof typeof entries

/** The hub as a server of this client. */
export const entryFor = (client: WritableClient, url: string): EntryChange["value"] =>
  entries[client].changes(url).at(-1)!.value

/** What the file of a client that has no other servers holds. */
export const documentFor = (client: WritableClient, url: string): object => {
  const document: Record<string, unknown> = {}
  for (const { path, sameBy, value } of entries[client].changes(url) as ReadonlyArray<EntryChange>) {
    const [name, ...rest] = path
    document[name] = sameBy === undefined ? Object.fromEntries(rest.map((one) => [one, value])) : [value]
  }
  return document
}
