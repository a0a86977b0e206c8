/** `mcphub server …`: the upstream servers of the settings. */
import { Config, Effect, Option, Predicate, Redacted } from "effect"
import { Argument, Command } from "effect/cli"
import { withAdmin } from "../admin/Admin.ts"
import { answer } from "../admin/Answer.ts"
import { CheckFailed } from "../terminal/CliFailure.ts"
import type { ServerTestView, ServerView } from "../../http/admin/operations/ServerOperations.ts"
import { facts, print, table } from "../terminal/Output.ts"
import { onlyUser } from "../terminal/UserFlag.ts"

const name = Argument.String("name").pipe(Argument.withDescription("Name of the server in the settings"))

/**
 * The key whose tokens the test uses. A key is a secret, so it comes from the environment and never from the command
 * line.
 */
const ownKey = Config.option(Config.Redacted("MCPHUB_KEY")).pipe(
  Effect.map((key) => Option.getOrNull(Option.map(key, Redacted.value))),
  Effect.orDie
)

const age = (ms: number): string => (ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`)

/** The users for whom a server does not work, as far as they fit. */
const troubled = (troubles: ServerView["troubles"]): string => {
  const named = troubles.slice(0, 3).map(({ forMs, retryMs, state, triedMs, username }) => {
    const since =
      state === "paused" && retryMs !== null
        ? `until ${new Date(Date.now() + retryMs).toISOString().slice(11, 19)}Z`
        : `for ${age(forMs)}`
    return `${username ?? "all"} ${state} ${since} (tried ${age(triedMs)} ago)`
  })
  const more = troubles.length - named.length
  return named.length === 0 ? "-" : `${named.join(", ")}${more === 0 ? "" : ` and ${more} more`}`
}

const ls = Command.make("ls", {}, () =>
  answer(
    (admin) => admin.serverList(),
    (servers) =>
      table(
        ["name", "type", "state", "connections", "troubled", "tools", "why", "reason"],
        servers.map((one) => [
          one.name,
          one.type,
          one.state,
          String(one.connections),
          troubled(one.troubles),
          one.tools === null ? "-" : String(one.tools),
          one.why ?? "",
          [one.reason ?? one.troubles[0]?.reason, ...one.oddities].filter(Predicate.isNotNullish).join("; ")
        ]),
        "No servers; add one to the settings file"
      )
  )
).pipe(Command.withDescription("List servers with their state, as far as sessions have tried them"))

/** Names of tools for which models refuse the list, as far as they fit. */
const refusedBy = (names: ReadonlyArray<string>): string =>
  `many models take at most 64 letters, digits, _ and -, and not ${names.slice(0, 3).join(", ")}` +
  (names.length > 3 ? ` and ${names.length - 3} more` : "")

/** Tries the server, prints the result, and fails unless all was well. */
const trying = (text: (result: ServerTestView) => string) =>
  Effect.fnUntraced(function* ({ name }: { readonly name: string }) {
    const key = yield* ownKey
    const result = yield* withAdmin((admin) => admin.serverTest({ name, key }))
    yield* print(result, () => text(result))
    if (result.outcome !== "ok") return yield* new CheckFailed()
  })

const test = Command.make(
  "test",
  { name },
  trying((result) =>
    facts([
      ["server", result.name],
      ["outcome", result.outcome],
      ...(result.why === null ? [] : [["why", result.why] as const]),
      ...(result.reason === null ? [] : [["reason", result.reason] as const]),
      ...(result.protocolVersion === null ? [] : [["protocol", result.protocolVersion] as const]),
      ...(result.serverName === null ? [] : [["says it is", result.serverName] as const]),
      ["tools", String(result.tools.length)],
      ...(result.namesRemedy === null
        ? []
        : [["refused names", `${refusedBy(result.refusedNames)}; ${result.namesRemedy}`] as const]),
      ["took", `${result.durationMs} ms`]
    ])
  )
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
  trying((result) =>
    result.outcome === "ok"
      ? table(
          ["tool", "description"],
          result.tools.map((tool) => [tool.name, (tool.description ?? "").split("\n", 1)[0]!.slice(0, 100)]),
          `${result.name} has no tools`
        )
      : `${result.name}: ${result.outcome}${result.reason === null ? "" : `: ${result.reason}`}`
  )
).pipe(Command.withDescription("List the tools a server offers, asked right now (MCPHUB_KEY as for test)"))

const restart = Command.make("restart", { name, user: onlyUser("connections") }, ({ name, user }) =>
  answer(
    (admin) => admin.serverRestart({ name, user }),
    ({ name, sessions, username }) => {
      const whose = username === null ? "" : ` of ${username}`
      return sessions === 0
        ? `No session${whose} had a connection to ${name}`
        : `Restarted ${name} in ${sessions} session${sessions === 1 ? "" : "s"}${whose}; the next request connects anew`
    }
  )
).pipe(
  Command.withDescription(
    "End the connections and child processes of a server at once; the next request opens new ones"
  )
)

export const ServerCommand = Command.make("server").pipe(
  Command.withDescription("List, test and restart the upstream servers"),
  Command.withSubcommands([ls, test, tools, restart])
)
