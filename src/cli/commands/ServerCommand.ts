/** `mcphub server …`: the upstream servers of the settings. */
import { Config, Effect, Option, Redacted } from "effect"
import { Argument, Command } from "effect/cli"
import { withAdmin } from "../Admin.ts"
import { CheckFailed } from "../CliFailure.ts"
import { facts, print, table } from "../Output.ts"

const name = Argument.String("name").pipe(Argument.withDescription("Name of the server in the settings"))

/** Whose tokens to try with. A key is a secret, so it comes from the environment and never from the command line. */
const ownKey = Config.option(Config.Redacted("MCPHUB_KEY")).pipe(
  Effect.map((key) => Option.getOrNull(Option.map(key, Redacted.value))),
  Effect.orDie
)

const ls = Command.make("ls", {}, () =>
  withAdmin((admin) =>
    Effect.gen(function* () {
      const servers = yield* admin.serverList()
      yield* print(servers, () =>
        table(
          ["name", "type", "state", "connections", "tools", "reason"],
          servers.map((one) => [
            one.name,
            one.type,
            one.state,
            String(one.connections),
            one.tools === null ? "-" : String(one.tools),
            one.reason ?? ""
          ]),
          "No servers; add one to the settings file"
        )
      )
    })
  )
).pipe(Command.withDescription("List servers with their state, as far as sessions have tried them"))

const tried = (name: string) => withAdmin((admin) => Effect.flatMap(ownKey, (key) => admin.serverTest({ name, key })))

const test = Command.make(
  "test",
  { name },
  Effect.fnUntraced(function* ({ name }) {
    const result = yield* tried(name)
    yield* print(result, () =>
      facts([
        ["server", result.name],
        ["outcome", result.outcome],
        ...(result.reason === null ? [] : [["reason", result.reason] as const]),
        ...(result.protocolVersion === null ? [] : [["protocol", result.protocolVersion] as const]),
        ...(result.serverName === null ? [] : [["says it is", result.serverName] as const]),
        ["tools", String(result.tools.length)],
        ["took", `${result.durationMs} ms`]
      ])
    )
    if (result.outcome !== "ok") return yield* new CheckFailed()
  })
).pipe(
  Command.withDescription("Connect to a server and list its tools; exit code 2 when that fails"),
  Command.withExamples([
    { command: "mcphub server test github", description: "With nobody's tokens" },
    { command: "MCPHUB_KEY=… mcphub server test github", description: "With the service tokens of that key" }
  ])
)

const tools = Command.make(
  "tools",
  { name },
  Effect.fnUntraced(function* ({ name }) {
    const result = yield* tried(name)
    yield* print(result, () =>
      result.outcome === "ok"
        ? table(
            ["tool", "description"],
            result.tools.map((tool) => [tool.name, (tool.description ?? "").split("\n", 1)[0]!.slice(0, 100)]),
            `${name} has no tools`
          )
        : `${name}: ${result.outcome}${result.reason === null ? "" : `: ${result.reason}`}`
    )
    if (result.outcome !== "ok") return yield* new CheckFailed()
  })
).pipe(Command.withDescription("List the tools a server offers, asked right now (MCPHUB_KEY as for test)"))

export const ServerCommand = Command.make("server").pipe(
  Command.withDescription("List and try the upstream servers"),
  Command.withSubcommands([ls, test, tools])
)
