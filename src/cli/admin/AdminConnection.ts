/**
 * Finds the hub of a data directory and provides the operations on it.
 *
 * The local door leads to a running hub. Without one (no `hub.json`, or nobody answers at its address) the same
 * handlers run in this process on the opened database, which announces changes to hubs elsewhere.
 */
import { Effect, Layer, Option } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { RpcClient, RpcSerialization } from "effect/rpc"
import { find, type HubFile } from "../../http/admin/LocalDoor.ts"
import { AdminOperations, type Admin } from "../../http/admin/operations/AdminOperations.ts"
import type { Workspace } from "../workspace/Workspace.ts"

const throughDoor = Effect.fnUntraced(function* (hub: HubFile) {
  const protocol = RpcClient.layerProtocolHttp({
    url: hub.url,
    transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(hub.token))
  }).pipe(Layer.provide([RpcSerialization.layerJson, FetchHttpClient.layer]))
  const services = yield* Layer.build(protocol)
  return yield* RpcClient.make(AdminOperations, { disableTracing: true }).pipe(Effect.provideContext(services))
})

/** Whether a hub accepts this token at the door. A slow door counts as a running hub. */
const answers = (hub: HubFile) =>
  HttpClient.get(hub.url, { headers: { authorization: `Bearer ${hub.token}` } }).pipe(
    Effect.map((response) => response.status === 204),
    Effect.timeoutOption("5 seconds"),
    Effect.map(Option.getOrElse(() => true)),
    Effect.catch(() => Effect.succeed(false)),
    Effect.provide(FetchHttpClient.layer)
  )

/** Loaded only where it is needed: the database and the upstream side are most of the program. */
const withoutHub = Effect.fnUntraced(function* (workspace: Workspace) {
  const { onDatabase } = yield* Effect.promise(() => import("./AdminOnDatabase.ts"))
  return yield* onDatabase(workspace)
})

/** The operations on the hub of this data directory, for as long as the scope lives. */
export const connect = Effect.fnUntraced(function* (workspace: Workspace) {
  const hub = yield* find(workspace.dataDir)
  const admin: Admin =
    Option.isSome(hub) && (yield* answers(hub.value)) ? yield* throughDoor(hub.value) : yield* withoutHub(workspace)
  return admin
})
