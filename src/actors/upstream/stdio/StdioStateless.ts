/**
 * The connection to a child process that speaks revision 2026-07-28: the calls of `StdioConnection`, each saying all
 * about itself, and one subscription. A cancellation is told to the child, as in the other revisions: there is no
 * stream to close.
 *
 * Source: MCP 2026-07-28 `basic/transports` (stdio), `basic/utilities/cancellation`.
 */
import { Deferred, Effect } from "effect"
import { checked } from "../era/StatelessResult.ts"
import type { StdioConnection } from "./StdioConnection.ts"
import type {
  CallContext,
  UpstreamConnection,
  UpstreamInfo,
  UpstreamMessage
} from "../connection/UpstreamConnection.ts"
import * as UpstreamListen from "../era/UpstreamListen.ts"

export interface StdioStatelessOptions {
  readonly server: string
  readonly context: CallContext
  readonly info: UpstreamInfo
  readonly connection: StdioConnection
  readonly closed: Deferred.Deferred<string>
  readonly onMessage: (message: UpstreamMessage) => void
  readonly lastWords: UpstreamConnection["lastWords"]
}

export const make = Effect.fnUntraced(function* (options: StdioStatelessOptions) {
  const { closed, connection, info, lastWords, onMessage, server } = options
  const listen = yield* UpstreamListen.make({
    server,
    capabilities: info.capabilities,
    send: connection.request,
    onMessage,
    context: () => options.context
  })
  yield* listen([], options.context).pipe(Effect.ignore, Effect.forkScoped({ startImmediately: true }))
  return {
    server,
    era: "stateless",
    info,
    // A process of its own keeps what it likes.
    stateful: true,
    request: (call) => Effect.flatMap(connection.request(call), checked(server)),
    // A client tells nothing but cancellations in this revision, and those by interrupting the call.
    notify: () => Effect.void,
    respond: () => Effect.void,
    listen,
    closed: Deferred.await(closed),
    lastWords
  } satisfies UpstreamConnection
})
