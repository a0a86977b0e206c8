/** `mcphub request …`: the requests in flight in a running hub. */
import { Argument, Command } from "effect/cli"
import { answer } from "../admin/Answer.ts"
import type { RequestView } from "../../http/admin/operations/LiveOperations.ts"
import { table } from "../terminal/Output.ts"
import { onlyUser } from "../terminal/UserFlag.ts"

export const requestTable = (requests: ReadonlyArray<RequestView>): string =>
  table(
    ["user", "method", "server", "target", "age", "request"],
    requests.map((one) => [
      one.username,
      one.method,
      one.server ?? "-",
      one.target ?? "-",
      `${(one.ageMs / 1000).toFixed(1)} s`,
      one.requestId
    ]),
    "Nothing in flight"
  )

const ls = Command.make("ls", { user: onlyUser("requests") }, ({ user }) =>
  answer((admin) => admin.requestList({ user }), requestTable)
).pipe(Command.withDescription("List requests in flight"))

const cancel = Command.make(
  "cancel",
  { id: Argument.String("id").pipe(Argument.withDescription("Id of the request, see `mcphub request ls`")) },
  ({ id }) =>
    answer(
      (admin) => admin.requestCancel({ requestId: id }),
      (request) => `Cancelled ${request.method} of ${request.username}`
    )
).pipe(Command.withDescription("Cancel a request; its upstream is told"))

export const RequestCommand = Command.make("request").pipe(
  Command.withDescription("List and cancel requests in flight"),
  Command.withSubcommands([ls, cancel])
)
