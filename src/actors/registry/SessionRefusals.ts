/** The refusals of the registry, each with what the client may do about it: see `SessionRefused`. */
import {
  HubDraining,
  HubOverloaded,
  KeyEnded,
  SessionLimitReached,
  SessionRefused
} from "../../domain/requests/SessionErrors.ts"

export const stopping = new SessionRefused({
  reason: new HubDraining({ message: "The hub is stopping; connect again in a moment", retryAfterSeconds: 5 })
})

export const keyEnded = new SessionRefused({
  reason: new KeyEnded({ message: "The MCPHub key of this request no longer opens the hub" })
})

export const overloaded = new SessionRefused({
  reason: new HubOverloaded({
    message: "The hub is short of memory and takes no new sessions; try again in a moment",
    retryAfterSeconds: 10
  })
})

/** `idleMs`: a session that has been idle for that long makes room for a new one. */
export const tooManySessions = (most: number, idleMs: number): SessionRefused =>
  new SessionRefused({
    reason: new SessionLimitReached({
      message: `This user has ${most} sessions, as many as allowed; end one (DELETE) or wait until one is idle`,
      retryAfterSeconds: Math.ceil(idleMs / 1_000)
    })
  })
