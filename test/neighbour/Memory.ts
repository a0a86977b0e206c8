/**
 * The memory of the real hub beside each misbehaviour of a user: what it takes at most above what it had when it was
 * idle, and what is left of that ten seconds after the end. Linux only: it reads `/proc`.
 */
import { Effect } from "effect"
import { allocator } from "../../scripts/runtime.mjs"
import { residentMiB } from "../support/ProcessTable.ts"
import type { Disturbance } from "./Disturbances.ts"
import { type NeighbourOptions, start } from "./Neighbour.ts"

/** Of one disturbance, in MiB of resident memory. */
export interface MemoryFigure {
  readonly kind: Disturbance
  readonly idle: number
  /** Above idle. */
  readonly peak: number
  readonly afterwards: number
}

/** Long enough for the hub to settle, and for a quiet moment to come and be used. */
const settling = "10 seconds"

export const measureMemory = Effect.fnUntraced(function* (options: NeighbourOptions) {
  const { kinds, print, seconds } = options
  const figures: Array<MemoryFigure> = []
  for (const kind of kinds) {
    // A hub of its own: what one disturbance leaves must not hide what the next one takes.
    const figure = yield* Effect.scoped(
      Effect.gen(function* () {
        const { disturber, hub, isQuiet } = yield* start({ ...options, env: { ...allocator, ...options.env } })
        const resident = Effect.sync(() => residentMiB(hub.pid))
        yield* Effect.sleep(settling)
        const idle = yield* resident
        let most = idle
        const watch = Effect.andThen(
          Effect.map(resident, (now) => void (most = Math.max(most, now))),
          Effect.sleep("50 millis")
        )
        yield* Effect.forkScoped(Effect.forever(watch))
        yield* Effect.scoped(Effect.andThen(disturber(kind), Effect.sleep(seconds * 1_000)))
        yield* isQuiet
        yield* Effect.sleep(settling)
        return { kind, idle, peak: most - idle, afterwards: (yield* resident) - idle }
      })
    )
    print(`${kind}: idle ${figure.idle} MiB, at most ${figure.peak} above it, ${figure.afterwards} ten seconds after`)
    figures.push(figure)
  }
  return figures
})
