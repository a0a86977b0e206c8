/** The operations without a hub: the handlers that a hub serves at its door, run in this process. */
import { Effect, Layer } from "effect"
import { asCliFailure } from "../terminal/CliFailure.ts"
import { AdminOperations } from "../../http/admin/operations/AdminOperations.ts"
import { inProcess } from "../../http/admin/operations/InProcess.ts"
import { AbsentHandlers } from "../../http/admin/handlers/LiveHandlers.ts"
import { StoredHandlers } from "../../http/admin/handlers/StoredHandlers.ts"
import { storedServices } from "../workspace/StoredServices.ts"
import { type StandIns, upstreamServices } from "../workspace/UpstreamServices.ts"
import type { Workspace } from "../workspace/Workspace.ts"

/** The operations on the opened database, for as long as the scope lives; those on a running hub say that there is none. */
export const onDatabase = Effect.fnUntraced(function* (workspace: Workspace, standIns: StandIns) {
  const handlers = Layer.mergeAll(StoredHandlers, AbsentHandlers(workspace.dataDir)).pipe(
    Layer.provide(upstreamServices(workspace, standIns)),
    Layer.provide(storedServices(workspace))
  )
  const services = yield* Layer.build(handlers).pipe(Effect.mapError(asCliFailure))
  return yield* inProcess(AdminOperations).pipe(Effect.provideContext(services))
})
