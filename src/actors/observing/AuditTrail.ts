/**
 * The audit trail: exactly one row for every request and notification that ended, and one for what was refused to keep
 * users apart. Rows are handed over synchronously and written by `AuditWriter`, off the data path.
 *
 * Without a trail nothing is written, and the hub refuses those who may do nothing without one.
 */
import { randomUUID } from "node:crypto"
import { Clock, Context, Effect, Layer } from "effect"
import type { AuditEvent, AuditKind } from "../../domain/records/AuditEvent.ts"
import type { AuditLog } from "../../domain/records/AuditLog.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { SessionId, UserId } from "../../domain/Ids.ts"
import type { Viewer } from "../../domain/access/Viewer.ts"
import type { InFlightRequest } from "../../domain/records/InFlightRequests.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { hubCodes } from "../../domain/protocol/ErrorCodes.ts"
import * as AuditWriter from "./AuditWriter.ts"
import type { HubMetrics } from "./HubMetrics.ts"
import { originOf } from "../../domain/requests/RequestErrorCodes.ts"
import type { EndedRequest } from "../../domain/requests/RequestRecord.ts"
import { storedText } from "./StoredText.ts"

/** What the hub refused, in one word: these become `errorKind` of a row of kind `security`. */
export type SecurityEvent =
  /** A valid key with the id of another user's live session; the row names that session. */
  | "session_owner_mismatch"
  /** `notifications/cancelled` for what is not in flight in this session, or not once. */
  | "cancel_ignored"

/** What somebody did at the door for people; also the `errorKind` of its row of kind `security`. */
export type SignInEventKind =
  | "signed_in"
  | "signed_out"
  | "password_changed"
  /** A wrong password or code, an unknown or deactivated user, an answer of an identity provider that does not hold. */
  | "sign_in_refused"
  /** Too many attempts; one row a minute for each address. */
  | "sign_in_throttled"

export interface SignInEvent {
  readonly kind: SignInEventKind
  /** Undefined where nobody is known: what was typed as a name may be a password. */
  readonly user: { readonly userId: UserId; readonly username: string } | undefined
  readonly way: string
  /** The client's address. */
  readonly from: string
}

export interface AuditTrailShape {
  /** A request or notification has ended. `hasPlace`: a place for its row was reserved. */
  readonly ended: (request: EndedRequest, hasPlace?: boolean) => void
  /** A hub was killed while the request ran. */
  readonly lost: (request: InFlightRequest) => void
  /** `method` is MCP's, or the HTTP method where no message was read. */
  readonly refused: (event: SecurityEvent, principal: Principal, sessionId: SessionId, method: string) => void
  /** Somebody has signed in or out, or was refused. */
  readonly signIn: (event: SignInEvent) => void
  /** An operator has done something to a server by `command`; `target` is the user whom it concerned, null for all. */
  readonly operated: (command: string, server: string, target: string | null) => void
  /** A viewer of the admin API has changed something; `target` names what, as far as the request did. */
  readonly administered: (by: Viewer, command: string, server: string | null, target: string | null) => void
  /** Whether rows of this user can be written at the moment, as far as is known. */
  readonly writable: (userId: UserId) => boolean
  /**
   * Keeps a place for the row of a request that may not run without one: what has a place is not lost for want of room.
   * False: there is none now.
   */
  readonly reserve: (userId: UserId) => boolean
  /** The request for which a place was reserved has not begun. */
  readonly release: (userId: UserId) => void
  /** Writes what waits; gives up, keeping the rows, when the database does not answer. */
  readonly flush: Effect.Effect<void>
}

const off: AuditTrailShape = {
  ended: () => {},
  lost: () => {},
  refused: () => {},
  signIn: () => {},
  operated: () => {},
  administered: () => {},
  writable: () => false,
  reserve: () => false,
  release: () => {},
  flush: Effect.void
}

export class AuditTrail extends Context.Reference<AuditTrailShape>("mcphub/actors/observing/AuditTrail", {
  defaultValue: () => off
}) {
  /** Into `AuditLog`, or nowhere with AUDIT_RETENTION_DAYS=0. `capacity`: rows that may wait for it. */
  static readonly layerWith = (options: {
    readonly capacity?: number
  }): Layer.Layer<never, never, AuditLog | HubMetrics> =>
    Layer.effect(
      AuditTrail,
      Effect.suspend(() => make(options.capacity))
    )
  static readonly layer = this.layerWith({})
}

