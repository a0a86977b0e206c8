/**
 * One user session: the scope that owns everything the session touches — its requests (fibers), its conversations with
 * upstream servers, its event stream, its lists. Ending the session, for whatever reason, is closing that scope.
 *
 * There is no mailbox: requests run concurrently, each a fiber of its own, and a defect fails that one request. The wire
 * calls `request`, `notify`, `answer` and `attach`; answers leave through the `ClientExchange` of the POST they came by,
 * so two requests with the same JSON-RPC id never meet.
 */
import { Cause, Clock, Effect, Exit, FiberSet, Option, type Scope } from "effect"
import { HubConfig } from "../domain/HubConfig.ts"
import type { RequestId, SessionId, WireSessionId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import {
  failure,
  type JsonObject,
  type JsonRpcId,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse
} from "../domain/protocol/JsonRpc.ts"
import { passes } from "../domain/protocol/LogLevels.ts"
import { eraOf } from "../domain/protocol/Versions.ts"
import { type ListKind, listKinds, lists as listMethods } from "../domain/protocol/Methods.ts"
import { Telemetry, type TracedRequest } from "../domain/Telemetry.ts"
import { userSessionId } from "../domain/UserSessionId.ts"
import * as Catalog from "./Catalog.ts"
import type { ClientExchange, EventSink } from "./ClientExchange.ts"
import * as EraBridge from "./EraBridge.ts"
import * as ParkedCalls from "./ParkedCalls.ts"
import * as RequestStates from "./RequestStates.ts"
import * as ClientRequests from "./ClientRequests.ts"
import { errorRow } from "./RequestErrorCodes.ts"
import { UserOverloaded, type RequestError } from "./RequestErrors.ts"
import { type RequestRecord, RequestTracker, SessionClosed } from "./RequestTracker.ts"
import * as ServerLists from "./ServerLists.ts"
import * as SessionEvents from "./SessionEvents.ts"
import * as SessionRequests from "./SessionRequests.ts"
import { type OpenOptions, type SessionSummary, targetText } from "./Sessions.ts"
import * as UpstreamLinks from "./upstream/UpstreamLinks.ts"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "./upstream/UpstreamConnection.ts"
import { UserLimits } from "./UserLimits.ts"

export interface SessionActor {
  readonly sessionId: SessionId
  readonly wireId: WireSessionId
  readonly protocolVersion: string
  /** The user as of the latest request. */
  readonly principal: () => Principal
  /** Starts the request; the result cancels it. */
  readonly request: (
    message: JsonRpcRequest,
    principal: Principal,
    exchange: ClientExchange,
    said?: SessionRequests.Said
  ) => () => void
  readonly notify: (message: JsonRpcNotification, principal: Principal) => void
  /** The client answers a question of an upstream. */
  readonly answer: (response: JsonRpcResponse, principal: Principal) => void
  /** Makes the sink the session's event stream for the life of the caller's scope; the session is not idle meanwhile. */
  readonly attach: (sink: EventSink) => Effect.Effect<void, SessionClosed, Scope.Scope>
  /**
   * Stateless clients: adds a stream that hears what it asks for, for the life of the caller's scope. `open` gets the
   * part of the filter that can be served and gives the stream, before anything is sent on it.
   */
  readonly listen: (
    filter: SessionEvents.ListenFilter,
    principal: Principal,
    open: (honored: SessionEvents.ListenFilter) => EventSink
  ) => Effect.Effect<void, SessionClosed, Scope.Scope>
  readonly summary: () => SessionSummary
  readonly lastActiveAt: () => number
  readonly inFlight: () => number
  readonly streams: () => number
  /** Succeeds when nothing is in flight. */
  readonly settled: Effect.Effect<void>
  /** Servers whose settings changed: their conversations end, lists are announced as changed. */
  readonly reconfigure: (servers: ReadonlyArray<string>) => Effect.Effect<void>
  /** Ends every request with a typed reason and the event stream; the owner of the scope closes it next. */
  readonly terminate: (reason: string) => Effect.Effect<void>
}

export interface ActorOptions {
  readonly open: OpenOptions
  readonly sessionId: SessionId
  readonly wireId: WireSessionId
  /** Ends this session from inside: too many defects. */
  readonly end: (reason: string) => void
}

/** This many defects in a minute end the session: something in it is broken for good. */
const crashLimit = 10
const crashWindowMs = 60_000

export const make = Effect.fnUntraced(function* (options: ActorOptions) {
  const { open, sessionId, wireId } = options
  const tracker = yield* RequestTracker
  const limits = yield* UserLimits
  const hub = yield* HubConfig
  const clock = yield* Clock.Clock
  const telemetry = yield* Telemetry
  const services = yield* Effect.context<Scope.Scope>()
  const runFork = Effect.runForkWith(services)
  /** What nobody waits for: notifications, answers to upstreams, cancellations. */
  const runBackground = yield* FiberSet.makeRuntime<never, unknown, unknown>()
  const createdAt = clock.currentTimeMillisUnsafe()
  const sessionKey = userSessionId(open.principal.userId, sessionId)

  const era = eraOf(open.protocolVersion)
  let principal = open.principal
  let lastActiveAt = createdAt
  let inFlight = 0
  let streams = 0
  let ending: string | undefined
  let logLevel: unknown
  let crashes: Array<number> = []
  /** Told when nothing is in flight any more. */
  const waiting: Array<() => void> = []
  const byClientId = new Map<JsonRpcId, Set<RequestRecord>>()
  const subscriptions = new Set<string>()

  const background = (effect: Effect.Effect<unknown, unknown>): void => {
    runBackground(Effect.ignore(effect))
  }

  const events = yield* Effect.acquireRelease(
    Effect.sync(() => SessionEvents.make(era)),
    (stream) => Effect.sync(stream.end)
  )
  const questions = ClientRequests.make(open.capabilities)

  const contextOf = (who: Principal, requestId: RequestId): CallContext => ({
    principal: who,
    sessionId,
    userSessionId: sessionKey,
    requestId
  })

  const announce = (kind: ListKind): void => events.publish({ jsonrpc: "2.0", method: listMethods[kind].changed })

  /** The way back to the upstream that asks, if its conversation still stands when the client answers. */
  const answering = (connection: () => UpstreamConnection | undefined, context: CallContext) => ({
    reply: (response: JsonRpcResponse): void => {
      const asking = connection()
      if (asking !== undefined) background(asking.respond(response, context))
    },
    progress: (params: JsonObject): void => {
      const asking = connection()
      if (asking !== undefined) background(asking.notify("notifications/progress", params, context))
    }
  })

  /** A message of an upstream that concerns the session rather than one request. */
  const onSessionMessage = (server: string, message: UpstreamMessage, context: CallContext): void => {
    if ("id" in message) {
      const connection = (): UpstreamConnection | undefined => [...links.live()].find((live) => live.server === server)
      if (era === "stateless") {
        if (bridge.attribute(server, message)) return
        // Outside of a request there is no way to ask a stateless client.
        return answering(connection, context).reply(failure(message.id, ClientRequests.undeclared(message.method)))
      }
      return questions.ask(server, message, { ...answering(connection, context), send: events.sendNow })
    }
    switch (message.method) {
      case "notifications/progress":
        // Progress of a call that has ended.
        return
      case "notifications/cancelled":
        return questions.withdraw(server, message.params)
      case "notifications/resources/updated":
        if (era === "stateless" || subscriptions.has(String(message.params?.["uri"]))) events.publish(message)
        return
      default: {
        const stale = listKinds.filter((kind) => listMethods[kind].changed === message.method)
        if (stale.length > 0) lists.invalidate(server, stale)
        events.publish(message)
      }
    }
  }

  const links: UpstreamLinks.UpstreamLinks = yield* UpstreamLinks.make({
    protocolVersion: open.protocolVersion,
    clientCapabilities: open.capabilities,
    clientInfo: open.clientInfo,
    onMessage: (server, message) => {
      background(
        tracker.track({ principal, sessionId, method: message.method, kind: "notification" }, (record) =>
          Effect.sync(() => {
            record.server = server
            onSessionMessage(server, message, contextOf(principal, record.requestId))
          })
        )
      )
    },
    onOpen: (connection, context) =>
      logLevel === undefined || !("logging" in connection.info.capabilities)
        ? Effect.void
        : Effect.ignore(
            connection.request({
              method: "logging/setLevel",
              params: { level: logLevel },
              context,
              onMessage: () => {}
            })
          ),
    onClosed: (server) => lists.invalidate(server)
  })
  const lists: ServerLists.ServerLists = yield* ServerLists.make({ links, announce, onMessage: onSessionMessage })
  const catalog = yield* Catalog.make({ lists, direct: open.target.kind === "server" })

  const onCallMessage = (
    call: SessionRequests.Call,
    connection: UpstreamConnection,
    message: UpstreamMessage
  ): void => {
    if ("id" in message) {
      const way = answering(() => connection, call.context)
      // A stateless client is asked by `input_required` alone, see EraBridge.
      if (era === "stateless") return way.reply(failure(message.id, ClientRequests.undeclared(message.method)))
      return questions.ask(connection.server, message, {
        ...way,
        record: call.record,
        send: (outgoing) => call.exchange.send(outgoing) || events.sendNow(outgoing)
      })
    }
    if (message.method === "notifications/progress") return void call.exchange.send(message)
    if (message.method === "notifications/message") {
      const wanted =
        era === "stateful" ||
        (call.said?.logLevel !== undefined && passes(message.params?.["level"], call.said.logLevel))
      if (wanted) call.exchange.send(message)
      return
    }
    onSessionMessage(connection.server, message, call.context)
  }

  const bridge: EraBridge.EraBridge = EraBridge.make({
    era,
    capabilities: open.capabilities,
    states: yield* RequestStates.make,
    parked: yield* ParkedCalls.make,
    questions,
    background,
    onMessage: onCallMessage
  })
  const requests = yield* SessionRequests.make({
    open,
    catalog,
    links,
    bridge,
    onSessionMessage,
    setLogLevel: (level) => {
      logLevel = level
    },
    subscriptions
  })

  const active = (who: Principal): void => {
    principal = who
    lastActiveAt = clock.currentTimeMillisUnsafe()
  }

  const crashed = (): void => {
    const now = clock.currentTimeMillisUnsafe()
    crashes = [...crashes.filter((at) => now - at < crashWindowMs), now]
    if (crashes.length >= crashLimit) options.end("too many internal errors")
  }

  const closedError = (requestId?: RequestId): SessionClosed => {
    const reason = ending ?? "session ended"
    return new SessionClosed({ requestId, reason, message: `The session has ended (${reason}); initialize a new one` })
  }

  /** The answer leaves exactly once, whatever the exit. */
  const settle = (
    exit: Exit.Exit<unknown, RequestError>,
    exchange: ClientExchange,
    requestId: RequestId | undefined
  ): void => {
    if (Exit.isSuccess(exit)) return exchange.succeed(exit.value)
    const error = Cause.findErrorOption(exit.cause)
    if (Option.isSome(error)) return exchange.fail(error.value, requestId)
    if (Cause.hasInterruptsOnly(exit.cause)) return exchange.fail(closedError(requestId), requestId)
    crashed()
    exchange.die(exit.cause, requestId)
  }

  const register = (id: JsonRpcId, record: RequestRecord): void => {
    const same = byClientId.get(id)
    if (same === undefined) byClientId.set(id, new Set([record]))
    else same.add(record)
  }

  const unregister = (id: JsonRpcId, record: RequestRecord): void => {
    const same = byClientId.get(id)
    same?.delete(record)
    if (same?.size === 0) byClientId.delete(id)
    questions.settle(record)
  }

  const request: SessionActor["request"] = (message, who, exchange, said) => {
    active(who)
    if (ending !== undefined) {
      exchange.fail(closedError(), undefined)
      return doNothing
    }
    if (!limits.take(who.userId, "inFlight", hub.maxInflightPerUser)) {
      const message = `This user has ${hub.maxInflightPerUser} requests in flight, as many as allowed; wait for one to end`
      exchange.fail(new UserOverloaded({ message, retryAfterSeconds: 1 }), undefined)
      return doNothing
    }
    inFlight++
    const use = (record: RequestRecord): Effect.Effect<unknown, RequestError> => {
      register(message.id, record)
      const call = { message, principal: who, record, exchange, said, context: contextOf(who, record.requestId) }
      const answer = Effect.tapError(requests.dispatch(call), (error) =>
        Effect.sync(() => {
          const { code, kind } = errorRow(error)
          record.errorCode = code
          record.errorKind = kind
        })
      )
      return telemetry.enabled ? telemetry.wrap(tracedRequest(message, open.protocolVersion), answer) : answer
    }
    const started = tracker.start(
      { principal: who, sessionId, method: message.method, kind: "request" },
      use,
      runFork,
      (exit, record) => {
        inFlight--
        lastActiveAt = clock.currentTimeMillisUnsafe()
        limits.give(who.userId, "inFlight")
        unregister(message.id, record)
        settle(exit, exchange, record.requestId)
        if (inFlight === 0) for (const tell of waiting.splice(0)) tell()
      }
    )
    return () => background(tracker.endWith(started.requestId, "cancelled", "The client closed the response stream"))
  }

  const cancel = (params: JsonObject | undefined): void => {
    const named = byClientId.get(params?.["requestId"] as JsonRpcId)
    // An id in flight twice names nothing in particular; nothing is cancelled then.
    if (named?.size !== 1) return
    for (const record of named)
      background(tracker.endWith(record.requestId, "cancelled", "The client cancelled the request"))
  }

  const onNotification = (message: JsonRpcNotification, who: Principal, record: RequestRecord): Effect.Effect<void> => {
    switch (message.method) {
      case "notifications/cancelled":
        return Effect.sync(() => cancel(message.params))
      case "notifications/progress":
        return Effect.sync(() => questions.progress(message.params))
      case "notifications/initialized":
        return Effect.void
      default: {
        // Roots and whatever else concerns the session: every server of the session hears it.
        const context = contextOf(who, record.requestId)
        return Effect.forEach(
          [...links.live()],
          (connection) => Effect.ignore(connection.notify(message.method, message.params, context)),
          { concurrency: "unbounded", discard: true }
        )
      }
    }
  }

  const notify: SessionActor["notify"] = (message, who) => {
    active(who)
    if (ending !== undefined) return
    background(
      tracker.track({ principal: who, sessionId, method: message.method, kind: "notification" }, (record) =>
        onNotification(message, who, record)
      )
    )
  }

  const attach: SessionActor["attach"] = Effect.fnUntraced(function* (sink) {
    if (ending !== undefined) return yield* closedError()
    streams++
    const detach = events.attach(sink)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        streams--
        lastActiveAt = clock.currentTimeMillisUnsafe()
        detach()
      })
    )
  })

  const listen: SessionActor["listen"] = Effect.fnUntraced(function* (filter, who, start) {
    active(who)
    if (ending !== undefined) return yield* closedError()
    const options = { principal: who, sessionId, method: "subscriptions/listen", kind: "request" } as const
    const uris = yield* tracker
      .track(options, (record) => requests.subscribe(who, contextOf(who, record.requestId), filter))
      .pipe(Effect.orElseSucceed((): ReadonlyArray<string> => []))
    const honored = {
      ...filter,
      ...(filter.resourceSubscriptions === undefined ? {} : { resourceSubscriptions: uris })
    }
    streams++
    const stop = events.listen(honored, start(honored))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        streams--
        lastActiveAt = clock.currentTimeMillisUnsafe()
        stop()
        const left = events.listenedTo()
        const unheard = uris.filter((uri) => !left.has(uri))
        if (ending !== undefined || unheard.length === 0) return
        background(
          tracker.track({ ...options, kind: "notification" }, (record) =>
            requests.unsubscribe(principal, contextOf(principal, record.requestId), unheard)
          )
        )
      })
    )
  })

  const summary = (): SessionSummary => ({
    sessionId,
    userId: principal.userId,
    username: principal.username,
    keyId: principal.keyId,
    keyName: principal.keyName,
    target: targetText(open.target),
    protocolVersion: open.protocolVersion,
    client: { name: nameOf(open.clientInfo, "name"), version: nameOf(open.clientInfo, "version") },
    adopted: era === "stateful" && open.adopt !== undefined,
    state: inFlight > 0 || streams > 0 ? "active" : "idle",
    createdAt,
    lastActiveAt,
    inFlight,
    streams,
    upstreams: links.summaries()
  })

  const actor: SessionActor = {
    sessionId,
    wireId,
    protocolVersion: open.protocolVersion,
    principal: () => principal,
    request,
    notify,
    answer: (response, who) => {
      active(who)
      questions.answer(response)
    },
    attach,
    listen,
    summary,
    lastActiveAt: () => lastActiveAt,
    inFlight: () => inFlight,
    streams: () => streams,
    settled: Effect.callback((resume) => {
      if (inFlight === 0) return resume(Effect.void)
      waiting.push(() => resume(Effect.void))
    }),
    reconfigure: Effect.fnUntraced(function* (servers) {
      for (const server of servers) {
        lists.invalidate(server)
        yield* links.drop(server, "settings changed")
      }
      for (const kind of ["tools", "prompts", "resources"] as const) announce(kind)
    }),
    terminate: Effect.fnUntraced(function* (reason) {
      ending ??= reason
      yield* tracker.cleanupSession(sessionId, reason)
      events.end()
    })
  }
  return actor
})

const doNothing = (): void => {}

const tracedRequest = ({ id, method, params }: JsonRpcRequest, protocolVersion: string): TracedRequest => {
  const name = params?.["name"]
  const meta = params?.["_meta"]
  return {
    method,
    protocolVersion,
    rpcId: id,
    target: typeof name === "string" ? name : undefined,
    meta: typeof meta === "object" && meta !== null ? (meta as JsonObject) : undefined
  }
}

const nameOf = (info: JsonObject, field: string): string => {
  const value = info[field]
  return typeof value === "string" ? value.slice(0, 100) : "unknown"
}
