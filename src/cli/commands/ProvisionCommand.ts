/** `mcphub provision FILE`: users as code, idempotent, all or nothing. */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { answer } from "../admin/Answer.ts"
import { readProvisionFile, provisionReport } from "../workspace/ProvisionFile.ts"

export const ProvisionCommand = Command.make(
  "provision",
  {
    file: Argument.String("file").pipe(Argument.withDescription("JSON file of users, groups, keys and service tokens"))
  },
  Effect.fnUntraced(function* ({ file }) {
    const text = yield* readProvisionFile(file)
    yield* answer((admin) => admin.provision({ file, text }), provisionReport)
  })
).pipe(
  Command.withDescription("Apply a file of users, groups, keys and service tokens: all of it or nothing"),
  Command.withExamples([{ command: "mcphub provision users.json", description: "May be run again at any time" }])
)
