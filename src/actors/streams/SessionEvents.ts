/**
 * Messages of a session that belong to no request.
 *
 * Stateful revisions: they go to the session's one stream (GET), which its reader may resume, and wait there while
 * nobody reads; the oldest go first when it is full. A reader that does not resume begins a new stream with what nobody
 * has read, and the newest reader wins. A message is never sent on two streams (MCP `basic/transports`).
 *
 * Stateless revision: every `subscriptions/listen` stream that opted in to a notification gets it, tagged with the
 * stream's own subscription id; what nobody opted in to is dropped (MCP 2026-07-28 `basic/utilities/subscriptions`).
 */
import type { JsonRpcMessage, JsonRpcNotification } from "../../domain/protocol/JsonRpc.ts"
import { textOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import type { EventSink, EventWriter } from "../calls/ClientExchange.ts"
import type { ReplayStream } from "./ReplayStream.ts"
import type { SessionReplay } from "./SessionReplay.ts"

/** What one `subscriptions/listen` opted in to. */
export interface ListenFilter {
  readonly toolsListChanged?: boolean | undefined
  readonly promptsListChanged?: boolean | undefined
  readonly resourcesListChanged?: boolean | undefined
  readonly resourceSubscriptions?: ReadonlyArray<string> | undefined
}

export const asksFor = (filter: ListenFilter, message: JsonRpcNotification): boolean => {
  switch (message.method) {
    case "notifications/tools/list_changed":
      return filter.toolsListChanged === true
    case "notifications/prompts/list_changed":
      return filter.promptsListChanged === true
    case "notifications/resources/list_changed":
      return filter.resourcesListChanged === true
    case "notifications/resources/updated":
      return filter.resourceSubscriptions?.includes(textOrEmpty(message.params?.["uri"])) === true
    default:
      return false
  }
}

export interface SessionEvents {
  readonly publish: (message: JsonRpcMessage) => void
  /** For requests, which must not wait for a reader that may never come: false unless there is one or has been one. */
  readonly ask: (message: JsonRpcMessage) => boolean
  /** Begins a new stream with this reader and what waited; the result detaches it. */
  readonly attach: (writer: EventWriter) => () => void
  /** Adds a stream that hears what its filter asks for; the result removes it. */
  readonly listen: (filter: ListenFilter, sink: EventSink) => () => void
  /** Resources any stream listens to. */
  readonly listenedTo: () => ReadonlySet<string>
  readonly attached: () => boolean
  /** Messages that nobody had read when they went. */
  readonly dropped: () => number
  readonly end: () => void
}

const isListChanged = (message: JsonRpcMessage): message is JsonRpcMessage & { readonly method: string } =>
  "method" in message && message.method.endsWith("/list_changed")

export const make = (era: Era, replay: SessionReplay): SessionEvents => {
  const listeners = new Map<EventSink, ListenFilter>()
  let stream: ReplayStream | undefined
  let everRead = false
  let ended = false

  const send = (message: JsonRpcMessage): void => {
    stream ??= replay.open("session")
    // A list either changed or it did not: one notice of each kind is enough.
    if (!stream.hasReader() && isListChanged(message) && stream.holds(message.method)) return
    stream.send(message)
  }

  return {
    publish: (message) => {
      if (ended) return
      if (era === "stateful") return send(message)
      if ("id" in message || !("method" in message)) return
      for (const [listener, filter] of listeners) if (asksFor(filter, message)) listener.send(message)
    },
    ask: (message) => everRead && !ended && stream !== undefined && stream.send(message),
    attach: (writer) => {
      if (ended) {
        writer.end()
        return () => {}
      }
      const former = stream
      stream = replay.open("session")
      if (former !== undefined) {
        former.moveUnread(stream)
        replay.forget(former)
      }
      everRead = true
      return stream.begin(writer)
    },
    listen: (filter, listener) => {
      listeners.set(listener, filter)
      return () => void listeners.delete(listener)
    },
    listenedTo: () => new Set([...listeners.values()].flatMap((filter) => filter.resourceSubscriptions ?? [])),
    attached: () => stream?.hasReader() === true,
    dropped: () => stream?.dropped() ?? 0,
    end: () => {
      ended = true
      stream?.end()
      for (const listener of listeners.keys()) listener.end()
      listeners.clear()
    }
  }
}
