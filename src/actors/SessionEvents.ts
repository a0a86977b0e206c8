/**
 * Messages of a session that belong to no request.
 *
 * Stateful revisions: they go to the session's one GET stream, newest stream wins, and wait in a bounded buffer while
 * none is attached; the oldest go first when the buffer is full, and are counted. A message is never sent on two
 * streams (MCP `basic/transports`).
 *
 * Stateless revision: every `subscriptions/listen` stream that opted in to a notification gets it, tagged with the
 * stream's own subscription id; what nobody opted in to is dropped (MCP 2026-07-28 `basic/utilities/subscriptions`).
 */
import type { JsonRpcMessage, JsonRpcNotification } from "../domain/protocol/JsonRpc.ts"
import type { Era } from "../domain/protocol/Versions.ts"
import type { EventSink } from "./ClientExchange.ts"

const capacity = 256

/** What one `subscriptions/listen` opted in to. */
export interface ListenFilter {
  readonly toolsListChanged?: boolean | undefined
  readonly promptsListChanged?: boolean | undefined
  readonly resourcesListChanged?: boolean | undefined
  readonly resourceSubscriptions?: ReadonlyArray<string> | undefined
}

export const admits = (filter: ListenFilter, message: JsonRpcNotification): boolean => {
  switch (message.method) {
    case "notifications/tools/list_changed":
      return filter.toolsListChanged === true
    case "notifications/prompts/list_changed":
      return filter.promptsListChanged === true
    case "notifications/resources/list_changed":
      return filter.resourcesListChanged === true
    case "notifications/resources/updated":
      return filter.resourceSubscriptions?.includes(String(message.params?.["uri"])) === true
    default:
      return false
  }
}

export interface SessionEvents {
  readonly publish: (message: JsonRpcMessage) => void
  /** Sends now or not at all: for requests, which must not wait for a stream that may never come. */
  readonly sendNow: (message: JsonRpcMessage) => boolean
  /** Makes this the session's stream and sends what waited; the result detaches it. */
  readonly attach: (sink: EventSink) => () => void
  /** Adds a stream that hears what its filter admits; the result removes it. */
  readonly listen: (filter: ListenFilter, sink: EventSink) => () => void
  /** Resources any stream listens to. */
  readonly listenedTo: () => ReadonlySet<string>
  readonly attached: () => boolean
  readonly dropped: () => number
  readonly end: () => void
}

const isListChanged = (message: JsonRpcMessage): message is JsonRpcMessage & { readonly method: string } =>
  "method" in message && message.method.endsWith("/list_changed")

export const make = (era: Era): SessionEvents => {
  const listeners = new Map<EventSink, ListenFilter>()
  let sink: EventSink | undefined
  let waiting: Array<JsonRpcMessage> = []
  let dropped = 0

  const hold = (message: JsonRpcMessage): void => {
    // A list either changed or it did not: one notice of each kind is enough.
    if (isListChanged(message) && waiting.some((other) => isListChanged(other) && other.method === message.method))
      return
    if (waiting.length >= capacity) {
      waiting.shift()
      dropped++
    }
    waiting.push(message)
  }

  return {
    publish: (message) => {
      if (era === "stateless") {
        if ("id" in message || !("method" in message)) return
        for (const [listener, filter] of listeners) if (admits(filter, message)) listener.send(message)
        return
      }
      if (sink === undefined || !sink.send(message)) hold(message)
    },
    sendNow: (message) => sink?.send(message) ?? false,
    attach: (next) => {
      sink?.end()
      sink = next
      const backlog = waiting
      waiting = []
      for (const message of backlog) if (!next.send(message)) hold(message)
      return () => {
        if (sink === next) sink = undefined
      }
    },
    listen: (filter, listener) => {
      listeners.set(listener, filter)
      return () => void listeners.delete(listener)
    },
    listenedTo: () => new Set([...listeners.values()].flatMap((filter) => filter.resourceSubscriptions ?? [])),
    attached: () => sink !== undefined,
    dropped: () => dropped,
    end: () => {
      sink?.end()
      sink = undefined
      waiting = []
      for (const listener of listeners.keys()) listener.end()
      listeners.clear()
    }
  }
}
