/** `mcphub import --from PROGRAM [FILE]`: servers of another program's settings, into the hub's settings file. */
import { ByteSize, Console, Context, Effect, FileSystem, Layer, Logger, Option, Path } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { foreignNames } from "../../domain/servers/Expansion.ts"
import { Environment, type EnvironmentRecord } from "../../domain/config/Environment.ts"
import { readHubConfig } from "../../domain/config/HubConfig.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { foreignPrograms, type ForeignProgramName } from "../../domain/settings/ForeignPrograms.ts"
import { isJsonObject, objectOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import { checkSettings } from "../../domain/settings/SettingsCheck.ts"
import { SettingsFile } from "../../domain/settings/SettingsFile.ts"
import { CheckFailed, CliFailure } from "../terminal/CliFailure.ts"
import { print } from "../terminal/Output.ts"
import { currentWorkspace } from "../workspace/Workspace.ts"

const programs = Object.keys(foreignPrograms) as ReadonlyArray<ForeignProgramName>

const failure = (message: string) => new CliFailure({ kind: "ImportFailed", message, exitCode: 2 })

/** The file that is named, or the nearest of the program's own. */
const findFile = Effect.fnUntraced(function* (program: ForeignProgramName, given: Option.Option<string>) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  if (Option.isSome(given)) return paths.resolve(given.value)
  const usual = foreignPrograms[program].files.map((file) =>
    file.startsWith("~/") ? paths.join(homedir(), file.slice(2)) : paths.resolve(file)
  )
  for (const file of usual) if (yield* Effect.orElseSucceed(files.exists(file), () => false)) return file
  return yield* failure(
    `${foreignPrograms[program].title} has no settings at ${usual.join(" or ")}; name the file: mcphub import --from ${program} FILE`
  )
})

/** No program's settings come near it. */
const largestFile = 16 * 1024 * 1024

const readText = Effect.fnUntraced(function* (file: string) {
  const files = yield* FileSystem.FileSystem
  // A pipe would be waited for without end.
  const { size, type } = yield* Effect.mapError(files.stat(file), ({ reason }) =>
    failure(`${file} cannot be read (${reason._tag}); check that it exists and its permissions`)
  )
  if (type !== "File") return yield* failure(`${file} is no file`)
  if (ByteSize.toBigInt(size) > largestFile)
    return yield* failure(`${file} is larger than 16 MiB; it is no settings file`)
  return yield* Effect.mapError(files.readFileString(file), ({ reason }) =>
    failure(`${file} cannot be read (${reason._tag}); check that it exists and its permissions`)
  )
})

/** Every variable is set, to a text that can be part of an address, too. */
const withAllSet = (environment: EnvironmentRecord): EnvironmentRecord =>
  new Proxy(environment, {
    get: (given, name) =>
      Reflect.get(given, name) ?? (typeof name === "string" && !foreignNames.has(name) ? "x" : undefined)
  })

/** The settings file as it is written, so that what the hub does not change stays in the words of its author. */
const present = Effect.fnUntraced(function* (file: string) {
  const files = yield* FileSystem.FileSystem
  if (!(yield* Effect.orElseSucceed(files.exists(file), () => true))) return {}
  const text = yield* readText(file)
  const document = yield* Effect.try({
    try: () => JSON.parse(text.replace(/^\uFEFF/, "")) as unknown,
    catch: () => failure(`${file} is not JSON; run: mcphub config check`)
  })
  return objectOrEmpty(document)
})

const write = Effect.fnUntraced(
  function* (file: string, document: JsonObject) {
    const services = yield* Layer.build(SettingsFile.layer({ path: file, sample: { mcpServers: {} } }))
    yield* Context.get(services, SettingsFile).write(document)
  },
  Effect.scoped,
  Effect.provide(Logger.layer([]))
)

