/**
 * Every open event stream of the hub: written as server-sent events, kept alive by a comment every 15 s so that proxies
 * do not close them, counted for the gauge.
 *
 * Source: HTML Living Standard, server-sent events; MCP `basic/transports`.
 */
import { Context, Effect, Layer, Schedule } from "effect"
import type { JsonRpcMessage } from "../domain/protocol/JsonRpc.ts"
import type { WireReply, WireHeaders } from "./Wire.ts"

export interface EventStream {
  readonly send: (message: JsonRpcMessage) => boolean
  /** Sends JSON text that is known to be one line. */
  readonly sendText: (json: string) => boolean
  readonly end: () => void
}

const keepAliveEvery = "15 seconds"

export class EventStreams extends Context.Service<
  EventStreams,
  {
    /** Headers and a comment leave at once. `onClosed` runs once, when either side has ended the stream. */
    readonly open: (reply: WireReply, headers: WireHeaders | undefined, onClosed: () => void) => EventStream
    readonly count: () => number
  }
>()("mcphub/http/EventStreams") {
  static readonly layer = Layer.effect(
    EventStreams,
    Effect.gen(function* () {
      const open = new Set<(text: string) => boolean>()

      yield* Effect.sync(() => {
        for (const write of open) write(": keep-alive\n\n")
      }).pipe(Effect.repeat(Schedule.spaced(keepAliveEvery)), Effect.forkScoped)

      return EventStreams.of({
        count: () => open.size,
        open: (reply, headers, onClosed) => {
          const stream = reply.stream(headers)
          let closed = false
          const finish = (): void => {
            if (closed) return
            closed = true
            open.delete(write)
            onClosed()
          }
          const write = (text: string): boolean => {
            if (closed) return false
            if (stream.write(text)) return true
            finish()
            return false
          }
          open.add(write)
          reply.onAbort(finish)
          write(": open\n\n")
          return {
            send: (message) => write(`event: message\ndata: ${JSON.stringify(message)}\n\n`),
            sendText: (json) => write(`event: message\ndata: ${json}\n\n`),
            end: () => {
              if (closed) return
              stream.end()
              finish()
            }
          }
        }
      })
    })
  )
}
