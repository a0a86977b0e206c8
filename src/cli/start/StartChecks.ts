/**
 * Checks that can stop a start, made before anything is: a start that is refused leaves no folder, no secret and no user
 * behind. What goes wrong only afterwards is named by whoever meets it.
 */
import { createServer } from "node:http"
import { accessSync, constants, statSync } from "node:fs"
import { Context, Effect, Layer } from "effect"
import type { Overrides } from "../../domain/config/ConfigVariables.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import * as NodeServer from "../../http/runtime/NodeServer.ts"
import { leastBytes, mebibytes, nearest, roomOf } from "../database/DiskRoom.ts"
import { cannotBeWritten } from "../database/WholeFile.ts"
import { CliFailure } from "../terminal/CliFailure.ts"

const unusable = (message: string) => new CliFailure({ kind: "DataDirectory", exitCode: 2, message })

const otherFolder = "or choose another with --data"

/** Why the data folder cannot be used, as far as can be seen without touching it. */
const folderProblem = (dataDir: string): string | undefined => {
  const there = nearest(dataDir)
  try {
    // A file in the way is left to whoever makes the folder, who names it.
    if (!statSync(there).isDirectory()) return undefined
    accessSync(there, constants.W_OK | constants.X_OK)
    const left = roomOf(dataDir)
    if (left === undefined || left >= leastBytes) return undefined
    return `The disk of the data folder ${dataDir} has ${mebibytes(left)} MiB left, and the hub needs ${mebibytes(leastBytes)} (ENOSPC); make room, ${otherFolder}`
  } catch (cause) {
    return `The data folder ${cannotBeWritten(dataDir, cause)}, ${otherFolder}`
  }
}

/** Listens for a moment where the hub will. */
const checkPort = Effect.gen(function* () {
  const { host, port } = yield* HubConfig
  if (port === 0) return
  const server = createServer()
  yield* Effect.acquireRelease(NodeServer.listen(server, host, port, 1), () => NodeServer.stop(server))
}).pipe(Effect.scoped)

export const checkStart = Effect.fnUntraced(function* (dataDir: string, overrides: Overrides) {
  const config = yield* Effect.scoped(Layer.build(HubConfig.layerWith(overrides)))
  yield* Effect.provideService(checkPort, HubConfig, Context.get(config, HubConfig))
  const problem = folderProblem(dataDir)
  if (problem !== undefined) return yield* unusable(problem)
})
