import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { Hub, HubConfig, hubDefaults, HubKeys, HubServer, Users } from "../../../src/index.ts"

const hub = Hub.layerMemory({ settings: { mcpServers: {} } }).pipe(
  Layer.provide([NodeServices.layer, Layer.succeed(HubConfig, { ...hubDefaults, port: 0 })])
)

const main = Effect.gen(function* () {
  const users = yield* Users
  const keys = yield* HubKeys
  const { url } = yield* HubServer
  const ada = yield* users.add({ username: "ada" })
  const { key } = yield* keys.create({ userId: ada.id, name: "laptop" })
  yield* Console.log(`listening on ${url}, ada's key is ${Redacted.value(key)}`)
  return yield* Effect.never
})

main.pipe(Effect.provide(hub), NodeRuntime.runMain)
