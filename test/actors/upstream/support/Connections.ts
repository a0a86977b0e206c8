/** Shared parts of the tests of both transports: two users, the options that open a connection, and a tool call. */
import { Effect, Layer } from "effect"
import { defaults, HubConfig, type HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import { RequestId, SessionId } from "../../../../src/domain/Ids.ts"
import type { JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import type { Era } from "../../../../src/domain/protocol/Versions.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import type {
  CallContext,
  ConnectOptions,
  OpenIn,
  UpstreamConnection,
  UpstreamMessage
} from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { person } from "../../support/Requests.ts"

let requests = 0

/** A fresh context, with a request id of its own. */
export const contextOf = (username: string, tokens: Record<string, string> = {}): CallContext => ({
  principal: person(username, tokens),
  sessionId: SessionId.make(`session-${username}`),
  userSessionId: `user-session-${username}`,
  requestId: RequestId.make(`request-${username}-${++requests}`)
})

export const layerConfig = (config: Partial<HubConfigShape> = {}) =>
  Layer.succeed(HubConfig, { ...defaults, ...config })

export const connectOptions = (
  config: ServerConfig,
  context: CallContext,
  more: Partial<ConnectOptions> = {}
): ConnectOptions => ({
  name: "scripted",
  config,
  protocolVersion: "2025-11-25",
  clientCapabilities: { elicitation: {} },
  clientInfo: { name: "test", version: "1" },
  context,
  onMessage: () => undefined,
  ...more
})

/** A tool call, succeeding with the whole result. */
export const callTool = (
  connection: UpstreamConnection,
  context: CallContext,
  name: string,
  args: JsonObject = {},
  more: { readonly meta?: JsonObject; readonly onMessage?: (message: UpstreamMessage) => void } = {}
) =>
  connection.request({
    method: "tools/call",
    params: { name, arguments: args, ...(more.meta === undefined ? {} : { _meta: more.meta }) },
    context,
    onMessage: more.onMessage ?? (() => undefined)
  })

/** A connection in one era, failing as its server refuses that era. */
export const connectIn = (era: Era, open: OpenIn, options: ConnectOptions) =>
  Effect.catchTag(open(options, era), "EraNotSpoken", ({ refusal }) => Effect.fail(refusal))
