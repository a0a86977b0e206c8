/**
 * `mcphub connect …`: the snippet to paste into a client. The key itself is never part of a link or a snippet: the
 * snippets name the place where the client keeps it (an environment variable, or VS Code's password input).
 */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { clients, type ClientName, snippet } from "../../domain/ClientSnippets.ts"
import { asCliFailure } from "../terminal/CliFailure.ts"
import { print } from "../terminal/Output.ts"
import { currentWorkspace } from "../workspace/Workspace.ts"

const url = Flag.String("url").pipe(
  Flag.withDescription(
    "The hub's address as the client sees it (default: the hub running here, or http://127.0.0.1:3000/mcp)"
  ),
  Flag.optional
)

const one = (client: ClientName) =>
  Command.make(
    client,
    { url },
    Effect.fnUntraced(function* ({ url }) {
      const { dataDir } = yield* currentWorkspace
      const { find } = yield* Effect.promise(() => import("../../http/admin/HubFile.ts"))
      const running = Option.map(yield* Effect.mapError(find(dataDir), asCliFailure), (hub) => hub.mcpUrl)
      const address = Option.getOrElse(
        Option.orElse(url, () => running),
        () => "http://127.0.0.1:3000/mcp"
      )
      const made = snippet(client, address)
      yield* print({ client, url: address, ...made }, () =>
        [made.where, "", made.text, ...(made.link === undefined ? [] : ["", "Or open this link:", made.link])].join(
          "\n"
        )
      )
    })
  ).pipe(Command.withDescription(`What to paste into ${clients[client]}`))

export const ConnectCommand = Command.make("connect").pipe(
  Command.withDescription("Print the configuration that connects a client to this hub"),
  Command.withSubcommands([one("claude"), one("cursor"), one("vscode"), one("opencode"), one("gemini"), one("codex")])
)
