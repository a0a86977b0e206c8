/**
 * The sessions that hold one shared connection, and what each of them hears of it: everything that concerns the server
 * as a whole, and changes of a resource only who asked for that resource. Toward the server the holders are one: it is
 * subscribed to the union of what they want, and a resource is given up when the last of them has no more use for it.
 *
 * A question that comes with no call is for one person, and whose call prompted it cannot be known: it is put to the only
 * session of the only user there can be, or to nobody, and then the server hears that. A log line may speak of any user's
 * call, over HTTP too, where the official SDK logs on the session's stream what a tool has to say: where several users
 * hold the connection, nobody hears a line that names no call.
 */
import { Effect, type Scope } from "effect"
import { textOrEmpty } from "../../../domain/protocol/JsonObjects.ts"
import { Standing } from "../../../domain/identity/Standing.ts"
import { rpcCodes } from "../../../domain/protocol/ErrorCodes.ts"
import { failure, type JsonObject, type JsonRpcResponse, success } from "../../../domain/protocol/JsonRpc.ts"
import {
  type CallContext,
  type UpstreamCall,
  type UpstreamConnection,
  type UpstreamMessage,
  withParts
} from "../connection/UpstreamConnection.ts"

export type Listener = (message: UpstreamMessage) => void

interface Holder {
  readonly hear: Listener
  uris: ReadonlySet<string>
}

export interface SharedHolders {
  /** What the connection delivers its messages to. */
  readonly onMessage: Listener
  /** The connection as one holder uses it, until the caller's scope closes. */
  readonly hold: (
    connection: UpstreamConnection,
    hear: Listener,
    context: CallContext
  ) => Effect.Effect<UpstreamConnection, never, Scope.Scope>
  readonly count: () => number
}

/**
 * What the hub sends on its own account over a connection of several users goes on when the key of whoever opened it, or
 * leaves it, has ended: it carries nothing of theirs (`context` is nobody's there).
 */
export const ofNoKey = (context: CallContext): CallContext => ({
  ...context,
  waits: undefined,
  principal: { ...context.principal, standing: Standing.ofNoKey }
})

export interface HoldersOptions {
  /** Whether all holders are sessions of one user. */
  readonly oneUser: boolean
  /** Something for one user came, and nobody can know for which: nobody gets it. */
  readonly onUnattributed: (message: UpstreamMessage) => void
  /** Answers the server in the holders' place. */
  readonly answer: (response: JsonRpcResponse) => void
}

const notAsked = {
  code: rpcCodes.methodNotFound,
  message: "Several sessions share this connection; ask on the stream of the request it is about"
}

/** Milliseconds for giving up, on leaving, what nobody else wants to hear of. */
const leaveMs = 2_000

const uriOf = (params: JsonObject | undefined): string => textOrEmpty(params?.["uri"])

/** May be about a call, of which they show something. */
const aboutCalls: ReadonlySet<string> = new Set(["notifications/message", "notifications/elicitation/complete"])

export const make = (options: HoldersOptions): SharedHolders => {
  const { answer, onUnattributed, oneUser } = options

  const holders = new Set<Holder>()

  const union = (): ReadonlyArray<string> => [...new Set([...holders].flatMap(({ uris }) => [...uris]))]

  const isWanted = (uri: string): boolean => [...holders].some(({ uris }) => uris.has(uri))

  const onMessage: Listener = (message) => {
    if ("id" in message) {
      if (message.method === "ping") return answer(success(message.id, {}))
      const [only, ...others] = holders
      if (oneUser && only !== undefined && others.length === 0) return only.hear(message)
      onUnattributed(message)
      return answer(failure(message.id, notAsked))
    }
    if (!oneUser && aboutCalls.has(message.method)) return onUnattributed(message)
    const isUpdate = message.method === "notifications/resources/updated"
    for (const holder of holders) {
      if (!isUpdate || holder.uris.has(uriOf(message.params))) holder.hear(message)
    }
  }

  const without = (uris: ReadonlySet<string>, uri: string): ReadonlySet<string> =>
    new Set([...uris].filter((other) => other !== uri))

  /** A stateful server is told of one resource at a time, and once for all holders that it is no longer wanted. */
  const subscribing = (connection: UpstreamConnection, holder: Holder, call: UpstreamCall) => {
    const uri = uriOf(call.params)
    if (call.method === "resources/subscribe") {
      return Effect.suspend(() => {
        const before = holder.uris
        // Before the answer: an update may overtake it.
        holder.uris = new Set([...before, uri])
        return Effect.tapError(connection.request(call), () =>
          Effect.sync(() => {
            // Others may have come since.
            if (!before.has(uri)) holder.uris = without(holder.uris, uri)
          })
        )
      })
    }
    return Effect.suspend(() => {
      holder.uris = without(holder.uris, uri)
      return isWanted(uri) ? Effect.succeed({}) : connection.request(call)
    })
  }

  const leave = (connection: UpstreamConnection, holder: Holder, context: CallContext): Effect.Effect<void> =>
    Effect.suspend(() => {
      holders.delete(holder)
      const unwanted = [...holder.uris].filter((uri) => !isWanted(uri))
      if (unwanted.length === 0 || holders.size === 0) return Effect.void
      if (connection.listen !== undefined) return Effect.ignore(connection.listen(union(), context))
      return Effect.forEach(
        unwanted,
        (uri) =>
          Effect.ignore(
            connection.request({
              method: "resources/unsubscribe",
              params: { uri },
              context,
              own: true,
              onMessage: () => {}
            })
          ),
        { concurrency: "unbounded", discard: true }
      )
    }).pipe(Effect.interruptible, Effect.timeoutOption(leaveMs), Effect.asVoid)

  const hold: SharedHolders["hold"] = Effect.fnUntraced(function* (connection, hear, context) {
    const holder: Holder = { hear, uris: new Set() }
    yield* Effect.acquireRelease(
      Effect.sync(() => void holders.add(holder)),
      () => leave(connection, holder, options.oneUser ? context : ofNoKey(context))
    )
    const { listen } = connection
    return withParts(connection, {
      request: (call) =>
        call.method === "resources/subscribe" || call.method === "resources/unsubscribe"
          ? subscribing(connection, holder, call)
          : connection.request(call),
      listen:
        listen === undefined
          ? undefined
          : (uris, by) =>
              Effect.suspend(() => {
                const before = holder.uris
                holder.uris = new Set(uris)
                return Effect.tapError(listen(union(), by), () => Effect.sync(() => void (holder.uris = before)))
              })
    })
  })

  return { onMessage, hold, count: () => holders.size }
}
