/**
 * Makes the folder that a server has for one user, if it is not there yet, for its owner only. It is the very folder that
 * was asked for: one that a link, or a file system without upper and lower case, makes the same as another is refused.
 */
import { Effect, FileSystem, Path } from "effect"
import { UpstreamUnavailable } from "../../../domain/requests/UpstreamErrors.ts"

/** `below`: the data folder. */
export const makeUserFolder = Effect.fnUntraced(function* (server: string, folder: string, below: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const unavailable = (what: string) =>
    new UpstreamUnavailable({
      server,
      reason: "spawn",
      message: `The folder of this user for server "${server}" ${what}`
    })
  const real = yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 }).pipe(
    Effect.andThen(fs.realPath(folder)),
    Effect.mapError(({ reason }) =>
      unavailable(`could not be made in the hub's data folder (${reason._tag}); check that folder and its disk`)
    )
  )
  const wanted = yield* Effect.orElseSucceed(
    Effect.map(fs.realPath(below), (root) => path.join(root, path.relative(below, folder))),
    () => folder
  )
  if (real !== wanted) {
    return yield* unavailable("leads to another folder; remove the link, or rename the server, and try again")
  }
  yield* Effect.mapError(fs.chmod(folder, 0o700), () =>
    unavailable("does not belong to the user that runs the hub; check its owner")
  )
})
