/**
 * `bench:database kills [times]`: kills a process that writes into the embedded database, fifty times on the same file, and
 * looks each time whether every batch that was acknowledged is there, whole, in an undamaged file.
 */
import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { inspect, writeAndKill } from "../../test/support/Crashes.ts"

const times = Number(process.argv[2] ?? 50)
const folder = mkdtempSync(join(tmpdir(), "mcphub-bench-"))

const killed = Effect.gen(function* () {
  let next = 0
  for (let time = 1; time <= times; time++) {
    // From a kill in the first batch to one after dozens, in an order that repeats.
    const last = yield* writeAndKill(folder, next, 1 + ((time * 17) % 43))
    const { damage, missing, next: following, torn } = yield* inspect(folder, last)
    if (damage.length + missing.length + torn.length > 0) {
      return yield* Effect.fail(new Error(`After kill ${time}: ${JSON.stringify({ damage, missing, torn })}`))
    }
    next = following
  }
  process.stdout.write(`${times} kills, ${next} batches: none missing, none torn, no damage\n`)
})

await Effect.runPromise(
  Effect.ensuring(
    killed,
    Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
)
