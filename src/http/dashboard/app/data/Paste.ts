/** Server entries out of the configuration of another program, as it is pasted: each has its own name for the same. */

export type ServerEntry = Readonly<Record<string, unknown>>
export type ServerEntries = Readonly<Record<string, ServerEntry>>

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The places where programs keep them. */
const places = ["mcpServers", "servers", "mcp"] as const

/** opencode writes a command as one list, and names the kinds of servers in its own way. */
const entryOf = (entry: Record<string, unknown>): ServerEntry => {
  const { command, enabled, environment, headers, type, url, ...rest } = entry
  if (Array.isArray(command)) {
    return {
      command: command[0] as unknown,
      args: command.slice(1),
      ...(environment === undefined ? {} : { env: environment }),
      ...(enabled === undefined ? {} : { enabled })
    }
  }
  if (type === "remote") {
    return {
      type: "streamable-http",
      url,
      ...(headers === undefined ? {} : { headers }),
      ...(enabled === undefined ? {} : { enabled })
    }
  }
  return {
    ...rest,
    ...(type === undefined ? {} : { type: type === "http" ? "streamable-http" : type }),
    ...Object.fromEntries(Object.entries({ command, enabled, headers, url }).filter(([, value]) => value !== undefined))
  }
}

/** An entry names a command or an address. */
const isEntry = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && (value["command"] !== undefined || value["url"] !== undefined || value["openapi"] !== undefined)

/** Throws `SyntaxError` where the text is no JSON. */
export const serversIn = (text: string): ServerEntries => {
  const document: unknown = JSON.parse(text)
  if (!isObject(document)) return {}
  const found = places.map((place) => document[place]).find(isObject) ?? document
  return Object.fromEntries(
    Object.entries(found).flatMap(([name, entry]) => (isEntry(entry) ? [[name, entryOf(entry)]] : []))
  )
}
