/**
 * What the tests of the stdio upstream share: two users, the layers, a way to call a tool, and a look at the
 * operating system's own list of processes.
 */
import { NodeServices } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import process from "node:process"
import { setTimeout as pause } from "node:timers/promises"
import { HubConfig, defaults, type HubConfigShape } from "../../../src/domain/HubConfig.ts"
import { KeyId, RequestId, SessionId, UserId } from "../../../src/domain/Ids.ts"
import type { ServerConfig } from "../../../src/domain/ServerConfig.ts"
import { RequestTracker } from "../../../src/actors/RequestTracker.ts"
import { StdioChildren } from "../../../src/actors/upstream/StdioChildren.ts"
import type {
  CallContext,
  ConnectOptions,
  UpstreamConnection,
  UpstreamMessage
} from "../../../src/actors/upstream/UpstreamConnection.ts"
import { UpstreamHeaders } from "../../../src/actors/upstream/UpstreamHeaders.ts"
import { UpstreamStdio, type UpstreamStdioOptions } from "../../../src/actors/upstream/UpstreamStdio.ts"

let requests = 0

export const contextOf = (username: string, tokens: Record<string, string> = {}): CallContext => ({
  principal: {
    userId: UserId.make(`00000000-0000-4000-8000-${username.padStart(12, "0")}`),
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
  requestId: RequestId.make(`user-${username}-tools/call-${++requests}`)
})

export const layer = (
  options: { readonly config?: Partial<HubConfigShape>; readonly stdio?: Partial<UpstreamStdioOptions> } = {}
) =>
  UpstreamStdio.layerWith(options.stdio ?? {}).pipe(
    Layer.provideMerge(StdioChildren.layer),
    Layer.provide([UpstreamHeaders.layer, NodeServices.layer]),
    Layer.provideMerge(RequestTracker.layerMemory),
    Layer.provide(Layer.succeed(HubConfig, { ...defaults, ...options.config }))
  )

export const connect = Effect.fnUntraced(function* (
  config: ServerConfig,
  context: CallContext,
  more: Partial<ConnectOptions> = {}
) {
  const stdio = yield* UpstreamStdio
  return yield* stdio.connect({
    name: "scripted",
    config,
    protocolVersion: "2025-11-25",
    clientCapabilities: { elicitation: {} },
    clientInfo: { name: "test", version: "1" },
    context,
    onMessage: () => {},
    ...more
  })
})

/** Calls a tool of the scripted server and succeeds with the value it answered. */
export const callTool = (
  connection: UpstreamConnection,
  context: CallContext,
  name: string,
  args: Record<string, unknown> = {},
  more: { readonly onMessage?: (message: UpstreamMessage) => void; readonly meta?: Record<string, unknown> } = {}
) =>
  connection
    .request({
      method: "tools/call",
      params: { name, arguments: args, ...(more.meta === undefined ? {} : { _meta: more.meta }) },
      context,
      onMessage: more.onMessage ?? (() => {})
    })
    .pipe(Effect.map((result) => (result as { structuredContent: { value: any } }).structuredContent.value))

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits until a process is off the system's list; an orphan stays on it until the first process has reaped it. */
export const gone = (pid: number, limitMs = 3_000) =>
  Effect.promise(async () => {
    const deadline = performance.now() + limitMs
    while (isAlive(pid) && performance.now() < deadline) await pause(5)
    assert.isFalse(isAlive(pid), `process ${pid} is still there after ${limitMs} ms`)
  })
