/**
 * A whole hub for one test: in memory, on a free port of 127.0.0.1, with ada and bo. A test can replace any of its
 * services, and change its settings while it runs. Everything is gone once the scope closes.
 */
import { NodeServices } from "@effect/platform-node"
import { Context, Effect, Layer, type Scope, SubscriptionRef } from "effect"
import type { ServerConfig } from "../domain/servers/ServerConfig.ts"
import { DataFolder } from "../domain/config/DataFolder.ts"
import { defaults, HubConfig, type HubConfigShape } from "../domain/config/HubConfig.ts"
import { settingsInMemory } from "../domain/settings/SettingsInMemory.ts"
import { Settings, type SettingsValue } from "../domain/servers/Settings.ts"
import { HubServer } from "../http/runtime/NodeServer.ts"
import * as Hub from "../Hub.ts"
import * as McpClient from "./McpClient.ts"
import * as RawHttp from "./RawHttp.ts"
import { type HubUser, TwoUsers } from "./TwoUsers.ts"

export interface TestHubOptions {
  /** As in `mcpServers` of the settings file. */
  readonly servers?: Readonly<Record<string, ServerConfig>> | undefined
  /** `groups` of the settings file. */
  readonly groups?: SettingsValue["groups"]
  /** Changes to the configuration; by default the port is a free one and requests are not logged. */
  readonly config?: Partial<HubConfigShape> | undefined
  /** Where `${MCPHUB_USER_DIR}` lies; a hub without it has no folders for users. */
  readonly dataFolder?: string | undefined
  readonly replace?: Hub.Replacements | undefined
}

export interface RunningHub {
  /** The MCP endpoint. */
  readonly url: string
  readonly ada: HubUser
  readonly bo: HubUser
  readonly http: RawHttp.RawHttp
  /** Opens a session. */
  readonly connect: (
    user: Pick<HubUser, "key">,
    options?: McpClient.ConnectOptions
  ) => Effect.Effect<McpClient.McpClient, McpClient.McpFailure>
  /** Does what a change of the settings file does. */
  readonly setSettings: (value: SettingsValue) => Effect.Effect<void>
  /** The settings in force. */
  readonly settings: () => SettingsValue
}

/** Settings that a test can change. */
class ChangingSettings extends Context.Service<
  ChangingSettings,
  { readonly set: (value: SettingsValue) => Effect.Effect<void> }
>()("mcphub/testkit/TestHub/ChangingSettings") {
  static readonly layer = (value: SettingsValue) =>
    Layer.effectContext(
      Effect.gen(function* () {
        const ref = yield* SubscriptionRef.make(value)
        return (yield* settingsInMemory(ref)).pipe(
          Context.add(ChangingSettings, { set: (next) => SubscriptionRef.set(ref, next) })
        )
      })
    )
}

export class TestHub extends Context.Service<TestHub, RunningHub>()("mcphub/testkit/TestHub") {
  /** The running hub with all of its services. */
  static readonly layer = ({
    config,
    dataFolder,
    groups,
    replace = Layer.empty,
    servers = {}
  }: TestHubOptions = {}) => {
    const settings: SettingsValue = { mcpServers: servers, ...(groups === undefined ? {} : { groups }) }
    const changing = ChangingSettings.layer(settings)
    // With a stopped clock a user's turn would never come: fair shares are on only where a test asks for them.
    const hubConfig: HubConfigShape = { ...defaults, port: 0, logRequests: "off", drainMs: 0, fairShare: 0, ...config }
    return Layer.effect(TestHub, running).pipe(
      Layer.provideMerge(TwoUsers.layer),
      Layer.provideMerge(Hub.layerMemory({ settings, replace: Layer.merge(changing, replace) })),
      Layer.provideMerge(changing),
      Layer.provideMerge([
        NodeServices.layer,
        Layer.succeed(HubConfig, hubConfig),
        Layer.succeed(DataFolder, dataFolder)
      ])
    )
  }

  /** A hub within the scope, with its services beside it for `Context.get`. */
  static readonly make = (options: TestHubOptions = {}) =>
    Effect.map(Layer.build(TestHub.layer(options)), (services) => ({ ...Context.get(services, TestHub), services }))
}

const running: Effect.Effect<RunningHub, never, HubServer | TwoUsers | ChangingSettings | Settings | Scope.Scope> =
  Effect.gen(function* () {
    const { url } = yield* HubServer
    const { ada, bo } = yield* TwoUsers
    const settings = yield* ChangingSettings
    const inForce = yield* Settings
    const http = yield* RawHttp.make(new URL(url).origin)
    return {
      url,
      ada,
      bo,
      http,
      connect: (user, options) => McpClient.connect(http, user, options),
      setSettings: settings.set,
      settings: inForce.current
    }
  })
