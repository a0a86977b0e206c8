/** A small disk of a test's own, where the machine lets us have one. */
import { spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { Effect } from "effect"

export const mount = (folder: string, ...options: ReadonlyArray<string>): boolean =>
  process.platform === "linux" && spawnSync("mount", ["-t", "tmpfs", ...options, "none", folder]).status === 0

/** Its folder; undefined where there is none to be had. It goes with the scope. */
export const disk = (cwd: string, options: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = join(cwd, "disk")
      mkdirSync(folder)
      return mount(folder, "-o", options) ? folder : undefined
    }),
    (folder) => Effect.sync(() => (folder === undefined ? undefined : spawnSync("umount", [folder])))
  )
