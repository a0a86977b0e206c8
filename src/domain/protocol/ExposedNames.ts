/**
 * Names of tools and prompts as clients see them: `{server}{separator}{name}` behind an endpoint of several servers,
 * the bare name behind an endpoint of one. The hub resolves exposed names by looking them up, never by
 * splitting text: `a-b` + `c` and `a` + `b-c` read the same, so neither is exposed.
 */

export const expose = (server: string, name: string, separator: string): string => `${server}${separator}${name}`

/** Names as the models behind most clients take them; with another one among them they refuse the whole list. */
const mostLength = 64
const taken = /^[A-Za-z0-9_-]+$/

export const isWidelyTaken = (exposed: string): boolean => exposed.length <= mostLength && taken.test(exposed)

/** A name for the server under which all of these are taken, its own as far as possible; undefined where none is. */
export const fittingServer = (server: string, names: ReadonlyArray<string>, separator: string): string | undefined => {
  const longest = names.reduce((length, name) => Math.max(length, name.length), 1)
  const room = mostLength - separator.length - longest
  const clean = server
    .replaceAll(/[^A-Za-z0-9_-]/g, "-")
    .slice(0, Math.max(0, room))
    .replace(/[-_]+$/, "")
  return clean !== "" && names.every((name) => isWidelyTaken(expose(clean, name, separator))) ? clean : undefined
}

/** The servers that may have exposed a name, each with the tool's or prompt's name at that server. */
export const candidates = (exposed: string, servers: Iterable<string>, separator: string): ReadonlyArray<Candidate> => {
  let found: Array<Candidate> | undefined
  for (const server of servers) {
    const length = server.length + separator.length
    if (exposed.length <= length || !exposed.startsWith(server) || !exposed.startsWith(separator, server.length))
      continue
    const one = { server, name: exposed.slice(length) }
    // An empty array would make room for sixteen.
    if (found === undefined) found = [one]
    else found.push(one)
  }
  return found ?? []
}

export interface Candidate {
  readonly server: string
  readonly name: string
}

/** The scheme by which clients know what they can show as a user interface (MCP Apps): it has to stay in front. */
export const uiScheme = "ui://"

/** `{server}+{uri}`, or `ui://{server}+…`: names one server's resource where several offer the same URI. */
export const qualifyUri = (server: string, uri: string): string =>
  uri.startsWith(uiScheme) ? `${uiScheme}${server}+${uri.slice(uiScheme.length)}` : `${server}+${uri}`

/** The server's own URI in one that carries its name. */
export const unqualifiedUri = (server: string, uri: string): string | undefined => {
  const scheme = uri.startsWith(uiScheme) ? uiScheme : ""
  const prefix = `${scheme}${server}+`
  return uri.startsWith(prefix) ? scheme + uri.slice(prefix.length) : undefined
}

/** The literal beginning of an RFC 6570 template: matching it is linear, whatever the template. */
export const literalPrefix = (template: string): string => {
  const brace = template.indexOf("{")
  return brace === -1 ? template : template.slice(0, brace)
}
