/** An embedded database in a folder of its own, gone with the scope. */
import { Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Database from "../../src/cli/database/Database.ts"

/** A new folder, removed with the scope. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-database-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

export const embeddedForTest: Layer.Layer<Database.DatabaseServices> = Layer.unwrap(
  Effect.map(folder, Database.layerEmbedded)
).pipe(Layer.orDie)
