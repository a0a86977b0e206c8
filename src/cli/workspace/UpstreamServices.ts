/** What it takes to try an upstream server from the command line, without a running hub. */
import { Layer, Logger } from "effect"
import { AnswerBytes } from "../actors/AnswerBytes.ts"
import { FairShare } from "../actors/FairShare.ts"
import { HubMetrics } from "../actors/HubMetrics.ts"
import { RequestTracker } from "../actors/RequestTracker.ts"
import { UserLimits } from "../actors/UserLimits.ts"
import { StdioChildren } from "../actors/upstream/StdioChildren.ts"
import { UpstreamConnector } from "../actors/upstream/UpstreamConnector.ts"
import { UpstreamHeaders } from "../actors/upstream/UpstreamHeaders.ts"
import { UpstreamHealth } from "../actors/upstream/UpstreamHealth.ts"
import { UpstreamHttp } from "../actors/upstream/UpstreamHttp.ts"
import { UpstreamStdio } from "../actors/upstream/UpstreamStdio.ts"
import { HubConfig } from "../domain/HubConfig.ts"
import { HubSecrets } from "../domain/HubSecrets.ts"
import { SettingsFile } from "../domain/SettingsFile.ts"
import { sampleSettings } from "./start/SampleSettings.ts"
import type { Workspace } from "./Workspace.ts"

export const upstreamServices = (place: Workspace) => {
  const settings = SettingsFile.layer({ path: place.settingsFile, sample: sampleSettings() }).pipe(
    Layer.provide(Logger.layer([]))
  )
  const config = Layer.merge(HubConfig.layerEnv, Layer.succeed(HubSecrets, place.secrets))
  const upstream = UpstreamConnector.layer.pipe(
    Layer.provide([UpstreamHttp.layer, UpstreamStdio.layer]),
    Layer.provideMerge(UpstreamHeaders.layer),
    Layer.provide([
      StdioChildren.layer,
      AnswerBytes.layer,
      RequestTracker.layerMemory,
      UserLimits.layer,
      FairShare.layer
    ])
  )
  return upstream.pipe(
    Layer.provide(HubMetrics.layer),
    Layer.provideMerge(UpstreamHealth.layer),
    Layer.provideMerge(settings),
    Layer.provideMerge(config)
  )
}
