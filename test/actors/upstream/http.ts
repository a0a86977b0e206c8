/** What the tests of the HTTP upstream share: two users, the real layers below it, and ways to call a scripted server. */
import { Effect, Layer, Redacted } from "effect"
import { defaults, HubConfig, type HubConfigShape } from "../../../src/domain/HubConfig.ts"
import { KeyId, RequestId, SessionId, UserId } from "../../../src/domain/Ids.ts"
import type { JsonObject } from "../../../src/domain/protocol/JsonRpc.ts"
import { RequestTracker } from "../../../src/actors/RequestTracker.ts"
import type {
  CallContext,
  ConnectOptions,
  UpstreamConnection,
  UpstreamMessage
} from "../../../src/actors/upstream/UpstreamConnection.ts"
import { UpstreamHeaders } from "../../../src/actors/upstream/UpstreamHeaders.ts"
import { UpstreamHttp } from "../../../src/actors/upstream/UpstreamHttp.ts"
import { UserPools } from "../../../src/actors/upstream/UserPools.ts"

let requests = 0

/** A fresh context, with a request id of its own. */
export const contextOf = (username: string, tokens: Record<string, string> = {}): CallContext => ({
  principal: {
    userId: UserId.make(`id-${username}`),
    username,
    isAdmin: false,
    keyId: KeyId.make(`key-${username}`),
    keyName: "default",
    expiresAt: Number.MAX_SAFE_INTEGER,
    groups: [],
    serviceTokens: new Map(Object.entries(tokens).map(([name, value]) => [name, Redacted.make(value)]))
  },
  sessionId: SessionId.make(`session-${username}`),
  userSessionId: `user-session-${username}`,
  requestId: RequestId.make(`request-${username}-${++requests}`)
})

export const layer = (config: Partial<HubConfigShape> = {}) =>
  UpstreamHttp.layerNoDeps.pipe(
    Layer.provideMerge(Layer.mergeAll(UpstreamHeaders.layer, UserPools.layer, RequestTracker.layerMemory)),
    Layer.provideMerge(Layer.succeed(HubConfig, { ...defaults, ...config }))
  )

export const connect = Effect.fnUntraced(function* (
  url: string,
  context: CallContext,
  more: Partial<ConnectOptions> = {}
) {
  const http = yield* UpstreamHttp
  return yield* http.connect({
    name: "scripted",
    config: { url },
    protocolVersion: "2025-11-25",
    clientCapabilities: { elicitation: {} },
    clientInfo: { name: "test", version: "1" },
    context,
    onMessage: () => undefined,
    ...more
  })
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

/** The structured content of a tool result. */
export const contentOf = (result: unknown): JsonObject =>
  (result as { structuredContent: JsonObject }).structuredContent

export const lateResponses = Effect.gen(function* () {
  return (yield* (yield* RequestTracker).systemStats).lateResponses
})

/** For counters that tell nobody when they change: looks until the condition holds. */
export const until = (condition: () => boolean) =>
  Effect.callback<void>((resume) => {
    const look = () => (condition() ? resume(Effect.void) : void (timer = setTimeout(look, 5)))
    let timer: ReturnType<typeof setTimeout>
    look()
    return Effect.sync(() => clearTimeout(timer))
  }).pipe(Effect.timeout("5 seconds"))
