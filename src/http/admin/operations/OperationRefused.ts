/**
 * The one failure of an operator's operation: a fact and its remedy in words, and the exit code of the command.
 *
 * Domain errors keep their own types inside the hub and become this one here, because the next reader is a human at a
 * terminal or a script that looks at the exit code.
 */
import { Effect, Schema } from "effect"

export class OperationRefused extends Schema.TaggedError<OperationRefused>()("OperationRefused", {
  /** The fact in one word, for scripts: `UserNotFound`, `HubNotRunning`, … */
  kind: Schema.String,
  message: Schema.String,
  /** 1 wrong use, 2 a check failed, 3 something cannot be reached. */
  exitCode: Schema.Literals([1, 2, 3])
}) {}

const exitCodes: Readonly<Record<string, 1 | 2 | 3>> = {
  DatabaseUnavailable: 3,
  ProvisioningRefused: 2,
  OtherCredentialKey: 2
}

/** Turns typed domain errors into the operator's refusal, keeping name and message. */
export const asRefusal = <A, R>(
  self: Effect.Effect<A, { readonly _tag: string; readonly message: string }, R>
): Effect.Effect<A, OperationRefused, R> =>
  Effect.mapError(self, (error) =>
    error instanceof OperationRefused
      ? error
      : new OperationRefused({ kind: error._tag, message: error.message, exitCode: exitCodes[error._tag] ?? 1 })
  )
