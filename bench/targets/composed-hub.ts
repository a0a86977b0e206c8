/**
 * The hub as layers of another program, on the same database as `mcphub start`: `on` as it is, `off` without what keeps
 * users apart toward the servers and without what accounts for requests: `composed-hub.ts on|off PORT UPSTREAM FOLDER`.
 */
import { join } from "node:path"
import process from "node:process"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { collectLessOften } from "../../src/cli/start/Garbage.ts"
import { migratedDatabase } from "../../src/cli/workspace/MigratedDatabase.ts"
import { HubSecrets } from "../../src/domain/config/HubSecrets.ts"
import * as Repositories from "../../src/domain/storage/Repositories.ts"
import {
  Credentials,
  Hub,
  HubConfig,
  hubDefaults,
  HubServer,
  LogOutput,
  Provisioning,
  Settings
} from "../../src/index.ts"
import { provisionOf } from "./Provision.ts"
import { users } from "./Target.ts"
import * as UntrackedRequests from "./UntrackedRequests.ts"

const [mode, port, upstream, folder] = process.argv.slice(2) as [string, string, string, string]
const isOn = mode === "on"

const config = Layer.succeed(HubConfig, {
  ...hubDefaults,
  port: Number(port),
  ...(isOn ? {} : { auditRetentionDays: 0, statisticsRetentionDays: 0, logRequests: "off" as const })
})

const main = Effect.gen(function* () {
  const secrets = yield* HubSecrets
  const server = {
    url: `${upstream}/mcp`,
    ...(isOn ? {} : { isolation: "shared" as const, context: "none" as const })
  }
  const ground = yield* Layer.build(
    Layer.mergeAll(
      Settings.layerMemory({ mcpServers: { bench: server } }),
      Credentials.layer(Redacted.make("seals nothing in this bench")),
      migratedDatabase({ dataDir: join(folder, "data"), isSettingsFileGiven: true, settingsFile: "", secrets })
    ).pipe(
      Layer.provideMerge(LogOutput.layerStderr),
      Layer.provideMerge(config),
      Layer.provideMerge(NodeServices.layer)
    )
  )
  yield* Effect.gen(function* () {
    const provisioning = yield* Provisioning
    yield* provisioning.apply(provisionOf(users))
  }).pipe(Effect.provide(Repositories.layerRepositories), Effect.provideContext(ground))
  yield* Effect.sync(collectLessOften)
  const hub = Hub.layerWith(isOn ? Layer.empty : UntrackedRequests.layer)
  return yield* Effect.gen(function* () {
    yield* Console.log(`listening on ${(yield* HubServer).url}`)
    return yield* Effect.never
  }).pipe(Effect.provide(hub), Effect.provideContext(ground))
})

main.pipe(Effect.scoped, NodeRuntime.runMain)
