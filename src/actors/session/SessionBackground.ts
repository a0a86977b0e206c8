/**
 * Work of a session that nobody waits for: notifications both ways, answers to upstream servers, cancellations. Each is
 * a fiber in the session's scope, so it ends with the session; how it ends concerns nobody.
 */
import { Effect, FiberSet } from "effect"
import type { RequestId, SessionId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { userSessionId } from "../../domain/context/UserSessionId.ts"
import type { AuditPlaces } from "./AuditPlaces.ts"
import { type RequestRecord, RequestTracker } from "../requests/RequestTracker.ts"
import type { CallContext } from "../upstream/connection/UpstreamConnection.ts"

export interface SessionBackground {
  readonly run: (effect: Effect.Effect<unknown, unknown>) => void
  /**
   * The same as a notification the tracker knows, with the context upstream servers are to see. With `places` it is not
   * done where it needs a place in the audit trail and there is none.
   */
  readonly track: (
    principal: Principal,
    method: string,
    use: (context: CallContext, record: RequestRecord) => Effect.Effect<unknown, unknown>,
    places?: AuditPlaces
  ) => void
  readonly contextOf: (principal: Principal, requestId: RequestId) => CallContext
}

export const make = Effect.fnUntraced(function* (sessionId: SessionId, openedBy: Principal) {
  const tracker = yield* RequestTracker
  const fork = yield* FiberSet.makeRuntime<never, unknown, unknown>()
  const sessionKey = userSessionId(openedBy.userId, sessionId)

  const run: SessionBackground["run"] = (effect) => {
    fork(Effect.ignore(effect))
  }

  const contextOf: SessionBackground["contextOf"] = (principal, requestId) => ({
    principal,
    sessionId,
    userSessionId: sessionKey,
    requestId
  })

  return {
    run,
    contextOf,
    track: (principal, method, use, places?: AuditPlaces) =>
      run(
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
          return tracker.track(options, (record) => use(contextOf(principal, record.requestId), record))
        })
      )
  } satisfies SessionBackground
})
