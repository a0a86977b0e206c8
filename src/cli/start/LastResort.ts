/**
 * The end of a hub in which an exception reached the process itself, past every guard: logged without its texts, counted
 * and shown by `/readyz`; then the hub drains, so that running calls get their answers, and ends with a code of its own,
 * so that its supervisor starts it anew.
 */
import process from "node:process"
import { Effect } from "effect"
import { Defects } from "../../actors/observing/Defects.ts"
import { report } from "../../domain/Guard.ts"
import { CliFailure } from "../terminal/CliFailure.ts"

const ended = new CliFailure({
  kind: "UncaughtDefect",
  message: "The hub met a defect that nothing caught, and has ended in order; the log says where it was thrown",
  exitCode: 4
})

/** Fails at the first exception. The listeners stay for those that a draining hub meets: the process ends with it. */
export const untilDefect: Effect.Effect<never, CliFailure> = Effect.gen(function* () {
  const defects = yield* Defects
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  return yield* Effect.callback<never, CliFailure>((resume) => {
    const met = (defect: unknown): void => {
      defects.note()
      fork(report({}, defect, "An exception that nothing caught: the hub drains and ends"))
      resume(Effect.fail(ended))
    }
    process.on("uncaughtException", met)
    process.on("unhandledRejection", met)
  })
})
