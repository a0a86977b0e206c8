/**
 * The failure of a command: one line that names cause and remedy on standard error, and the exit code.
 *
 * 0 ok · 1 wrong use · 2 a check failed · 3 cannot reach · 4 a hub ended itself after a
 * defect. The parser itself reports wrong flags and missing arguments,
 * with the same code 1.
 */
import { Data, Runtime } from "effect"

export type ExitCode = 1 | 2 | 3 | 4

export class CliFailure extends Data.TaggedError("CliFailure")<{
  /** The fact in one word, for scripts that read `--json`. */
  readonly kind: string
  readonly message: string
  readonly exitCode: ExitCode
}> {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

const exitCodes: Readonly<Record<string, ExitCode>> = {
  DatabaseUnavailable: 3,
  DatabaseBusy: 3,
  SqlError: 3,
  UserNotFound: 1
}

/** A typed error of the layers below as a failure of the command; exit code 2 unless the error has another one. */
export const asCliFailure = (error: { readonly _tag: string; readonly message: string }): CliFailure =>
  error instanceof CliFailure
    ? error
    : new CliFailure({ kind: error._tag, message: error.message, exitCode: exitCodes[error._tag] ?? 2 })

/** The command has already printed everything (a report with a failed check); only the exit code is left. */
export class CheckFailed extends Data.TaggedError("CheckFailed") {
  override readonly [Runtime.errorExitCode] = 2
  override readonly [Runtime.errorReported] = false
}
