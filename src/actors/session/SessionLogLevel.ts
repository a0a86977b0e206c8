/**
 * The level at which upstream servers log for this session. A stateful client sets one level for all its servers, also
 * for those that connect later; a stateless one names a level with each request, and the hub tells it to a stateful
 * server that was told less before. To a stateless server each request names the level, whatever the client is.
 */
import { Effect } from "effect"
import { type LogLevel, lowest } from "../../domain/protocol/LogLevels.ts"
import type { Call } from "../calls/Call.ts"
import type { SessionMemory } from "./SessionMemory.ts"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import type { ServerOverloaded, UpstreamErrorResponse } from "../../domain/requests/UpstreamErrors.ts"

export interface SessionLogLevel {
  /**
   * `logging/setLevel` of the client: fails with a server's refusal, or for want of a place at one; a server out of reach
   * is passed over.
   */
  readonly set: (level: string, context: CallContext) => Effect.Effect<void, UpstreamErrorResponse | ServerOverloaded>
  /** What a stateful client has set. */
  readonly chosen: () => string | undefined
  /** Tells a fresh connection. */
  readonly onOpen: (connection: UpstreamConnection, context: CallContext) => Effect.Effect<void>
  /** A stateful upstream hears of a level once, and of a lower one when a request wants more. */
  readonly want: (call: Call, connection: UpstreamConnection, level: LogLevel) => Effect.Effect<void>
}

export interface LogLevelOptions {
  /** Holds what a stateful client has set. */
  readonly memory: SessionMemory
  readonly live: () => Iterable<UpstreamConnection>
  readonly onSessionMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
}

/** Whether a server is told the level by a request of its own. */
const logs = ({ era, info }: UpstreamConnection): boolean => era === "stateful" && "logging" in info.capabilities

export const make = (options: LogLevelOptions): SessionLogLevel => {
  const { memory } = options
  /** The level last set on a stateful connection on behalf of stateless requests. */
  const levels = new WeakMap<UpstreamConnection, LogLevel>()

  const tell = (connection: UpstreamConnection, level: string, context: CallContext, own = false) => {
    const onMessage = (message: UpstreamMessage): void => options.onSessionMessage(connection.server, message, context)
    return connection.request({ method: "logging/setLevel", params: { level }, context, own, onMessage })
  }

  return {
    set: Effect.fnUntraced(function* (level, context) {
      memory.setLogLevel(level)
      const refusals = yield* Effect.forEach(
        [...options.live()].filter(logs),
        (connection) => tell(connection, level, context).pipe(Effect.as(undefined), Effect.catch(Effect.succeed)),
        { concurrency: "unbounded" }
      )
      const refusal = refusals.find(
        (error) => error?._tag === "UpstreamErrorResponse" || error?._tag === "ServerOverloaded"
      )
      if (refusal !== undefined) return yield* refusal
    }),
    chosen: memory.logLevel,
    onOpen: (connection, context) => {
      const level = memory.logLevel()
      return level === undefined || !logs(connection)
        ? Effect.void
        : Effect.ignore(
            connection.request({
              method: "logging/setLevel",
              params: { level },
              context,
              own: true,
              onMessage: () => {}
            })
          )
    },
    want: (call, connection, level) => {
      const known = levels.get(connection)
      if (!logs(connection)) return Effect.void
      if (known !== undefined && lowest([known, level]) === known) return Effect.void
      levels.set(connection, level)
      return Effect.ignore(tell(connection, level, call.context, true))
    }
  }
}
