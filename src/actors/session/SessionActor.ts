/**
 * One user session: the scope that owns everything the session touches — its requests (fibers), its connections to
 * upstream servers, its event stream, its lists. Ending the session, for whatever reason, is closing that scope.
 *
 * There is no mailbox: requests run concurrently, each a fiber of its own, and a defect fails that one request. The wire
 * calls `request`, `notify`, `answer` and `attach`; answers leave through the `ClientExchange` of the POST they came by,
 * so two requests with the same JSON-RPC id never meet.
 *
 * Here the parts are put together; each part's own file says what it does.
 */
import { Clock, Effect } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { SessionId, WireSessionId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { StoredClient } from "../../domain/records/SessionStore.ts"
import type { JsonObject, JsonRpcResponse } from "../../domain/protocol/JsonRpc.ts"
import { eraOf, primesStreams } from "../../domain/protocol/Versions.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import { AuditTrail } from "../observing/AuditTrail.ts"
import * as Catalog from "../catalog/Catalog.ts"
import * as ClientQuestions from "../calls/ClientQuestions.ts"
import * as EraBridge from "../calls/EraBridge.ts"
import * as OfferedCapabilities from "../calls/OfferedCapabilities.ts"
import * as ParkedCalls from "../calls/ParkedCalls.ts"
import { welcomeBack } from "./RecoveredSession.ts"
import * as RequestStates from "../calls/RequestStates.ts"
import { Retained } from "../limits/Retained.ts"
import { RequestTracker } from "../requests/RequestTracker.ts"
import * as ServerLists from "../catalog/ServerLists.ts"
import * as ServerNews from "./ServerNews.ts"
import * as SessionAccess from "./SessionAccess.ts"
import * as SessionAdmission from "./SessionAdmission.ts"
import * as SessionActivity from "./SessionActivity.ts"
import * as SessionBackground from "./SessionBackground.ts"
import * as SessionEvents from "../streams/SessionEvents.ts"
import * as SessionIntake from "./SessionIntake.ts"
import * as SessionLogLevel from "./SessionLogLevel.ts"
import * as SessionMemory from "./SessionMemory.ts"
import * as SessionMessages from "./SessionMessages.ts"
import * as SessionNotifications from "./SessionNotifications.ts"
import * as SessionReplay from "../streams/SessionReplay.ts"
import * as SessionRequests from "./SessionRequests.ts"
import * as SessionStreams from "./SessionStreams.ts"
import * as SessionSubscriptions from "./SessionSubscriptions.ts"
import * as UpstreamLinks from "../upstream/links/UpstreamLinks.ts"
import { UserLimits } from "../limits/UserLimits.ts"
import type { OpenOptions, SessionSummary } from "./Session.ts"

export interface SessionActor
  extends
    SessionStreams.SessionStreams,
    SessionNotifications.SessionNotifications,
    Pick<SessionIntake.SessionIntake, "request">,
    Pick<
      SessionActivity.SessionActivity,
      "principal" | "lastActiveAt" | "quietMs" | "inFlight" | "streams" | "settled"
    > {
  readonly sessionId: SessionId
  readonly wireId: WireSessionId
  readonly protocolVersion: string
  /** In its revision a stream may begin before there is a message for it. */
  readonly primes: boolean
  /** The client answers a question of an upstream. */
  readonly answer: (response: JsonRpcResponse, principal: Principal) => void
  readonly summary: () => SessionSummary
  /** What of the client outlives this process, and how often it has changed. */
  readonly remembered: () => StoredClient
  readonly revision: SessionMemory.SessionMemory["revision"]
  /** Whether ending it would take something from its user: a request, a stream, or a call that waits for an answer. */
  readonly inUse: () => boolean
  /** What is kept of event streams so that they can be resumed. */
  readonly keptEvents: SessionReplay.SessionReplay["kept"]
  /** The settings changed, for these servers and maybe for what the user may reach: see `SessionAdmission`. */
  readonly reconfigure: (servers: ReadonlyArray<string>) => Effect.Effect<void>
  /** The user's groups or tokens changed: what is in force from now on. */
  readonly renew: (principal: Principal) => Effect.Effect<void>
  /** Ends the connection to a server; the next request opens a new one. */
  readonly restart: (server: string) => Effect.Effect<void>
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

export const make = Effect.fnUntraced(function* (options: ActorOptions) {
  const { open, sessionId, wireId } = options
  const { protocolVersion } = open
  const era = eraOf(protocolVersion)
  const primes = primesStreams(protocolVersion)
  const tracker = yield* RequestTracker

  // What the session owns. Its scope closes these in the reverse order.
  const retained = yield* Retained
  const { userId } = open.principal
  const rooms = {
    events: yield* retained.room(userId, "events"),
    lists: yield* retained.room(userId, "lists"),
    news: yield* retained.room(userId, "news"),
    notifications: yield* retained.room(userId, "notifications"),
    subscriptions: yield* retained.room(userId, "subscriptions")
  }
  const background = yield* SessionBackground.make(sessionId, open.principal)
  const replay = yield* Effect.acquireRelease(
    Effect.sync(() =>
      SessionReplay.make({
        sessionId,
        primes,
        background: background.run,
        memory: rooms.events
      })
    ),
    (streams) => Effect.sync(streams.end)
  )
  const events = yield* Effect.acquireRelease(
    Effect.sync(() => SessionEvents.make(era, replay)),
    (stream) => Effect.sync(stream.end)
  )
  const earlier = open.recovered?.session
  const activity = SessionActivity.make(open.principal, yield* Clock.Clock, earlier?.createdAt)
  const memory = SessionMemory.make(earlier?.client, rooms.subscriptions)
  const settings = yield* Settings
  const offered = OfferedCapabilities.make(open.capabilities, settings)
  const questions = ClientQuestions.make(offered)

  // Servers speak to the session at any time, so their way in stands before the links to them, and looks up what is
  // made below only when a message comes.
  const messages = SessionMessages.make({
    era,
    events,
    questions,
    background,
    connection: (server) => [...links.live()].find((live) => live.server === server),
    attribute: (server, message) => bridge.attribute(server, message),
    changed: (server, kinds) => lists.changed(server, kinds),
    logLevel: () => memory.logLevel(),
    resourceNames: (server, uri) => subscriptions.names(server, uri)
  })
  const onSessionMessage = messages.ofSession
  const logLevel = SessionLogLevel.make({ memory, live: () => links.live(), onSessionMessage })

  const { access, places } = SessionAccess.make(open.target, settings, yield* AuditTrail, activity.principal)
  const hear = yield* ServerNews.make({
    sessionId,
    principal: activity.principal,
    room: rooms.news,
    background,
    deliver: (server, message) =>
      background.track(activity.principal(), message.method, (context, record) =>
        Effect.sync(() => {
          record.server = server
          onSessionMessage(server, message, context)
        })
      )
  })
  const links: UpstreamLinks.UpstreamLinks = yield* UpstreamLinks.make({
    protocolVersion,
    offered,
    clientInfo: open.clientInfo,
    principal: activity.principal,
    admits: (server) => access().has(server),
    isIdle: () => !inUse(),
    listens: (server) => [...memory.urisOf(server)].length > 0,
    onMessage: hear,
    onOpen: (connection, context) =>
      Effect.all(
        [
          lists.opened(connection, context),
          logLevel.onOpen(connection, context),
          subscriptions.restore(connection, context)
        ],
        { discard: true }
      ),
    onClosed: (server) => lists.closed(server),
    onFailed: (server, error, context) => lists.failed(server, error, context)
  })
  const lists: ServerLists.ServerLists = yield* ServerLists.make({
    principal: activity.principal,
    protocolVersion,
    clientCapabilities: open.capabilities,
    links,
    onChange: () => catalog.forget(),
    announce: messages.announce,
    onMessage: onSessionMessage,
    track: (method, use) => background.track(activity.principal(), method, use)
  })
  const catalog: Catalog.Catalog = yield* Catalog.make({
    lists,
    era,
    direct: open.target.kind === "server",
    room: rooms.lists
  })
  const limits = yield* UserLimits
  const { maxInflightPerUser } = yield* HubConfig
  const parked = yield* ParkedCalls.make({ claim: () => retained.claim(userId, "parked") })
  const bridge: EraBridge.EraBridge = EraBridge.make({
    era,
    offered,
    states: yield* RequestStates.make,
    parked,
    openCalls: {
      take: (user) => limits.take(user, "openCalls", maxInflightPerUser),
      give: (user) => limits.give(user, "openCalls")
    },
    questions,
    sendNow: events.ask,
    background: background.run,
    onMessage: messages.ofCall
  })

  // What the client sends.
  const subscriptions: SessionSubscriptions.SessionSubscriptions = yield* SessionSubscriptions.make({
    access,
    catalog,
    links,
    memory,
    onSessionMessage
  })
  const requests = yield* SessionRequests.make({
    open,
    access,
    catalog,
    lists,
    links,
    bridge,
    messages,
    logLevel,
    subscriptions
  })
  const intake = yield* SessionIntake.make({
    sessionId,
    protocolVersion,
    activity,
    background,
    places,
    questions,
    requests,
    end: options.end
  })
  const admission = yield* SessionAdmission.make({ access, links, lists, parked, intake, messages })
  const notifications = SessionNotifications.make({
    activity,
    background,
    intake,
    links,
    hearsRoots: (server) => !OfferedCapabilities.withholdsRoots(settings, server),
    places,
    questions,
    room: rooms.notifications
  })
  const streams = yield* SessionStreams.make({ sessionId, activity, background, events, places, replay, subscriptions })

  const inUse = (): boolean => activity.inFlight() > 0 || activity.streams() > 0 || parked.parked() > 0

  const summary = (): SessionSummary => {
    const principal = activity.principal()
    return {
      sessionId,
      userId: principal.userId,
      username: principal.username,
      keyId: principal.keyId,
      keyName: principal.keyName,
      target: open.target.text,
      protocolVersion,
      client: { name: nameOf(open.clientInfo, "name"), version: nameOf(open.clientInfo, "version") },
      adopted: era === "stateful" && open.adopt !== undefined,
      recovered: earlier !== undefined,
      state: inUse() ? "active" : "idle",
      createdAt: activity.createdAt,
      lastActiveAt: activity.lastActiveAt(),
      inFlight: activity.inFlight(),
      streams: activity.streams(),
      upstreams: links.summaries()
    }
  }

  const actor: SessionActor = {
    sessionId,
    wireId,
    protocolVersion,
    primes,
    ...streams,
    ...activity,
    ...notifications,
    request: intake.request,
    answer: (response, who) => {
      activity.seen(who)
      questions.answer(response)
    },
    keptEvents: replay.kept,
    summary,
    remembered: () => ({
      capabilities: open.capabilities,
      clientInfo: open.clientInfo,
      logLevel: memory.logLevel(),
      subscriptions: memory.subscriptions()
    }),
    revision: memory.revision,
    inUse,
    reconfigure: admission.apply,
    renew: (principal) =>
      Effect.suspend(() => {
        activity.renew(principal)
        return admission.renew
      }),
    restart: admission.restart,
    terminate: Effect.fnUntraced(function* (reason) {
      activity.end(reason)
      yield* tracker.cleanupSession(sessionId, reason)
      events.end()
    })
  }
  if (earlier !== undefined) welcomeBack({ principal: open.principal, background, events, links, memory, messages })
  return actor
})

const nameOf = (info: JsonObject, field: string): string => {
  const value = info[field]
  return typeof value === "string" ? value.slice(0, 100) : "unknown"
}
