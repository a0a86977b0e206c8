/**
 * Names of tools and prompts as clients see them: `{server}{separator}{name}` behind an endpoint of several servers,
 * the bare name behind an endpoint of one. The hub resolves exposed names by looking them up, never by
 * splitting text: `a-b` + `c` and `a` + `b-c` read the same, so neither is exposed.
 */

export const expose = (server: string, name: string, separator: string): string => `${server}${separator}${name}`

/** The servers that may have exposed a name, each with the tool's or prompt's name at that server. */
export const candidates = function* (
  exposed: string,
  servers: Iterable<string>,
  separator: string
): Generator<{ readonly server: string; readonly name: string }> {
  for (const server of servers) {
    const prefix = server + separator
    if (exposed.length > prefix.length && exposed.startsWith(prefix)) {
      yield { server, name: exposed.slice(prefix.length) }
    }
  }
}

/** `{server}+{uri}`: names one server's resource where several offer the same URI. */
export const qualifyUri = (server: string, uri: string): string => `${server}+${uri}`

/** The literal beginning of an RFC 6570 template: matching it is linear, whatever the template. */
export const literalPrefix = (template: string): string => {
  const brace = template.indexOf("{")
  return brace === -1 ? template : template.slice(0, brace)
}