const maxCode = 2 ** 31 - 1
/** A server may answer with any number as its code; a column holds 32 bits. */
const storedCode = (code: number): number | null => (Number.isInteger(code) && Math.abs(code) <= maxCode ? code : null)

const fromRequest = ({ durationMs, endedAt, errorKind, outcome, record }: EndedRequest): AuditEvent => ({
  id: record.requestId,
  time: endedAt,
  kind: record.kind satisfies AuditKind,
  userId: record.userId,
  username: record.username,
  keyId: record.keyId,
  sessionId: record.sessionId,
  server: record.server ?? null,
  method: storedText(record.method),
  target: record.target === undefined ? null : storedText(record.target),
  outcome,
  durationMs: Math.round(durationMs * 1000) / 1000,
  errorCode: record.errorCode === undefined ? null : storedCode(record.errorCode),
  errorKind: errorKind ?? null,
  origin: errorKind === undefined ? null : originOf(errorKind)
})

const fromLost = ({ startedAt: _startedAt, ...request }: InFlightRequest, time: number): AuditEvent => ({
  ...request,
  id: request.requestId,
  time,
  kind: "request",
  method: storedText(request.method),
  target: request.target === null ? null : storedText(request.target),
  outcome: "unknown",
  durationMs: 0,
  errorCode: hubCodes.outcomeUnknown,
  errorKind: "outcome_unknown",
  origin: "hub"
})

const nobody = "00000000-0000-0000-0000-000000000000"

/** The operator is no user of the hub: who may run its command line owns it. */
const operator = {
  kind: "operation",
  userId: UserId.make(nobody),
  username: "operator",
  keyId: nobody,
  sessionId: SessionId.make(nobody),
  outcome: "completed",
  durationMs: 0,
  errorCode: null,
  errorKind: null,
  origin: null
} as const

const make = Effect.fnUntraced(function* (capacity: number | undefined) {
  const { auditRetentionDays } = yield* HubConfig
  if (auditRetentionDays === 0) return off
  const clock = yield* Clock.Clock
  const writer = yield* AuditWriter.make({ retentionDays: auditRetentionDays, capacity })
  return {
    ended: (request, hasPlace) => writer.add(fromRequest(request), hasPlace),
    lost: (request) => writer.add(fromLost(request, clock.currentTimeMillisUnsafe())),
    refused: (event, { keyId, userId, username }, sessionId, method) =>
      writer.add({
        id: `event-${randomUUID()}`,
        time: clock.currentTimeMillisUnsafe(),
        kind: "security",
        userId,
        username,
        keyId,
        sessionId,
        server: null,
        method: storedText(method),
        target: null,
        outcome: "refused",
        durationMs: 0,
        errorCode: null,
        errorKind: event,
        origin: "hub"
      }),
    signIn: ({ from, kind, user, way }) =>
      writer.add({
        ...operator,
        id: `event-${randomUUID()}`,
        time: clock.currentTimeMillisUnsafe(),
        kind: "security",
        userId: user?.userId ?? operator.userId,
        username: user?.username ?? "unknown",
        server: null,
        method: storedText(`sign-in ${way}`),
        target: storedText(from),
        outcome: kind === "sign_in_refused" || kind === "sign_in_throttled" ? "refused" : "completed",
        errorKind: kind,
        origin: "hub"
      }),
    operated: (command, server, target) =>
      writer.add({
        ...operator,
        id: `event-${randomUUID()}`,
        time: clock.currentTimeMillisUnsafe(),
        server: storedText(server),
        method: command,
        target: target === null ? null : storedText(target)
      }),
    administered: ({ keyId, userId, username }, command, server, target) =>
      writer.add({
        ...operator,
        userId,
        username,
        keyId: keyId ?? nobody,
        id: `event-${randomUUID()}`,
        time: clock.currentTimeMillisUnsafe(),
        server: server === null ? null : storedText(server),
        method: command,
        target: target === null ? null : storedText(target)
      }),
    writable: writer.writable,
    reserve: writer.reserve,
    release: writer.release,
    flush: writer.flush
  } satisfies AuditTrailShape
})
