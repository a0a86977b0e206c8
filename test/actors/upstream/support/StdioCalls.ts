/**
 * Shared parts of the stdio upstream's tests: its layers, a list of children that announces changes, and a way to call
 * a tool.
 */
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer, Queue } from "effect"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import type { JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { Retained } from "../../../../src/actors/limits/Retained.ts"
import { AnswerBytes } from "../../../../src/actors/limits/AnswerBytes.ts"
import { FairShare } from "../../../../src/actors/limits/FairShare.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { StdioChildren } from "../../../../src/actors/upstream/stdio/StdioChildren.ts"
import type {
  CallContext,
  ConnectOptions,
  UpstreamConnection
} from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { UpstreamHeaders } from "../../../../src/actors/upstream/connection/UpstreamHeaders.ts"
import { UpstreamStdio, type UpstreamStdioOptions } from "../../../../src/actors/upstream/stdio/UpstreamStdio.ts"
import * as connections from "./Connections.ts"

export { contextOf } from "./Connections.ts"

export const layer = (
  options: {
    readonly config?: Partial<HubConfigShape>
    readonly stdio?: Partial<UpstreamStdioOptions>
    readonly children?: Layer.Layer<StdioChildren>
  } = {}
) =>
  UpstreamStdio.layerWith(options.stdio ?? {}).pipe(
    Layer.provideMerge(options.children ?? StdioChildren.layer),
    Layer.provide([
      UpstreamHeaders.layer,
      AnswerBytes.layer.pipe(Layer.provideMerge(Retained.layer)),
      NodeServices.layer
    ]),
    Layer.provideMerge(FairShare.layer),
    Layer.provideMerge(RequestTracker.layerMemory),
    Layer.provide(connections.layerConfig(options.config))
  )

/** The hub's list of children, which tells of each child as it starts and once all of it is cleaned up. */
export const tellingChildren = Effect.gen(function* () {
  const started = yield* Queue.unbounded<number>()
  const cleanedUp = yield* Queue.unbounded<void>()
  const telling = Effect.map(StdioChildren, (children) =>
    StdioChildren.of({
      ...children,
      // Its place is the first thing a child takes and the last it gives back: registered before, told after.
      slot: Effect.acquireRelease(Effect.void, () => Queue.offer(cleanedUp, undefined)).pipe(
        Effect.andThen(children.slot),
        Effect.map((slot) => ({
          fill: (pid) => {
            slot.fill(pid)
            Queue.offerUnsafe(started, pid)
          }
        }))
      )
    })
  )
  return {
    layer: Layer.effect(StdioChildren, telling).pipe(Layer.provide(StdioChildren.layer)),
    /** The pid of the next child. */
    started: Queue.take(started),
    cleanedUp: Queue.take(cleanedUp)
  }
})

export const connect = (config: ServerConfig, context: CallContext, more: Partial<ConnectOptions> = {}) =>
  Effect.flatMap(UpstreamStdio, (stdio) =>
    connections.connectIn("stateful", stdio.open, connections.connectOptions(config, context, more))
  )

/** Calls a tool of the scripted server and succeeds with the value it answered. */
export const callTool = (
  connection: UpstreamConnection,
  context: CallContext,
  name: string,
  args?: JsonObject,
  more?: Parameters<typeof connections.callTool>[4]
) =>
  Effect.map(
    connections.callTool(connection, context, name, args, more),
    (result) => (result as { structuredContent: { value: any } }).structuredContent.value
  )
