/**
 * `mcphub connect …`: connects a client to this hub, by a snippet to paste or, with `--write`, in the client's own file
 * after its user has seen what changes. The key itself is never part of a link, a snippet or a file: they name the place
 * where the client keeps it (an environment variable, or VS Code's password input).
 */
import { Console, Effect, Option, Path, Stdio } from "effect"
import { Command, Flag, Prompt } from "effect/cli"
import { homedir } from "node:os"
import { editForeign } from "../../domain/settings/ForeignEdits.ts"
import { type ClientEntry, entries, type WritableClient } from "../../domain/ClientEntries.ts"
import { clients, snippet } from "../../domain/ClientSnippets.ts"
import { asCliFailure, CliFailure } from "../terminal/CliFailure.ts"
import { JsonFlag } from "../terminal/GlobalFlags.ts"
import { print } from "../terminal/Output.ts"
import { textDiff } from "../terminal/TextDiff.ts"
import { readWhole, replaceWhole } from "../workspace/ReplacedFile.ts"
import { currentWorkspace } from "../workspace/Workspace.ts"

const flags = {
  url: Flag.String("url").pipe(
    Flag.withDescription(
      "The hub's address as the client sees it (default: the hub running here, or http://127.0.0.1:3000/mcp)"
    ),
    Flag.optional
  ),
  write: Flag.Boolean("write").pipe(
    Flag.withDescription("Write it into the client's file, after showing what changes and asking"),
    Flag.withDefault(false)
  ),
  file: Flag.String("file").pipe(
    Flag.withDescription("The client's file, with --write; its usual place when absent"),
    Flag.optional
  ),
  yes: Flag.Boolean("yes").pipe(Flag.withDescription("With --write: do not ask"), Flag.withDefault(false))
}

const failure = (kind: string, message: string, exitCode: 1 | 2 = 2) => new CliFailure({ kind, message, exitCode })

const attempt = <A>(run: () => A) =>
  Effect.try({ try: run, catch: (cause) => failure("ConnectFailed", (cause as Error).message) })

/** What a key looks like: an entry made by hand may hold one. */
const withoutKeys = (text: string): string => text.replaceAll(/mcphub_[0-9a-f]{64}/g, "mcphub_…")

/** An address for clients, which is stored in clear wherever it goes. */
const asAddress = (text: string) => {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return Effect.fail(failure("WrongUse", "--url is no address; give one such as https://hub.example.com/mcp", 1))
  }
  return url.searchParams.has("key") || url.username + url.password !== "" || withoutKeys(text) !== text
    ? Effect.fail(
        failure("WrongUse", "--url holds a key or password; give it without, the client gets the key elsewhere", 1)
      )
    : Effect.succeed(text)
}

/** The named file, or the first of the usual places that is there. */
const fileOf = Effect.fnUntraced(function* ({ files }: ClientEntry, given: Option.Option<string>) {
  const paths = yield* Path.Path
  if (Option.isSome(given)) return paths.resolve(given.value)
  const usual = files.map((file) =>
    file.startsWith("~/") ? paths.join(homedir(), file.slice(2)) : paths.resolve(file)
  )
  const texts = yield* attempt(() => usual.map((file) => [file, readWhole(file)] as const))
  return (texts.find(([, text]) => text !== "") ?? texts[0]!)[0]
})

/** Whether the user wants it; without a terminal nobody can be asked. */
const isWanted = Effect.fnUntraced(function* (file: string, shown: string, yes: boolean) {
  if (yes) return true
  const asks = (yield* Effect.flatMap(Stdio.Stdio, ({ stdinIsTerminal }) => stdinIsTerminal)) && !(yield* JsonFlag)
  if (asks) return yield* Prompt.run(Prompt.Confirm({ message: `Write this into ${file}?` }))
  return yield* failure("NotConfirmed", `Nothing was written to ${file}; add --yes to write this:\n${shown}`, 1)
})

const write = Effect.fnUntraced(function* (
  client: WritableClient,
  address: string,
  options: { readonly file: Option.Option<string>; readonly yes: boolean }
) {
  const entry: ClientEntry = entries[client]
  const file = yield* fileOf(entry, options.file)
  const before = yield* attempt(() => readWhole(file))
  const after = yield* Effect.mapError(editForeign(entry.syntax, before, entry.changes(address)), ({ message }) =>
    failure("ConnectFailed", `${file}: ${message}; nothing was written`)
  )
  const changes = after !== before
  const shown = withoutKeys(textDiff(before, after))
  if (changes && !options.yes && !(yield* JsonFlag)) yield* print({}, () => `${file}\n${shown}\n`)
  const written = changes && (yield* isWanted(file, shown, options.yes))
  if (written) yield* attempt(() => replaceWhole(file, before, after))
  yield* print({ client, url: address, file, changes, written, diff: shown }, () =>
    !changes
      ? `${file} has this hub already. ${entry.afterwards}.`
      : written
        ? `${options.yes ? `${shown}\n\n` : ""}${file} is written. ${entry.afterwards}.`
        : `${file} is as it was.`
  )
})

const one = (client: WritableClient) =>
  Command.make(
    client,
    flags,
    Effect.fnUntraced(function* ({ file, url, write: writes, yes }) {
      const { dataDir } = yield* currentWorkspace
      const { find } = yield* Effect.promise(() => import("../../http/admin/HubFile.ts"))
      const running = Option.map(yield* Effect.mapError(find(dataDir), asCliFailure), (hub) => hub.mcpUrl)
      const address = yield* Option.match(url, {
        onNone: () => Effect.succeed(Option.getOrElse(running, () => "http://127.0.0.1:3000/mcp")),
        onSome: asAddress
      })
      if (writes) return yield* write(client, address, { file, yes })
      if (yes || Option.isSome(file)) yield* Console.error("--yes and --file count only with --write")
      const made = snippet(client, address)
      yield* print({ client, url: address, ...made }, () =>
        [made.where, "", made.text, ...(made.link === undefined ? [] : ["", "Or open this link:", made.link])].join(
          "\n"
        )
      )
    })
  ).pipe(Command.withDescription(`Connect ${clients[client]}: ${entries[client].files[0]} with --write`))

export const ConnectCommand = Command.make("connect").pipe(
  Command.withDescription("Connect a client to this hub: print what to paste, or write it into the client's file"),
  Command.withSubcommands([one("claude"), one("cursor"), one("vscode"), one("opencode"), one("gemini"), one("codex")]),
  Command.withExamples([
    { command: "mcphub connect vscode", description: "What to paste" },
    { command: "mcphub connect cursor --write", description: "See what changes in ~/.cursor/mcp.json, and write it" }
  ])
)
