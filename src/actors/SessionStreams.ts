/**
 * The streams on which a client hears of what belongs to no request: the GET stream of a stateful session, and each
 * `subscriptions/listen` of a stateless one. A stream lives as long as the scope it is opened in, and a session with a
 * stream is not idle.
 */
import { Effect, type Scope } from "effect"
import type { SessionId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import type { EventSink } from "./ClientExchange.ts"
import { RequestTracker, type SessionClosed } from "./RequestTracker.ts"
import type { SessionActivity } from "./SessionActivity.ts"
import type { SessionBackground } from "./SessionBackground.ts"
import type { ListenFilter, SessionEvents } from "./SessionEvents.ts"
import type { SessionSubscriptions } from "./SessionSubscriptions.ts"

export interface SessionStreams {
  /** Makes the sink the session's event stream for the life of the caller's scope; the session is not idle meanwhile. */
  readonly attach: (sink: EventSink) => Effect.Effect<void, SessionClosed, Scope.Scope>
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
  readonly subscriptions: SessionSubscriptions
}

const listenMethod = "subscriptions/listen"

export const make = Effect.fnUntraced(function* (options: StreamOptions) {
  const { activity, background, events, sessionId, subscriptions } = options
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

  return {
    attach: Effect.fnUntraced(function* (sink) {
      if (activity.ending()) return yield* activity.closedError()
      yield* opened(events.attach(sink))
    }),
    listen: Effect.fnUntraced(function* (filter, principal, open) {
      activity.seen(principal)
      if (activity.ending()) return yield* activity.closedError()
      const uris = yield* tracker
        .track({ principal, sessionId, method: listenMethod, kind: "request" }, ({ requestId }) =>
          subscriptions.subscribe(principal, background.contextOf(principal, requestId), filter)
        )
        .pipe(Effect.orElseSucceed((): ReadonlyArray<string> => []))
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
        background.track(latest, listenMethod, (context) => subscriptions.unsubscribe(latest, context, unheard))
      })
    })
  } satisfies SessionStreams
})
