/**
 * The `.env` file of the folder in which a command is called: its variables stand behind those of the process, for this
 * program alone. They are never put into the process's own environment, so that no child process inherits one.
 */
import { lstatSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { ConfigProvider, Effect } from "effect"
import { readDotEnv } from "../../domain/config/DotEnv.ts"
import { behind, Environment } from "../../domain/config/Environment.ts"
import { CliFailure } from "../terminal/CliFailure.ts"

/** No list of variables comes near it. */
const largestBytes = 65_536

const failure = (message: string) => new CliFailure({ kind: "BadEnvFile", message, exitCode: 2 })

const isThere = (file: string): boolean => {
  try {
    lstatSync(file)
    return true
  } catch {
    return false
  }
}

const readText = (file: string) =>
  Effect.try({
    try: () => {
      const { size } = statSync(file)
      // A pipe would be waited for without end, and a folder is what a container makes of a file that is missing.
      if (!statSync(file).isFile())
        return failure(`${file} is no file; remove it or put a file of NAME=value lines there`)
      if (size > largestBytes) return failure(`${file} is larger than 64 KiB; it is no list of variables`)
      return readFileSync(file, "utf8")
    },
    catch: (cause) =>
      failure(
        `${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? "unknown"}); check its owner and permissions`
      )
  }).pipe(Effect.flatMap((read) => (typeof read === "string" ? Effect.succeed(read) : Effect.fail(read))))

/** Runs a command with the variables of the folder's file, if there is one. */
export const withDotEnv =
  (folder: string) =>
  <A, E, R>(command: Effect.Effect<A, E, R>): Effect.Effect<A, E | CliFailure, R> =>
    Effect.gen(function* () {
      const file = join(folder, ".env")
      if (!isThere(file)) return yield* command
      const read = readDotEnv(yield* readText(file))
      if ("problem" in read) {
        const { line, reason } = read.problem
        return yield* failure(`${file}:${line}: ${reason}; correct the line`)
      }
      const given = Object.fromEntries(read.variables)
      const provider = ConfigProvider.orElse(
        yield* ConfigProvider.ConfigProvider,
        ConfigProvider.fromEnv({ env: given })
      )
      return yield* command.pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, provider),
        Effect.provideService(Environment, behind(yield* Environment, given))
      )
    })
