/**
 * `mcphub token …`: a user's service tokens for the upstream servers. A value comes from standard input or a hidden
 * prompt, never from the command line, where `ps` and the shell's history would show it.
 */
import { Effect, Option, Redacted, Stdio, Stream } from "effect"
import { Argument, Command, Flag, Prompt } from "effect/cli"
import { answer } from "../admin/Answer.ts"
import { CliFailure } from "../terminal/CliFailure.ts"
import type { TokenView } from "../../http/admin/operations/KeyOperations.ts"
import { table } from "../terminal/Output.ts"
import { user } from "../terminal/UserFlag.ts"

const name = Argument.String("name").pipe(Argument.withDescription("Name of the token, e.g. GITHUB_TOKEN"))
const key = Flag.String("key").pipe(
  Flag.withDescription("Id of one key that gets a token of its own (default: the user)"),
  Flag.optional
)

/** One line of piped input without its line end, or hidden input from a terminal. */
const readValue = (name: string) =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    if (yield* stdio.stdinIsTerminal) return yield* Prompt.run(Prompt.Hidden({ message: `Value of ${name}` }))
    const text = yield* stdio.stdin.pipe(Stream.decodeText(), Stream.mkString)
    return Redacted.make(text.replace(/\r?\n$/, ""))
  }).pipe(
    Effect.filterOrFail(
      (value) => Redacted.value(value) !== "",
      () =>
        new CliFailure({
          kind: "NoValue",
          message: `No value for ${name} on standard input; pipe it in, as in \`mcphub token set ${name} --user ada < token.txt\``,
          exitCode: 1
        })
    )
  )

const whose = ({ ofUser, username }: TokenView): string => (ofUser ? username : `one key of ${username}`)

const set = Command.make("set", { name, user, key }, ({ key, name, user }) =>
  Effect.flatMap(readValue(name), (value) =>
    answer(
      (admin) => admin.tokenSet({ user, name, key: Option.getOrNull(key), value: Redacted.value(value) }),
      (token) => `Set ${token.name} of ${whose(token)}`
    )
  )
).pipe(
  Command.withDescription("Set a service token; the value is read from standard input or a hidden prompt"),
  Command.withExamples([
    { command: "mcphub token set GITHUB_TOKEN --user ada < token.txt", description: "From a file" },
    { command: "mcphub token set GITHUB_TOKEN --user ada", description: "Asks for the value without showing it" }
  ])
)

const ls = Command.make("ls", { user }, ({ user }) =>
  answer(
    (admin) => admin.tokenList({ user }),
    (tokens) =>
      table(
        ["name", "keys"],
        tokens.map((token) => [token.name, token.ofUser ? "all" : token.keyIds.join(",")]),
        `No service tokens; set one with \`mcphub token set NAME --user ${user}\``
      )
  )
).pipe(Command.withDescription("List the names of a user's service tokens (never their values)"))

const rm = Command.make("rm", { name, user, key }, ({ key, name, user }) =>
  answer(
    (admin) => admin.tokenRemove({ user, name, key: Option.getOrNull(key) }),
    (token) => `Removed ${token.name} of ${whose(token)}`
  )
).pipe(Command.withDescription("Remove a service token"))

export const TokenCommand = Command.make("token").pipe(
  Command.withDescription("Set, list and remove a user's service tokens"),
  Command.withSubcommands([set, ls, rm])
)
