/**
 * Sends on what upstream servers say beside their answers: to the POST of the call it came with, to the session's event
 * stream, or, for a question, to the client and back to the very connection that asked.
 */
import { Effect } from "effect"
import {
  failure,
  type JsonObject,
  type JsonRpcRequest,
  type JsonRpcResponse,
  notification,
  success
} from "../../domain/protocol/JsonRpc.ts"
import { type CarriedJson, carriedInAnswer } from "../../domain/protocol/json/CarriedJson.ts"
import { textOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import { isLogLevel, type LogLevel, passes } from "../../domain/protocol/LogLevels.ts"
import { type ListKind, listKinds, lists } from "../../domain/protocol/Methods.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import type { Call } from "../calls/Call.ts"
import { type ClientQuestions, undeclared } from "../calls/ClientQuestions.ts"
import type { SessionBackground } from "./SessionBackground.ts"
import type { SessionEvents } from "../streams/SessionEvents.ts"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"

export interface SessionMessages {
  /** A message that belongs to a call. */
  readonly ofCall: (call: Call, connection: UpstreamConnection, message: UpstreamMessage) => void
  /** A message that concerns the session rather than one request. */
  readonly ofSession: (server: string, message: UpstreamMessage, context: CallContext) => void
  /**
   * The hub's own word to whoever made the call, where the client wants to hear of this level. `where it listens`: it is
   * not worth making a stream of the answer.
   */
  readonly say: (call: Call, level: LogLevel, text: string, how?: "where it listens") => void
  /** Tells the client that a list has changed. */
  readonly announce: (kind: ListKind) => void
}

export interface MessageOptions {
  readonly era: Era
  readonly events: SessionEvents
  readonly questions: ClientQuestions
  readonly background: SessionBackground
  /** The connection that stands with a server at this moment. */
  readonly connection: (server: string) => UpstreamConnection | undefined
  /** Lets a call in flight ask on behalf of the session, see `EraBridge.attribute`. */
  readonly attribute: (server: string, message: JsonRpcRequest) => boolean
  /** A server has said that these lists are others now. */
  readonly changed: (server: string, kinds: ReadonlyArray<ListKind>) => void
  /** What a stateful client has set. */
  readonly logLevel: () => string | undefined
  /** What the client calls a resource it wants to hear of, see `ResourceSubscriptions`. */
  readonly resourceNames: (server: string, uri: string) => Iterable<string>
}

/** Answers to servers that are under way at once in a session. */
const maxReplies = 256

export const make = (options: MessageOptions): SessionMessages => {
  const { background, era, events, questions } = options
  let replies = 0

  /**
   * In the background, since the one who answers waits for nothing; a server that asks without end is left unanswered.
   * What is carried is let go of once it has been sent, or cannot be.
   */
  const send = (sent: Effect.Effect<unknown, unknown>, carried?: CarriedJson): void => {
    if (replies >= maxReplies) return
    const begin = Effect.sync(() => {
      replies++
      if (carried !== undefined) carried.isTaken = true
    })
    const end = Effect.sync(() => {
      replies--
      carried?.release()
    })
    background.run(
      Effect.acquireUseRelease(
        begin,
        () => sent,
        () => end
      )
    )
  }

  /** The way back to the upstream that asks, if its connection still stands when the client answers. */
  const answering = (connection: () => UpstreamConnection | undefined, context: CallContext) => ({
    reply: (response: JsonRpcResponse): void => {
      const asking = connection()
      if (asking !== undefined) send(asking.respond(response, context), carriedInAnswer(response))
    },
    progress: (params: JsonObject): void => {
      const asking = connection()
      if (asking !== undefined) send(asking.notify("notifications/progress", params, context))
    }
  })

  const ofSession: SessionMessages["ofSession"] = (server, message, context) => {
    if ("id" in message) {
      const way = answering(() => options.connection(server), context)
      // Whether the hub is there is no question to the client, whose revision may know no ping.
      if (message.method === "ping") return way.reply(success(message.id, {}))
      if (era === "stateless") {
        if (options.attribute(server, message)) return
        // Outside of a request there is no way to ask a stateless client.
        return way.reply(failure(message.id, undeclared(message.method)))
      }
      return questions.ask(server, message, { ...way, send: events.ask })
    }
    switch (message.method) {
      case "notifications/progress":
        // Progress of a call that has ended.
        return
      case "notifications/cancelled":
        return questions.withdraw(server, message.params)
      case "notifications/resources/updated":
        // In the client's words: behind several servers the same URI may be another resource at each of them.
        for (const uri of options.resourceNames(server, textOrEmpty(message.params?.["uri"]))) {
          events.publish({ ...message, params: { ...message.params, uri } })
        }
        return
      default: {
        const stale = listKinds.filter((kind) => lists[kind].changed === message.method)
        if (stale.length > 0) options.changed(server, stale)
        events.publish(message)
      }
    }
  }

  const ofCall: SessionMessages["ofCall"] = (call, connection, message) => {
    if ("id" in message) {
      const way = answering(() => connection, call.context)
      if (message.method === "ping") return way.reply(success(message.id, {}))
      // A stateless client is asked by `input_required` alone, see EraBridge.
      if (era === "stateless") return way.reply(failure(message.id, undeclared(message.method)))
      return questions.ask(connection.server, message, {
        ...way,
        record: call.record,
        send: (outgoing) => call.exchange.send(outgoing) || events.ask(outgoing)
      })
    }
    call.record.heard()
    if (message.method === "notifications/progress") return void call.exchange.send(message)
    if (message.method === "notifications/message") {
      const wanted =
        era === "stateful" ||
        (call.said?.logLevel !== undefined && passes(message.params?.["level"], call.said.logLevel))
      if (wanted) call.exchange.send(message)
      return
    }
    ofSession(connection.server, message, call.context)
  }

  /** A stateful client that has set no level leaves it to the hub. */
  const wants = (call: Call, level: LogLevel): boolean => {
    if (era === "stateless") return passes(level, call.said?.logLevel)
    const chosen = options.logLevel()
    return !isLogLevel(chosen) || passes(level, chosen)
  }

  const say: SessionMessages["say"] = (call, level, data, how) => {
    if (!wants(call, level) || (how !== undefined && era === "stateful" && !events.attached())) return
    const message = notification("notifications/message", { level, logger: "mcphub", data })
    // A stream that stands needs no other to be opened for it.
    if (era === "stateless" || !events.attached()) call.exchange.send(message)
    else events.publish(message)
  }

  return {
    ofCall,
    ofSession,
    say,
    announce: (kind) => events.publish({ jsonrpc: "2.0", method: lists[kind].changed })
  }
}
