/** Opens the local door of a running hub with the operator's operations behind it. */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import { type DoorOptions, open } from "./LocalDoor.ts"
import { AdminOperations } from "./operations/AdminOperations.ts"
import { LiveHandlers } from "./handlers/LiveHandlers.ts"
import { StoredHandlers } from "./handlers/StoredHandlers.ts"

/** Open for as long as the scope lives; closing it interrupts the operations under way. */
export const openAdminDoor = Effect.fnUntraced(function* (options: DoorOptions) {
  const handlers = Layer.merge(
    StoredHandlers,
    LiveHandlers({
      pid: options.pid,
      url: options.mcpUrl,
      version: options.version,
      startedAt: options.startedAt.getTime()
    })
  )
  const services = yield* Layer.build(Layer.merge(handlers, RpcSerialization.layerJson))
  const app = yield* RpcServer.toHttpEffect(AdminOperations, { disableTracing: true, disableFatalDefects: true }).pipe(
    Effect.provideContext(services)
  )
  const server = yield* NodeHttpServer.make(() => createServer(), {
    host: "127.0.0.1",
    port: 0,
    gracefulShutdownTimeout: "1 second"
  })
  yield* open(options, app).pipe(Effect.provideService(HttpServer.HttpServer, server))
})
