/**
 * The operations on upstream servers: their entries in the settings, their health, and a real connection to test one.
 */
import { Clock, Effect, Option, Predicate, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import type { CallContext, UpstreamConnection } from "../../../actors/upstream/connection/UpstreamConnection.ts"
import { limitsOf } from "../../../actors/upstream/connection/StartLimits.ts"
import { UpstreamBreakers } from "../../../actors/upstream/guards/UpstreamBreakers.ts"
import { ServerFigures } from "../../../actors/upstream/guards/ServerFigures.ts"
import { ServerStates } from "../../../actors/upstream/guards/ServerStates.ts"
import { UpstreamConnector } from "../../../actors/upstream/UpstreamConnector.ts"
import { missingWord } from "../../../domain/requests/MissingWords.ts"
import type { UpstreamError } from "../../../domain/requests/UpstreamErrors.ts"
import { UpstreamHeaders } from "../../../actors/upstream/connection/UpstreamHeaders.ts"
import { type ServerStatus, UpstreamHealth } from "../../../actors/upstream/guards/UpstreamHealth.ts"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { HubKeys } from "../../../domain/identity/HubKeys.ts"
import { KeyId, SessionId, UserId } from "../../../domain/Ids.ts"
import type { Principal } from "../../../domain/identity/Principal.ts"
import { Standing } from "../../../domain/identity/Standing.ts"
import { latestStateful } from "../../../domain/protocol/Versions.ts"
import { makeMint } from "../../../domain/requests/RequestId.ts"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import { userSessionId } from "../../../domain/context/UserSessionId.ts"
import { serverNotFound } from "./Lookup.ts"
import { expose, fittingServer, isWidelyTaken } from "../../../domain/protocol/ExposedNames.ts"
import type { Groups } from "../../../domain/identity/Groups.ts"
import type { Users } from "../../../domain/identity/Users.ts"
import { ownServers } from "./OwnServers.ts"
import { checkIsolation } from "./IsolationCheck.ts"
import { serverView } from "./ServerViews.ts"
import { asRefusal, OperationRefused } from "../operations/OperationRefused.ts"
import { ServerOperations, type ServerTestView } from "../operations/ServerOperations.ts"

/** Pages of a listing: enough for any sane server, and an end for one that never stops. */
const maxPages = 50

/** The principal of a test without a key: nobody, without groups and tokens. */
const nobody: Principal = {
  userId: UserId.make("00000000-0000-0000-0000-000000000000"),
  username: "operator",
  isAdmin: true,
  keyId: KeyId.make("00000000-0000-0000-0000-000000000000"),
  keyName: "server test",
  expiresAt: Number.MAX_SAFE_INTEGER,
  groups: [],
  serviceTokens: new Map(),
  standing: Standing.ofNoKey
}

/** The failure and its remedy; `nobody` cannot set a token, so the text does not ask for it. */
const reasonOf = (error: UpstreamError, name: string, principal: Principal): string =>
  error._tag === "CredentialMissing" && principal === nobody
    ? `Server ${name} needs the service token ${error.token}, and this test ran with nobody's; put the MCPHub key of a user who has it into MCPHUB_KEY and try again`
    : error.message

/** What of a server's tools models would refuse by its name, and what to do about it. */
const namesOf = (
  server: string,
  tools: ReadonlyArray<{ readonly name: string }>,
  separator: string
): Pick<ServerTestView, "refusedNames" | "namesRemedy"> => {
  const names = tools.map(({ name }) => name)
  const refusedNames = names.map((name) => expose(server, name, separator)).filter((name) => !isWidelyTaken(name))
  if (refusedNames.length === 0) return { refusedNames, namesRemedy: null }
  const fitting = fittingServer(server, names, separator)
  const alone = names.every(isWidelyTaken)
    ? `connect clients to /mcp/${server}, where its tools have their own names`
    : "switch the tools with these names off"
  return { refusedNames, namesRemedy: fitting === undefined ? alone : `rename the server to "${fitting}"` }
}

const text = (value: unknown): string | null => (typeof value === "string" ? value : null)

const listTools = Effect.fnUntraced(function* (connection: UpstreamConnection, context: () => CallContext) {
  const tools: Array<{ readonly name: string; readonly description: string | null }> = []
  let cursor: string | undefined
  for (let page = 0; page < maxPages; page++) {
    const result: unknown = yield* connection.request({
      method: "tools/list",
      params: cursor === undefined ? {} : { cursor },
      context: context(),
      onMessage: () => {}
    })
    if (!Predicate.hasProperty(result, "tools") || !Array.isArray(result.tools)) break
    for (const tool of result.tools) {
      if (Predicate.hasProperty(tool, "name") && typeof tool.name === "string") {
        tools.push({
          name: tool.name,
          description: Predicate.hasProperty(tool, "description") ? text(tool.description) : null
        })
      }
    }
    cursor = Predicate.hasProperty(result, "nextCursor") ? (text(result.nextCursor) ?? undefined) : undefined
    if (cursor === undefined) break
  }
  return tools
})

export const ServerHandlers = ServerOperations.toLayer(
  Effect.gen(function* () {
    const settings = yield* Settings
    const health = yield* UpstreamHealth
    const connector = yield* UpstreamConnector
    const breakers = yield* UpstreamBreakers
    const states = yield* ServerStates
    const figures = yield* ServerFigures
    const keys = yield* HubKeys
    const config = yield* HubConfig
    const headers = yield* UpstreamHeaders
    const mint = makeMint()
    const services = yield* Effect.context<Users | Groups | HubKeys | Settings | ServerStates>()
    const clock = yield* Clock.Clock
    const views = (all: ReadonlyArray<ServerStatus>) => {
      const now = clock.currentTimeMillisUnsafe()
      return all.map((one) => serverView(one, { now, states: states.all(), breakers, figures }))
    }

    const principalOf = Effect.fnUntraced(function* (key: string | null) {
      if (key === null) return nobody
      const found = yield* keys.principal(Redacted.make(key, { label: "mcphub key" }))
      return yield* Effect.fromOption(found).pipe(
        Effect.map((owner): Principal => ({ ...owner, standing: Standing.ofNoKey })),
        Effect.mapError(
          () =>
            new OperationRefused({
              kind: "KeyRejected",
              exitCode: 1,
              message: "The key in MCPHUB_KEY does not open this hub; create one with `mcphub key create`"
            })
        )
      )
    })

    /** Connects, lists and disconnects; the connection lives no longer than the test. */
    const probe = Effect.fnUntraced(function* (name: string, server: ServerConfig, principal: Principal) {
      const sessionId = SessionId.make(SecureRandom.uuidV4Unsafe())
      const clock = yield* Clock.Clock
      const context = (method: string) => (): CallContext => ({
        principal,
        sessionId,
        userSessionId: userSessionId(principal.userId, sessionId),
        requestId: mint(principal.userId, sessionId, method, clock.currentTimeMillisUnsafe())
      })
      const connection = yield* connector.probe({
        name,
        config: server,
        protocolVersion: latestStateful,
        clientCapabilities: {},
        clientInfo: { name: "mcphub", version: config.version },
        context: context("initialize")(),
        onMessage: () => {}
      })
      return { connection, tools: yield* listTools(connection, context("tools/list")) }
    }, Effect.scoped)

    return ServerOperations.of({
      serverList: () => Effect.map(health.status, views),
      serversOf: ({ user }) => ownServers(user).pipe(Effect.provideContext(services), asRefusal),
      isolationCheck: () => checkIsolation(settings.current()).pipe(Effect.provideService(UpstreamHeaders, headers)),
      serverTest: Effect.fnUntraced(function* ({ key, name }) {
        const server = settings.current().mcpServers[name]
        if (server === undefined) return yield* serverNotFound(name)
        const none = {
          name,
          refusedNames: [],
          namesRemedy: null,
          why: null,
          reason: null,
          protocolVersion: null,
          serverName: null,
          tools: [],
          durationMs: 0
        }
        if (server.enabled === false) return { ...none, outcome: "disabled" } satisfies ServerTestView
        const principal = yield* principalOf(key)
        const begun = yield* Clock.currentTimeMillis
        const limit = limitsOf(server, config.initTimeout).startMs + config.listTimeout
        const tried = yield* probe(name, server, principal).pipe(
          Effect.map((found): Omit<ServerTestView, "durationMs"> => ({
            name,
            outcome: "ok",
            why: null,
            reason: null,
            protocolVersion: found.connection.info.protocolVersion,
            serverName: text(found.connection.info.serverInfo["name"]),
            tools: found.tools,
            ...namesOf(name, found.tools, config.nameSeparator)
          })),
          Effect.catch((error) =>
            Effect.succeed<Omit<ServerTestView, "durationMs">>({
              ...none,
              outcome: error._tag === "CredentialMissing" ? "needs-credential" : "failed",
              why: missingWord(error),
              reason: reasonOf(error, name, principal)
            })
          ),
          Effect.timeoutOption(limit),
          Effect.map(
            Option.getOrElse((): Omit<ServerTestView, "durationMs"> => ({
              ...none,
              outcome: "failed",
              why: "timeout",
              reason: `Server ${name} did not connect and list its tools within ${limit} ms; see its log, or raise its options.initTimeout or INIT_TIMEOUT`
            }))
          )
        )
        return { ...tried, durationMs: (yield* Clock.currentTimeMillis) - begun }
      }, asRefusal)
    })
  })
)
