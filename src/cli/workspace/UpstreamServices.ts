/** The services that try an upstream server from the command line, without a running hub. */
import { type FileSystem, Layer, Logger, type Path } from "effect"
import { AnswerBytes } from "../../actors/limits/AnswerBytes.ts"
import { FairShare } from "../../actors/limits/FairShare.ts"
import { HubMetrics } from "../../actors/observing/HubMetrics.ts"
import { Retained } from "../../actors/limits/Retained.ts"
import { RequestTracker } from "../../actors/requests/RequestTracker.ts"
import { UserLimits } from "../../actors/limits/UserLimits.ts"
import { StdioChildren } from "../../actors/upstream/stdio/StdioChildren.ts"
import { UpstreamConnector } from "../../actors/upstream/UpstreamConnector.ts"
import { UpstreamHeaders } from "../../actors/upstream/connection/UpstreamHeaders.ts"
import { UpstreamHealth } from "../../actors/upstream/guards/UpstreamHealth.ts"
import { UpstreamHttp } from "../../actors/upstream/http/UpstreamHttp.ts"
import { UpstreamStdio } from "../../actors/upstream/stdio/UpstreamStdio.ts"
import { DataFolder } from "../../domain/config/DataFolder.ts"
import { HubConfig, type HubConfigShape } from "../../domain/config/HubConfig.ts"
import { HubSecrets } from "../../domain/config/HubSecrets.ts"
import { SettingsFile, type SettingsRejection } from "../../domain/settings/SettingsFile.ts"
import { Settings, type SettingsValue } from "../../domain/servers/Settings.ts"
import { sampleSettings } from "../sample/SampleSettings.ts"
import type { Workspace } from "./Workspace.ts"

/** What takes the place of settings and variables that cannot be used. */
export interface StandIns {
  readonly settings?: SettingsValue
  readonly config?: HubConfigShape
}

export const upstreamServices = (workspace: Workspace, standIns: StandIns) => {
  const settings: Layer.Layer<Settings, SettingsRejection, FileSystem.FileSystem | Path.Path> =
    standIns.settings === undefined
      ? SettingsFile.layer({ path: workspace.settingsFile, sample: sampleSettings() }).pipe(
          Layer.provide(Logger.layer([]))
        )
      : Settings.layerMemory(standIns.settings)
  const config = Layer.mergeAll(
    standIns.config === undefined ? HubConfig.layerEnv : Layer.succeed(HubConfig, standIns.config),
    Layer.succeed(DataFolder, workspace.dataDir),
    Layer.succeed(HubSecrets, workspace.secrets)
  )
  const upstream = UpstreamConnector.layer.pipe(
    Layer.provide([UpstreamHttp.layer, UpstreamStdio.layer]),
    Layer.provideMerge(UpstreamHeaders.layer),
    Layer.provide([
      StdioChildren.layer,
      AnswerBytes.layer.pipe(Layer.provide(Retained.layer)),
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
