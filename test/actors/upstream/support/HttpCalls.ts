/** Shared parts of the HTTP upstream's tests: the real layers below it, and ways to call a scripted server. */
import { Effect, Layer } from "effect"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import type { JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import { Retained } from "../../../../src/actors/limits/Retained.ts"
import { AnswerBytes } from "../../../../src/actors/limits/AnswerBytes.ts"
import { FairShare } from "../../../../src/actors/limits/FairShare.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import type { CallContext, ConnectOptions } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { UpstreamHeaders } from "../../../../src/actors/upstream/connection/UpstreamHeaders.ts"
import { UpstreamHttp } from "../../../../src/actors/upstream/http/UpstreamHttp.ts"
import { UserPools } from "../../../../src/actors/upstream/http/UserPools.ts"
import { connectIn, connectOptions, layerConfig } from "./Connections.ts"

export { callTool, contextOf } from "./Connections.ts"

export const layer = (
  config: Partial<HubConfigShape> = {},
  tracker: Layer.Layer<RequestTracker> = RequestTracker.layerMemory
) =>
  UpstreamHttp.layerNoDeps.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        UpstreamHeaders.layer,
        UserPools.layer,
        AnswerBytes.layer.pipe(Layer.provideMerge(Retained.layer)),
        tracker
      )
    ),
    Layer.provideMerge(FairShare.layer),
    Layer.provideMerge(layerConfig(config))
  )

export const connect = (url: string, context: CallContext, more: Partial<ConnectOptions> = {}) =>
  Effect.flatMap(UpstreamHttp, (http) => connectIn("stateful", http.open, connectOptions({ url }, context, more)))

/** The structured content of a tool result. */
export const contentOf = (result: unknown): JsonObject =>
  (result as { structuredContent: JsonObject }).structuredContent

export const lateResponses = Effect.gen(function* () {
  return (yield* (yield* RequestTracker).systemStats).lateResponses
})
