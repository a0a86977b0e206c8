/**
 * Finds the hub of a data directory and provides the operations on it.
 *
 * The local door leads to a running hub. Without one (no `hub.json`, or nobody answers at its address) the same
 * handlers run in this process on the opened database, which announces changes to hubs elsewhere.
 */
import { randomBytes } from "node:crypto"
import { Effect, Layer, Option } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { RpcClient, RpcSerialization } from "effect/rpc"
import { challengeHeader, find, type HubFile, proofHeader, proofOf } from "../../http/admin/HubFile.ts"
import { AdminOperations, type Admin } from "../../http/admin/operations/AdminOperations.ts"
import { asCliFailure, CliFailure } from "../terminal/CliFailure.ts"
import type { StandIns } from "../workspace/UpstreamServices.ts"
import type { Workspace } from "../workspace/Workspace.ts"

const throughDoor = Effect.fnUntraced(function* (hub: HubFile) {
  const protocol = RpcClient.layerProtocolHttp({
    url: hub.url,
    transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(hub.token))
  }).pipe(Layer.provide([RpcSerialization.layerJson, FetchHttpClient.layer]))
  const services = yield* Layer.build(protocol)
  return yield* RpcClient.make(AdminOperations, { disableTracing: true }).pipe(Effect.provideContext(services))
})

/** However busy a hub is, its door has had its turn by then. */
const patience = "30 seconds"

/**
 * Whether the hub of the token is at the door; nothing secret is said before it has proved so. A door that stays silent
 * belongs to a hub that stands still, or to another program: neither is told anything.
 */
const answers = Effect.fnUntraced(
  function* (hub: HubFile) {
    const challenge = randomBytes(24).toString("base64url")
    const response = yield* HttpClient.get(hub.url, { headers: { [challengeHeader]: challenge } }).pipe(
      Effect.timeout(patience)
    )
    return response.headers[proofHeader] === proofOf(hub.token, challenge)
  },
  Effect.catchTags({
    HttpClientError: () => Effect.succeed(false),
    TimeoutError: () => Effect.fail(silent)
  }),
  Effect.provide(FetchHttpClient.layer)
)

const silent = new CliFailure({
  kind: "HubSilent",
  exitCode: 3,
  message: "The hub of this data folder does not answer the command line; look at its log, or stop it and try again"
})

/** Loaded only where it is needed: the database and the upstream side are most of the program. */
const withoutHub = Effect.fnUntraced(function* (workspace: Workspace, standIns: StandIns) {
  const { onDatabase } = yield* Effect.promise(() => import("./AdminOnDatabase.ts"))
  return yield* onDatabase(workspace, standIns)
})

/** The operations on the hub of this data directory, for as long as the scope lives. */
export const connect = Effect.fnUntraced(function* (workspace: Workspace, standIns: StandIns) {
  const hub = yield* Effect.mapError(find(workspace.dataDir), asCliFailure)
  const admin: Admin =
    Option.isSome(hub) && (yield* answers(hub.value))
      ? yield* throughDoor(hub.value)
      : yield* withoutHub(workspace, standIns)
  return admin
})
