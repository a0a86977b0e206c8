/** `mcphub request …`: the requests in flight in a running hub. */
import { Argument, Command } from "effect/cli"
import { answer } from "../admin/Answer.ts"
import type { RequestView, WhyView } from "../../http/admin/operations/LiveOperations.ts"
import { table } from "../terminal/Output.ts"
import { onlyUser } from "../terminal/UserFlag.ts"

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** Where a request waits, in a few words. */
const whyText = ({ forMs, heardMs, kind, server, stage, until }: WhyView): string => {
  const at = server ?? "a server"
  switch (kind) {
    case "hub":
      return "in the hub"
    case "share":
      return `for its user's share, ${seconds(forMs)}`
    case "server-place":
      return `for a place for the process of ${at}, ${seconds(forMs)}`
    case "connection":
      return `for the connection to ${at}${stage === null ? "" : ` (${stage})`}, ${seconds(forMs)}`
    case "retry-after":
      return `${at} asked to be left alone${until === null ? "" : ` until ${until.slice(11, 19)}Z`}`
    case "breaker":
      return `${at} failed too often and is being tried, ${seconds(forMs)}`
    case "server":
      return `for ${at}, ${seconds(forMs)}${heardMs === null ? "" : `, heard of ${seconds(heardMs)} ago`}`
    case "client-answer":
      return `for the client's answer, ${seconds(forMs)}`
  }
}

export const requestTable = (requests: ReadonlyArray<RequestView>): string =>
  table(
    ["user", "method", "server", "target", "age", "waits", "request"],
    requests.map((one) => [
      one.username,
      one.method,
      one.server ?? "-",
      one.target ?? "-",
      seconds(one.ageMs),
      whyText(one.why),
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
