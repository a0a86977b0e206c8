/**
 * A database that answers and takes nothing more, because its disk is full: whoever writes to it without a client notes
 * what became of that, and probes, metrics and `doctor` read it here.
 */
import { Context, Effect, Layer } from "effect"
import { DatabaseUnavailable } from "../../domain/identity/IdentityErrors.ts"
import { HubMetrics } from "./HubMetrics.ts"

export interface WriteTroublesShape {
  /** How the writer's latest attempt has failed; undefined when it was good. */
  readonly note: (writer: string, error: unknown) => void
  /** Which disk is full, and the remedy, as of the latest attempts. */
  readonly full: () => string | undefined
}

const make = (): WriteTroublesShape => {
  const full = new Map<string, string>()
  return {
    note: (writer, error) => {
      if (error instanceof DatabaseUnavailable && error.isFull === true) full.set(writer, error.message)
      else full.delete(writer)
    },
    full: () => full.values().next().value
  }
}

export class WriteTroubles extends Context.Reference<WriteTroublesShape>("mcphub/actors/observing/WriteTroubles", {
  defaultValue: () => ({ note: () => {}, full: () => undefined })
}) {
  static readonly layer: Layer.Layer<never, never, HubMetrics> = Layer.effect(
    WriteTroubles,
    Effect.gen(function* () {
      const troubles = make()
      const about = "Whether what was last written to the database was refused because its disk is full"
      yield* (yield* HubMetrics).gauge("mcphub_database_full", about, () => (troubles.full() === undefined ? 0 : 1))
      return troubles
    })
  )
}
