/**
 * Finds the hub of a data directory and gives the operations on it.
 *
 * A running hub is reached through its local door. Without one (no `hub.json`, or nobody answers where it points) the
 * same handlers run in this process on the opened database, and changes are announced to hubs elsewhere through it.
 */
import { Effect, Layer, Option } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { type Rpc, RpcClient, type RpcGroup, RpcSerialization, RpcServer } from "effect/rpc"
import { find, type HubFile } from "../http/LocalDoor.ts"
import type { Admin } from "./Admin.ts"
import { asCliFailure } from "./CliFailure.ts"
import { AdminOperations } from "./operations/AdminOperations.ts"
import { AbsentHandlers } from "./operations/handlers/LiveHandlers.ts"
import { StoredHandlers } from "./operations/handlers/StoredHandlers.ts"
import type { Workspace } from "./Workspace.ts"

/** The operations of a running hub. */
const throughDoor = Effect.fnUntraced(function* (hub: HubFile) {
  const protocol = RpcClient.layerProtocolHttp({
    url: hub.url,
    transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(hub.token))
  }).pipe(Layer.provide([RpcSerialization.layerJson, FetchHttpClient.layer]))
  const services = yield* Layer.build(protocol)
  return yield* RpcClient.make(AdminOperations, { disableTracing: true }).pipe(Effect.provideContext(services))
})

/** Whether somebody opens the door with this token. A door that is slow to answer is there. */
const answers = (hub: HubFile) =>
  HttpClient.get(hub.url, { headers: { authorization: `Bearer ${hub.token}` } }).pipe(
    Effect.map((response) => response.status === 204),
    Effect.timeoutOption("5 seconds"),
    Effect.map(Option.getOrElse(() => true)),
    Effect.catch(() => Effect.succeed(false)),
    Effect.provide(FetchHttpClient.layer)
  )

/** Client and handlers of one process, without a wire between them. */
const inProcess = Effect.fnUntraced(function* <Rpcs extends Rpc.Any>(group: RpcGroup.RpcGroup<Rpcs>) {
  let toClient: Effect.Success<ReturnType<typeof RpcClient.makeNoSerialization<Rpcs, never>>>["write"] | undefined
  const server = yield* RpcServer.makeNoSerialization(group, {
    disableTracing: true,
    onFromServer: (response) => (toClient === undefined ? Effect.void : toClient(response))
  })
  const { client, write } = yield* RpcClient.makeNoSerialization(group, {
    disableTracing: true,
    supportsAck: true,
    onFromClient: ({ message }) => server.write(0, message)
  })
  toClient = write
  return client
})

const onDatabase = Effect.fnUntraced(function* (place: Workspace) {
  const { storedServices } = yield* Effect.promise(() => import("./StoredServices.ts"))
  const { upstreamServices } = yield* Effect.promise(() => import("./UpstreamServices.ts"))
  const handlers = Layer.mergeAll(StoredHandlers, AbsentHandlers(place.dataDir)).pipe(
    Layer.provide(upstreamServices(place)),
    Layer.provide(storedServices(place))
  )
  const services = yield* Layer.build(handlers).pipe(Effect.mapError(asCliFailure))
  return yield* inProcess(AdminOperations).pipe(Effect.provideContext(services))
})

/** The operations on the hub of this data directory, for as long as the scope lives. */
export const connect = Effect.fnUntraced(function* (place: Workspace) {
  const hub = yield* find(place.dataDir)
  const admin: Admin =
    Option.isSome(hub) && (yield* answers(hub.value)) ? yield* throughDoor(hub.value) : yield* onDatabase(place)
  return admin
})
