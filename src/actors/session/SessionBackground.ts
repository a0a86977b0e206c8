/**
 * Work of a session that nobody waits for: notifications both ways, answers to upstream servers, cancellations. Each is
 * a fiber in the session's scope, so it ends with the session; how it ends concerns nobody.
 */
import { Effect, FiberSet } from "effect"
import type { RequestId, SessionId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { userSessionId } from "../../domain/context/UserSessionId.ts"
import { type RequestRecord, RequestTracker } from "../requests/RequestTracker.ts"
import type { CallContext } from "../upstream/connection/UpstreamConnection.ts"

export interface SessionBackground {
  readonly run: (effect: Effect.Effect<unknown, unknown>) => void
  /** The same as a notification the tracker knows, with the context upstream servers are to see. */
  readonly track: (
    principal: Principal,
    method: string,
    use: (context: CallContext, record: RequestRecord) => Effect.Effect<unknown, unknown>
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
    track: (principal, method, use) =>
      run(
        tracker.track({ principal, sessionId, method, kind: "notification" }, (record) =>
          use(contextOf(principal, record.requestId), record)
        )
      )
  } satisfies SessionBackground
})
