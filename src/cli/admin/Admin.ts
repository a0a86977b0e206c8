/**
 * The operations behind the command line, wherever they run: beside a running hub they travel through its local door;
 * without one they run here, on the opened database. A command loads this machinery only when it needs it, so that
 * `--help` stays quick.
 */
import { Effect } from "effect"
import type { Admin } from "../../http/admin/operations/AdminOperations.ts"
import type { StandIns } from "../workspace/UpstreamServices.ts"
import { currentWorkspace, type Workspace } from "../workspace/Workspace.ts"

/**
 * Runs a command's body with the operations, and closes everything that was opened for it. `standIns` count only without
 * a running hub.
 */
export const withAdmin = <A, E, R>(
  use: (admin: Admin, workspace: Workspace) => Effect.Effect<A, E, R>,
  standIns: StandIns = {}
) =>
  Effect.gen(function* () {
    const workspace = yield* currentWorkspace
    const { connect } = yield* Effect.promise(() => import("./AdminConnection.ts"))
    return yield* use(yield* connect(workspace, standIns), workspace)
  }).pipe(Effect.scoped)
