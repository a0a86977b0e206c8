/** `mcphub request …`: what is in flight in a running hub. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { withAdmin } from "../Admin.ts"
import type { RequestView } from "../operations/LiveOperations.ts"
import { print, table } from "../Output.ts"

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

const ls = Command.make(
  "ls",
  { user: Flag.String("user").pipe(Flag.withDescription("Only this user's requests"), Flag.optional) },
  ({ user }) =>
    withAdmin((admin) =>
      Effect.gen(function* () {
        const requests = yield* admin.requestList({ user: Option.getOrNull(user) })
        yield* print(requests, () => requestTable(requests))
      })
    )
).pipe(Command.withDescription("List requests in flight"))

const cancel = Command.make(
  "cancel",
  { id: Argument.String("id").pipe(Argument.withDescription("Id of the request, see `mcphub request ls`")) },
  ({ id }) =>
    withAdmin((admin) =>
      Effect.gen(function* () {
        const request = yield* admin.requestCancel({ requestId: id })
        yield* print(request, () => `Cancelled ${request.method} of ${request.username}`)
      })
    )
).pipe(Command.withDescription("Cancel a request; its upstream is told"))

export const RequestCommand = Command.make("request").pipe(
  Command.withDescription("List and cancel requests in flight"),
  Command.withSubcommands([ls, cancel])
)