export const ImportCommand = Command.make(
  "import",
  {
    from: Flag.Literals("from", programs).pipe(Flag.withDescription("The program whose settings are read")),
    only: Flag.String("only").pipe(
      Flag.withDescription("Name of a server to import, once for each; all when absent"),
      Flag.between(0, 1_000)
    ),
    replace: Flag.Boolean("replace").pipe(
      Flag.withDescription("Replace servers of the same name"),
      Flag.withDefault(false)
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Only print what would be written"),
      Flag.withDefault(false)
    ),
    file: Argument.String("file").pipe(
      Argument.withDescription("The program's file; its usual place when absent"),
      Argument.optional
    )
  },
  Effect.fnUntraced(function* ({ dryRun, file: given, from, only, replace }) {
    const { settingsFile } = yield* currentWorkspace
    const { readForeignSettings } = yield* Effect.promise(() => import("../../domain/settings/ForeignSettings.ts"))
    const source = yield* findFile(from, given)
    const imported = yield* Effect.mapError(readForeignSettings(from, yield* readText(source)), ({ message }) =>
      failure(`${source}: ${message}`)
    )
    const unknown = only.filter((name) => !Object.hasOwn(imported.servers, name))
    if (unknown.length > 0) return yield* failure(`${source} has no server ${unknown.join(", ")}`)
    const servers = Object.fromEntries(
      Object.entries(imported.servers).filter(([name]) => only.length === 0 || only.includes(name))
    )
    const isFirst = !existsSync(settingsFile)
    const before = yield* present(settingsFile)
    const known = isJsonObject(before["mcpServers"]) ? before["mcpServers"] : {}
    const taken = Object.keys(servers).filter((name) => Object.hasOwn(known, name))
    if (taken.length > 0 && !replace) {
      return yield* failure(
        `${settingsFile} has servers of the same name already: ${taken.join(", ")}; add --replace, or import others with --only`
      )
    }
    const { nameSeparator } = yield* Effect.mapError(readHubConfig(), ({ message }) => failure(message))
    const environment = yield* Environment
    const document = { ...before, mcpServers: { ...known, ...servers } }
    const found = checkSettings({ mcpServers: servers }, environment, nameSeparator)
    // The variables of the hub may be set only where it is started, and not in this shell.
    const elsewhere = withAllSet(environment)
    const report = checkSettings({ mcpServers: servers }, elsewhere, nameSeparator)
    const problems = [
      ...imported.problems.filter(({ path }) => only.length === 0 || only.some((name) => path.split(".")[1] === name)),
      ...report.problems
    ]
    const reported = new Set(report.problems.map(({ path }) => path))
    const unset = found.problems.filter(({ path }) => !reported.has(path))
    const warnings = [...report.warnings, ...unset]
    const names = Object.keys(servers)
    const ok = problems.length === 0
    if (ok && !dryRun) {
      yield* write(settingsFile, document).pipe(
        Effect.provideService(Environment, elsewhere),
        Effect.mapError(({ message }) => failure(message))
      )
    }
    const done = dryRun ? "would be" : names.length === 1 ? "is" : "are"
    const loads = ok && unset.length === 0
    yield* print({ ok, loads, from, file: source, settingsFile, dryRun, problems, warnings, servers: names }, () =>
      [
        ...problems.map((one) => `problem  ${source}: ${one.path}: ${one.reason}`),
        ...warnings.map((one) => `warning  ${source}: ${one.path}: ${one.reason}`),
        ok
          ? `${names.length} server${names.length === 1 ? "" : "s"} of ${foreignPrograms[from].title} ${done} in ${settingsFile}: ${names.join(", ")}`
          : "Nothing was written; mend the file, or import the other servers with --only NAME"
      ].join("\n")
    )
    if (!ok) return yield* new CheckFailed()
    const missing = [...new Set(unset.map(({ reason }) => reason))]
    if (missing.length > 0) {
      const verb = dryRun ? "would reject" : "rejects"
      yield* Console.error(
        `A hub without these variables ${verb} ${settingsFile} as a whole, and keeps the settings it has: ${missing.join("; ")}`
      )
    }
    if (dryRun) return
    if (isFirst)
      yield* Console.error(`${settingsFile} is new: the hub's sample server is gone, as the file does not name it`)
    if (names.some((name) => /\$\{USER_/.test(JSON.stringify(servers[name])))) {
      yield* Console.error("Each user enters the tokens that these servers need: mcphub token set")
    }
  })
).pipe(
  Command.withDescription("Import the MCP servers of another program's settings"),
  Command.withExamples([
    { command: "mcphub import --from cursor", description: "From ~/.cursor/mcp.json, or the project's" },
    { command: "mcphub import --from codex --only github --dry-run", description: "See what would be written" }
  ])
)
