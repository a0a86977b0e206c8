/**
 * The streams of a session towards its client: what belongs to no request goes to the GET stream of a stateful session
 * and to each `subscriptions/listen` of a stateless one; the answer of a POST may be a stream of its own, and of the
 * stateful revisions both can be resumed by GET. A connection counts as long as the scope it is opened in, and a session
 * with a connection that streams is not idle.
 */
import { Effect, type Scope } from "effect"
import type { SessionId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { JsonRpcId } from "../../domain/protocol/JsonRpc.ts"
import type { EventSink, EventWriter } from "../calls/ClientExchange.ts"
import type { ReplayStream } from "../streams/ReplayStream.ts"
import { RequestTracker, type SessionClosed } from "../requests/RequestTracker.ts"
import type { AuditPlaces } from "./SessionAccess.ts"
import type { SessionActivity } from "./SessionActivity.ts"
import type { SessionBackground } from "./SessionBackground.ts"
import type { ListenFilter, SessionEvents } from "../streams/SessionEvents.ts"
import type { Resumption, SessionReplay } from "../streams/SessionReplay.ts"
import type { SessionSubscriptions } from "./SessionSubscriptions.ts"

export interface SessionStreams {
  /**
   * Makes the writer the reader of the session's event stream, or of the stream it resumes, for the life of the caller's
   * scope; the session is not idle meanwhile.
   */
  readonly attach: (
    writer: EventWriter,
    from?: Extract<Resumption, { readonly kind: "at" }>
  ) => Effect.Effect<void, SessionClosed, Scope.Scope>
  /** What the id of the last event a client has seen stands for in this session. */
  readonly resumption: (lastEventId: string) => Resumption
  /** A stream for the answer of one POST and what precedes it. */
  readonly openAnswer: (ids: ReadonlyArray<JsonRpcId>) => ReplayStream
  /**
   * Stateless clients: adds a stream that hears what it asks for, for the life of the caller's scope. `open` gets the
   * part of the filter that can be served and gives the stream, before anything is sent on it.
   */
  readonly listen: (
    filter: ListenFilter,
    principal: Principal,
    open: (honored: ListenFilter) => EventSink
  ) => Effect.Effect<void, SessionClosed, Scope.Scope>
}

export interface StreamOptions {
  readonly sessionId: SessionId
  readonly activity: SessionActivity
  readonly background: SessionBackground
  readonly events: SessionEvents
  readonly places: AuditPlaces
  readonly replay: SessionReplay
  readonly subscriptions: SessionSubscriptions
}

const listenMethod = "subscriptions/listen"

export const make = Effect.fnUntraced(function* (options: StreamOptions) {
  const { activity, background, events, places, replay, sessionId, subscriptions } = options
  const tracker = yield* RequestTracker

  /** Counts a stream that stands, until the caller's scope closes. */
  const opened = (close: () => void) => {
    activity.streamOpened()
    return Effect.addFinalizer(() =>
      Effect.sync(() => {
        activity.streamClosed()
        close()
      })
    )
  }

  /** The resources that this user can hear of: none where that would leave no row and must. */
  const subscribed = (filter: ListenFilter, principal: Principal): Effect.Effect<ReadonlyArray<string>> =>
    Effect.suspend(() => {
      const place = places.take(principal)
      if (place === "none") return Effect.succeed([])
      const hasAuditPlace = place === "reserved"
      return tracker
        .track({ principal, sessionId, method: listenMethod, kind: "request", hasAuditPlace }, ({ requestId }) =>
          subscriptions.subscribe({ ...background.ids, principal, requestId }, filter)
        )
        .pipe(Effect.orElseSucceed(() => []))
    })

  return {
    attach: Effect.fnUntraced(function* (writer, from) {
      if (activity.ending()) return yield* activity.closedError()
      yield* opened(from === undefined ? events.attach(writer) : from.stream.resume(writer, from.after))
    }),
    resumption: replay.find,
    openAnswer: (ids) => replay.open("answer", ids),
    listen: Effect.fnUntraced(function* (filter, principal, open) {
      activity.seen(principal)
      if (activity.ending()) return yield* activity.closedError()
      const uris = yield* subscribed(filter, principal)
      const honored = {
        ...filter,
        ...(filter.resourceSubscriptions === undefined ? {} : { resourceSubscriptions: uris })
      }
      const stop = events.listen(honored, open(honored))
      yield* opened(() => {
        stop()
        const left = events.listenedTo()
        const unheard = uris.filter((uri) => !left.has(uri))
        if (activity.ending() || unheard.length === 0) return
        const latest = activity.principal()
        background.track(latest, listenMethod, (context) => subscriptions.unsubscribe(context, unheard))
      })
    })
  } satisfies SessionStreams
})
