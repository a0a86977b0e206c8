/**
 * A whole hub for one test: in memory, on a free port of 127.0.0.1, with ada and bo, any of its services replaceable and
 * its settings changeable while it runs. Everything is gone when the scope closes.
 */
import { NodeServices } from "@effect/platform-node"
import { Context, Effect, Layer, type Scope, SubscriptionRef } from "effect"
import type { ServerConfig } from "../domain/servers/ServerConfig.ts"
import { defaults, HubConfig, type HubConfigShape } from "../domain/config/HubConfig.ts"
import { fromRef, Settings, type SettingsValue } from "../domain/servers/Settings.ts"
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
  /** The port is always free, and requests are not logged, unless said here. */
  readonly config?: Partial<HubConfigShape> | undefined
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
  /** What a change of the settings file does. */
  readonly setSettings: (value: SettingsValue) => Effect.Effect<void>
}

/** Settings that a test changes. */
class ChangingSettings extends Context.Service<
  ChangingSettings,
  { readonly set: (value: SettingsValue) => Effect.Effect<void> }
>()("mcphub/testkit/TestHub/ChangingSettings") {
  static readonly layer = (value: SettingsValue) =>
    Layer.effectContext(
      Effect.gen(function* () {
        const ref = yield* SubscriptionRef.make(value)
        return Context.make(Settings, fromRef(ref)).pipe(
          Context.add(ChangingSettings, { set: (next) => SubscriptionRef.set(ref, next) })
        )
      })
    )
}

export class TestHub extends Context.Service<TestHub, RunningHub>()("mcphub/testkit/TestHub") {
  /** The running hub together with all of its services. */
  static readonly layer = ({ config, groups, replace = Layer.empty, servers = {} }: TestHubOptions = {}) => {
    const settings: SettingsValue = { mcpServers: servers, ...(groups === undefined ? {} : { groups }) }
    const changing = ChangingSettings.layer(settings)
    // Under a clock that stands still a user's turn would never come: fair shares are on only where a test asks for them.
    const hubConfig: HubConfigShape = { ...defaults, port: 0, logRequests: "off", drainMs: 0, fairShare: 0, ...config }
    return Layer.effect(TestHub, running).pipe(
      Layer.provideMerge(TwoUsers.layer),
      Layer.provideMerge(Hub.layerMemory({ settings, replace: Layer.merge(changing, replace) })),
      Layer.provideMerge(changing),
      Layer.provideMerge([NodeServices.layer, Layer.succeed(HubConfig, hubConfig)])
    )
  }

  /** A hub within the scope; its services beside it, for `Context.get`. */
  static readonly make = (options: TestHubOptions = {}) =>
    Effect.map(Layer.build(TestHub.layer(options)), (services) => ({ ...Context.get(services, TestHub), services }))
}

const running: Effect.Effect<RunningHub, never, HubServer | TwoUsers | ChangingSettings | Scope.Scope> = Effect.gen(
  function* () {
    const { url } = yield* HubServer
    const { ada, bo } = yield* TwoUsers
    const settings = yield* ChangingSettings
    const http = yield* RawHttp.make(new URL(url).origin)
    return {
      url,
      ada,
      bo,
      http,
      connect: (user, options) => McpClient.connect(http, user, options),
      setSettings: settings.set
    }
  }
)
