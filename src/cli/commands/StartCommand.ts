/** `mcphub start`: runs the hub until it is told to stop. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { currentWorkspace } from "../workspace/Workspace.ts"

export const StartCommand = Command.make(
  "start",
  {
    port: Flag.Int("port").pipe(
      Flag.withDescription("Port to listen on, 0 picks a free one (default 3000, or PORT)"),
      Flag.optional
    ),
    host: Flag.String("host").pipe(Flag.withDescription("Address to bind (default 127.0.0.1, or HOST)"), Flag.optional),
    provision: Flag.String("provision").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Apply this file of users, groups, keys and service tokens first"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ host, port, provision }) {
    const workspace = yield* currentWorkspace
    const { runHub } = yield* Effect.promise(() => import("../start/StartHub.ts"))
    return yield* runHub({
      workspace,
      overrides: { PORT: Option.getOrUndefined(port), HOST: Option.getOrUndefined(host) },
      provisionFile: Option.getOrUndefined(provision)
    })
  })
).pipe(
  Command.withDescription(
    "Run the hub. Prints one line on standard output when it serves; logs are JSON lines on standard error. " +
      "SIGTERM or SIGINT drains and stops, a second one stops at once"
  ),
  Command.withShortDescription("Run the hub until it is told to stop"),
  Command.withExamples([
    { command: "mcphub start", description: "On 127.0.0.1:3000 with the embedded database in ./.mcphub" },
    {
      command: "DATABASE_URL=postgres://… mcphub start --host 0.0.0.0",
      description: "On PostgreSQL, reachable from outside"
    },
    { command: "mcphub start --port 0 --provision users.json", description: "On a free port, with these users" }
  ])
)
