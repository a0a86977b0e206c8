/**
 * The user's context on its way upstream, as pure values: the `X-MCPHub-*` headers of one request, and the same as
 * environment variables for a child process.
 *
 * `none` sends nothing, `ids` says who is asking, `full` adds the tokens the server is entitled to (`TokenHeaders`).
 * The hub mints or looks up everything here; none of the client's own headers takes part.
 */
import type { RequestId, SessionId } from "../Ids.ts"
import type { Principal } from "../identity/Principal.ts"
import type { Isolation } from "../servers/ServerConfig.ts"

export interface ContextIds {
  readonly principal: Principal
  readonly sessionId: SessionId
  readonly userSessionId: string
  readonly requestId: RequestId
}

/** The hub's own headers, in lower case: a server's configured `headers` never replace them. */
export const reservedHeaders: ReadonlySet<string> = new Set([
  "x-mcphub-user-id",
  "x-mcphub-user-session-id",
  "x-mcphub-session-id",
  "x-mcphub-request-id",
  "x-mcphub-timestamp",
  "x-mcphub-protocol-version",
  "x-mcphub-source-server",
  "x-mcphub-user-groups",
  "x-mcphub-signature"
])

/** Hardly any value contains such a character, and looking for one is much cheaper than replacing. */
const maybeUnsafe = /[^\x21-\x24\x26-\x7e]/
const unsafe = /[^\x20-\x7e]|%|^ | $/gu

/** Text with the characters that a header cannot hold percent-encoded (UTF-8), `%` itself included. */
export const headerText = (text: string): string =>
  maybeUnsafe.test(text) ? text.toWellFormed().replace(unsafe, encodeURIComponent) : text

/** Whether a header can carry the value unchanged: printable ASCII and tab, no outer white space (RFC 9110 §5.5). */
export const isHeaderValue = (value: string): boolean => /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/.test(value)

const groupTexts = new WeakMap<Principal, string>()

/** The names of the active groups, separated by commas; a comma inside a name is encoded. */
export const groupText = (principal: Principal): string => {
  let text = groupTexts.get(principal)
  if (text === undefined) {
    const active = principal.groups.filter((group) => group.isActive)
    text = active.map((group) => headerText(group.name).replaceAll(",", "%2C")).join(",")
    groupTexts.set(principal, text)
  }
  return text
}

/** The eight headers of one request. `timestamp` in milliseconds since the epoch. */
export const contextHeaders = (
  ids: ContextIds,
  server: string,
  protocolVersion: string,
  timestamp: number
): Record<string, string> => ({
  "X-MCPHub-User-Id": headerText(ids.principal.userId),
  "X-MCPHub-User-Session-Id": headerText(ids.userSessionId),
  "X-MCPHub-Session-Id": headerText(ids.sessionId),
  "X-MCPHub-Request-Id": headerText(ids.requestId),
  "X-MCPHub-Timestamp": String(timestamp).padStart(13, "0"),
  "X-MCPHub-Protocol-Version": headerText(protocolVersion),
  "X-MCPHub-Source-Server": headerText(server),
  "X-MCPHub-User-Groups": groupText(ids.principal)
})

/**
 * The environment variables of a child process. A process outlives requests, so it gets no request id; one that serves
 * several sessions gets no session ids, and one that serves several users gets nothing of any user.
 */
export const contextEnvironment = (
  ids: ContextIds,
  server: string,
  protocolVersion: string,
  isolation: Isolation
): Record<string, string> => {
  const env: Record<string, string> = { MCPHUB_SOURCE_SERVER: server, MCPHUB_PROTOCOL_VERSION: protocolVersion }
  if (isolation === "shared") return env
  env["MCPHUB_USER_ID"] = ids.principal.userId
  env["MCPHUB_USER_GROUPS"] = groupText(ids.principal)
  if (isolation === "user") return env
  env["MCPHUB_USER_SESSION_ID"] = ids.userSessionId
  env["MCPHUB_SESSION_ID"] = ids.sessionId
  return env
}
