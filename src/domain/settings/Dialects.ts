/**
 * Words of other programs' settings that mean the same as one of the hub's own: they are read as that one. A word that
 * means something the hub does not do is a problem with a remedy, so that nobody relies on it in vain.
 *
 * The file keeps the words it was written in; only what is in force is put into the hub's.
 *
 * Source: the documented settings of Claude Code, Cursor, VS Code, Windsurf, Cline, Gemini CLI and opencode.
 */
import { pathText, type SettingsFinding } from "./SettingsFinding.ts"

export interface Understood {
  /** A document in the hub's own words. */
  readonly document: unknown
  readonly problems: ReadonlyArray<SettingsFinding>
}

type Entry = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Entry =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Other words for the types of a server. */
const types: Readonly<Record<string, string>> = {
  http: "streamable-http",
  "http-stream": "streamable-http",
  remote: "streamable-http",
  streamableHttp: "streamable-http",
  streamable_http: "streamable-http",
  local: "stdio"
}

/** Where other programs keep their servers. */
const homes = ["servers", "mcp", "mcp_servers", "context_servers"] as const

/** What other programs ask their user before a call is the client's business here too. */
export const approvals: ReadonlySet<string> = new Set(["alwaysAllow", "autoApprove", "autoApproved", "trust"])

/** Reads one entry; paths of problems are below the entry. */
export const understoodServer = (
  entry: Entry
): { readonly entry: Entry; readonly problems: ReadonlyArray<SettingsFinding> } => {
  const { disabled, disabledTools, environment, excludeTools, httpUrl, includeTools, serverUrl, transport, ...own } =
    entry
  const problems: Array<SettingsFinding> = []
  const read: Record<string, unknown> = own

  const { command } = own
  if (Array.isArray(command)) {
    const given: ReadonlyArray<unknown> = Array.isArray(own["args"]) ? own["args"] : []
    read["command"] = command[0]
    read["args"] = [...command.slice(1), ...given]
  }
  if (environment !== undefined && own["env"] !== undefined) {
    problems.push({ path: "environment", reason: "The server has two environments; keep env and remove this one" })
  } else if (environment !== undefined) read["env"] = environment

  const address = httpUrl ?? serverUrl
  if (address !== undefined) {
    const path = httpUrl === undefined ? "serverUrl" : "httpUrl"
    if (own["url"] !== undefined && own["url"] !== address) {
      problems.push({ path, reason: "The server has two addresses; keep url and remove this one" })
    }
    read["url"] ??= address
  }

  const type = own["type"] ?? transport
  if (type !== undefined) read["type"] = typeof type === "string" && Object.hasOwn(types, type) ? types[type] : type

  if (disabled !== undefined) {
    if (typeof disabled !== "boolean") problems.push({ path: "disabled", reason: "Expected true or false" })
    else if (own["enabled"] !== undefined && own["enabled"] === disabled) {
      problems.push({ path: "disabled", reason: "This contradicts enabled; keep one of them" })
    } else read["enabled"] = !disabled
  }

  for (const [path, names] of Object.entries({ disabledTools, excludeTools })) {
    if (names === undefined) continue
    if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) {
      problems.push({ path, reason: "Expected a list of names of tools" })
      continue
    }
    const tools = isRecord(read["tools"]) ? read["tools"] : {}
    const off = names.map((name: string) => [name, { ...(isRecord(tools[name]) ? tools[name] : {}), enabled: false }])
    read["tools"] = { ...tools, ...Object.fromEntries(off) }
  }
  if (includeTools !== undefined) {
    problems.push({
      path: "includeTools",
      reason:
        'The hub has no list of the only tools; give the users a group with these tools, or switch others off by "tools"'
    })
  }
  if (own["envFile"] !== undefined) {
    problems.push({
      path: "envFile",
      reason: "The hub reads no such file; set its variables where the hub is started, and name them in env as ${NAME}"
    })
    delete read["envFile"]
  }
  return { entry: read, problems }
}

/** Reads a document; what is not of its shape is left to the checks of shape. */
export const understood = (document: unknown): Understood => {
  if (!isRecord(document)) return { document, problems: [] }
  if (document["mcpServers"] === undefined) {
    const home = homes.find((name) => isRecord(document[name]))
    if (home === undefined) return { document, problems: [] }
    return {
      document: { ...document, mcpServers: {} },
      problems: [
        { path: home, reason: 'Another program keeps its servers here; the hub looks for them under "mcpServers"' }
      ]
    }
  }
  if (!isRecord(document["mcpServers"])) return { document, problems: [] }
  const problems: Array<SettingsFinding> = []
  const servers: Record<string, unknown> = Object.create(null)
  for (const [name, entry] of Object.entries(document["mcpServers"])) {
    if (!isRecord(entry)) {
      servers[name] = entry
      continue
    }
    const found = understoodServer(entry)
    servers[name] = found.entry
    for (const problem of found.problems)
      problems.push({ ...problem, path: `${pathText(["mcpServers", name])}.${problem.path}` })
  }
  return { document: { ...document, mcpServers: servers }, problems }
}
