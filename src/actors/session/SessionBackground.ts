/**
 * Work of a session that nobody waits for: notifications both ways, answers to upstream servers, cancellations. Each is
 * a fiber in the session's scope, so it ends with the session; how it ends concerns nobody.
 */
import { Effect, FiberSet } from "effect"
import type { SessionId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { userSessionId } from "../../domain/context/UserSessionId.ts"
import type { AuditPlaces } from "./SessionAccess.ts"
import { type RequestRecord, RequestTracker } from "../requests/RequestTracker.ts"
import type { CallContext } from "../upstream/connection/UpstreamConnection.ts"

type Notification = readonly [
  principal: Principal,
  method: string,
  use: (context: CallContext, record: RequestRecord) => Effect.Effect<unknown, unknown>,
  places?: AuditPlaces
]

export interface SessionBackground {
  readonly run: (effect: Effect.Effect<unknown, unknown>) => void
  /**
   * A notification that the tracker knows, with the context upstream servers are to see. With `places` it is not done
   * where it needs a place in the audit trail and there is none.
   */
  readonly tracked: (...notification: Notification) => Effect.Effect<unknown, unknown>
  /** Runs one. */
  readonly track: (...notification: Notification) => void
  /** What servers see of the session, whoever asks. */
  readonly ids: Omit<CallContext, "principal" | "requestId" | "waits">
}

export const make = Effect.fnUntraced(function* (sessionId: SessionId, openedBy: Principal) {
  const tracker = yield* RequestTracker
  const fork = yield* FiberSet.makeRuntime<never, unknown, unknown>()
  const ids = { sessionId, userSessionId: userSessionId(openedBy.userId, sessionId) }

  const run: SessionBackground["run"] = (effect) => {
    fork(Effect.ignore(effect))
  }

  const tracked: SessionBackground["tracked"] = (principal, method, use, places) =>
    Effect.suspend(() => {
      const place = places?.take(principal)
      if (place === "none") return Effect.void
      const options = {
        principal,
        sessionId,
        method,
        kind: "notification",
        hasAuditPlace: place === "reserved"
      } as const
      return tracker.track(options, (record) =>
        use({ ...ids, principal, requestId: record.requestId, waits: record }, record)
      )
    })

  return {
    run,
    ids,
    tracked,
    track: (...notification) => run(tracked(...notification))
  } satisfies SessionBackground
})
