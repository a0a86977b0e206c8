/**
 * The command line `mcphub`: noun, verb. Definitions only; a command loads what it needs when it runs.
 *
 * `--json` prints one JSON document. Errors go to standard error, one line with cause and remedy (JSON with `--json`).
 * Exit codes: 0 ok, 1 wrong use, 2 a check failed, 3 cannot reach, 4 a hub ended itself after a defect.
 */
import { Cause, Console, Effect, Exit, identity, Runtime } from "effect"
import { CliError, Command } from "effect/cli"
import { defaults } from "../domain/config/HubConfig.ts"
import { isDatabaseDamaged } from "../domain/storage/sql/Damaged.ts"
import { CheckFailed, CliFailure } from "./terminal/CliFailure.ts"
import { AuditCommand } from "./commands/AuditCommand.ts"
import { BackupCommand } from "./commands/BackupCommand.ts"
import { ConfigCommand } from "./commands/ConfigCommand.ts"
import { ConnectCommand } from "./commands/ConnectCommand.ts"
import { DoctorCommand } from "./commands/DoctorCommand.ts"
import { GroupCommand } from "./commands/GroupCommand.ts"
import { ImportCommand } from "./commands/ImportCommand.ts"
import { KeyCommand } from "./commands/KeyCommand.ts"
import { MigrateCommand } from "./commands/MigrateCommand.ts"
import { ProvisionCommand } from "./commands/ProvisionCommand.ts"
import { RequestCommand } from "./commands/RequestCommand.ts"
import { ServerCommand } from "./commands/ServerCommand.ts"
import { SessionCommand } from "./commands/SessionCommand.ts"
import { StartCommand } from "./commands/StartCommand.ts"
import { StatusCommand } from "./commands/StatusCommand.ts"
import { StatsCommand } from "./commands/StatsCommand.ts"
import { TokenCommand } from "./commands/TokenCommand.ts"
import { UserCommand } from "./commands/UserCommand.ts"
import { globalFlags } from "./terminal/GlobalFlags.ts"
import { printable } from "./terminal/Output.ts"
import * as SecretFiles from "./workspace/SecretFiles.ts"
import * as WrongUse from "./terminal/WrongUse.ts"
import { withDotEnv } from "./workspace/DotEnvFile.ts"
import { OperationRefused } from "../http/admin/operations/OperationRefused.ts"

const mcphub = Command.make("mcphub").pipe(
  Command.withDescription("One hub between many users' MCP clients and many MCP servers"),
  Command.withSubcommands([
    StartCommand,
    StatusCommand,
    DoctorCommand,
    ConnectCommand,
    ProvisionCommand,
    UserCommand,
    KeyCommand,
    TokenCommand,
    GroupCommand,
    ServerCommand,
    SessionCommand,
    RequestCommand,
    AuditCommand,
    StatsCommand,
    BackupCommand,
    MigrateCommand,
    ImportCommand,
    ConfigCommand
  ]),
  Command.withGlobalFlags(globalFlags)
)

/** Any failure as the operator sees it; a defect is a bug and says so, without a stack. */
const asFailure = (error: unknown): CliFailure => {
  if (error instanceof CliFailure) return error
  if (error instanceof OperationRefused) {
    return new CliFailure({ kind: error.kind, message: error.message, exitCode: error.exitCode })
  }
  if (error instanceof Error && "_tag" in error && error._tag === "RpcClientError") {
    return new CliFailure({
      kind: "HubUnreachable",
      message: "The running hub did not answer at its local door; see its log, or stop it and try again",
      exitCode: 3
    })
  }
  if (isDatabaseDamaged(error)) {
    return new CliFailure({ kind: "DatabaseDamaged", message: error.message, exitCode: 3 })
  }
  // A source that does not load: its first line says which, and it is not the hub that has to be reported.
  if (
    error instanceof SyntaxError ||
    (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")
  ) {
    const where = error.stack?.split("\n", 1)[0] ?? ""
    return new CliFailure({
      kind: "InternalError",
      message: `A source of the hub does not load: ${where === "" ? error.message : `${where}: ${error.message}`}`,
      exitCode: 2
    })
  }
  return new CliFailure({
    kind: "InternalError",
    message: `Something unexpected happened (${error instanceof Error ? `${error.name}: ${error.message}` : "no error"}); please report it`,
    exitCode: 2
  })
}

const report =
  (args: ReadonlyArray<string>) =>
  (cause: Cause.Cause<unknown>): Effect.Effect<never, object> => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
    const error = Cause.squash(cause)
    // The parser, and a report with a failed check, have already printed everything.
    if (CliError.isCliError(error) || error instanceof CheckFailed) return Effect.fail(error)
    const failure = asFailure(error)
    const line = args.includes("--json")
      ? JSON.stringify({ error: { kind: failure.kind, message: failure.message } })
      : printable(`mcphub: ${failure.message}`)
    return Effect.andThen(Console.error(line), Effect.fail(failure))
  }

/**
 * Runs one command line in a folder; fails with an error that carries the exit code and has already been printed. Where
 * only help is asked for, no variable counts.
 */
export const run = (args: ReadonlyArray<string>, folder = ".") =>
  Command.runWith(mcphub, { version: defaults.version })(args).pipe(
    Effect.provide(SecretFiles.layer),
    args.some((arg) => arg === "--help" || arg === "-h" || arg === "--version") ? identity : withDotEnv(folder),
    Effect.catchCause(report(args)),
    Effect.provide(WrongUse.layer(args))
  )

/** The exit code for the result of `run`. A hub that was told to stop and has drained ended well. */
export const exitCodeOf = (args: ReadonlyArray<string>, result: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(result)) return 0
  if (Cause.hasInterruptsOnly(result.cause)) return args.includes("start") ? 0 : 130
  return Runtime.getErrorExitCode(Cause.squash(result.cause))
}
