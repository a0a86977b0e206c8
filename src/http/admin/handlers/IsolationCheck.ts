/**
 * The isolation self-test. Two invented users, each with an invented token of every kind the settings know, go through
 * the very code that builds the requests for each configured server. Nothing is sent. A token may only appear at a
 * server whose entry names it, or after which it is named; nothing of one user may appear in the other's requests.
 *
 * The test decides entitlement by its own, simpler rule (the entry's text), so that a mistake in the hub's rule shows.
 */
import { Effect, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import type { CallContext } from "../../../actors/upstream/connection/UpstreamConnection.ts"
import { UpstreamHeaders } from "../../../actors/upstream/connection/UpstreamHeaders.ts"
import { KeyId, SessionId, UserId } from "../../../domain/Ids.ts"
import { Standing } from "../../../domain/identity/Standing.ts"
import { latestStateful } from "../../../domain/protocol/Versions.ts"
import { makeMint } from "../../../domain/requests/RequestId.ts"
import { type ServerConfig, serverType } from "../../../domain/servers/ServerConfig.ts"
import type { SettingsValue } from "../../../domain/servers/Settings.ts"
import { userSessionId } from "../../../domain/context/UserSessionId.ts"
import type { IsolationView } from "../operations/ServerOperations.ts"

const commonTokens = ["GITHUB_TOKEN", "ATLASSIAN_TOKEN", "FIRECRAWL_TOKEN", "JIRA_TOKEN", "CONFLUENCE_TOKEN"]

const namedAfter = (server: string): string => `${server.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}_TOKEN`

/** Every token that an entry could mean. */
const tokenNames = (servers: ReadonlyArray<readonly [string, ServerConfig]>): ReadonlyArray<string> => {
  const written = servers.flatMap(([, config]) => [
    ...[...JSON.stringify(config).matchAll(/\$\{USER_([A-Za-z0-9_]+)/g)].map((found) => found[1]!),
    ...(config.contextTokens ?? []).map((name) => name.replace(/^USER_/, ""))
  ])
  return [...new Set([...commonTokens, ...written, ...servers.map(([name]) => namedAfter(name))])]
}

const mayHave = (token: string, server: string, config: ServerConfig): boolean =>
  token === namedAfter(server) ||
  (config.contextTokens ?? []).some((name) => name === token || name === `USER_${token}`) ||
  [`\${USER_${token}}`, `\${USER_${token}:-`].some((reference) => JSON.stringify(config).includes(reference))

const canary = (tokens: ReadonlyArray<string>) => {
  const userId = UserId.make(SecureRandom.uuidV4Unsafe())
  const sessionId = SessionId.make(SecureRandom.uuidV4Unsafe())
  const username = `canary-${SecureRandom.uuidV4Unsafe()}`
  const values = new Map(tokens.map((name) => [name, `canary-${SecureRandom.uuidV4Unsafe()}`]))
  const context: CallContext = {
    principal: {
      userId,
      username,
      isAdmin: false,
      keyId: KeyId.make(SecureRandom.uuidV4Unsafe()),
      keyName: "canary",
      expiresAt: Number.MAX_SAFE_INTEGER,
      groups: [],
      serviceTokens: new Map([...values].map(([name, value]) => [name, Redacted.make(value)])),
      standing: Standing.ofNoKey
    },
    sessionId,
    userSessionId: userSessionId(userId, sessionId),
    requestId: makeMint()(userId, sessionId, "tools/call", 0)
  }
  return { context, values, marks: [userId, username, sessionId, context.userSessionId, ...values.values()] }
}

type Canary = ReturnType<typeof canary>

/** Everything that would leave for the server, as one text; empty for a server to which the hub refuses to send. */
const sent = Effect.fnUntraced(
  function* (server: string, config: ServerConfig, one: Canary) {
    const headers = yield* UpstreamHeaders
    const options = { server, config, context: one.context, protocolVersion: latestStateful }
    const parts =
      serverType(config) === "stdio"
        ? [yield* headers.child(options)]
        : [yield* headers.url(options), yield* headers.headers({ ...options, body: "{}" })]
    return JSON.stringify(parts)
  },
  Effect.catch(() => Effect.succeed(""))
)

/** Checks every enabled server with both users. */
export const checkIsolation = Effect.fnUntraced(function* (settings: SettingsValue) {
  const servers = Object.entries(settings.mcpServers).filter(([, config]) => config.enabled !== false)
  const tokens = tokenNames(servers)
  const users = [canary(tokens), canary(tokens)] as const
  const crossings: Array<{ readonly server: string; readonly what: string }> = []
  for (const [server, config] of servers) {
    for (const [own, other] of [users, [users[1], users[0]] as const]) {
      const text = yield* sent(server, config, own)
      if (other.marks.some((mark) => text.includes(mark))) crossings.push({ server, what: "something of another user" })
      for (const [name, value] of own.values) {
        if (text.includes(value) && !mayHave(name, server, config)) crossings.push({ server, what: name })
      }
    }
  }
  const view: IsolationView = { servers: servers.length, tokens: tokens.length, crossings }
  return view
})
