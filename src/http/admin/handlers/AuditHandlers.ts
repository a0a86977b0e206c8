/** The operations on the audit trail. */
import { Effect } from "effect"
import { AuditTrail } from "../../../actors/observing/AuditTrail.ts"
import type { AuditRow } from "../../../domain/records/AuditEvent.ts"
import { AuditLog } from "../../../domain/records/AuditLog.ts"
import { isUuid, SessionId } from "../../../domain/Ids.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { AuditOperations, type AuditView } from "../operations/AuditOperations.ts"
import { asRefusal } from "../operations/OperationRefused.ts"
import { idOfUser, iso } from "./Lookup.ts"

const view = ({ time, ...row }: AuditRow): AuditView => ({ ...row, time: iso(time) })

export const AuditHandlers = AuditOperations.toLayer(
  Effect.gen(function* () {
    const log = yield* AuditLog
    const users = yield* Users
    // The trail of the running hub; without a hub it is empty and `flush` has nothing to wait for.
    const trail = yield* AuditTrail

    return AuditOperations.of({
      auditTail: Effect.fnUntraced(function* ({ after, limit, outcome, server, since, user }) {
        // The operator has seen the answers to these requests, so their rows must be there.
        yield* trail.flush
        const rows = yield* log.find({
          limit,
          server: server ?? undefined,
          outcome: outcome ?? undefined,
          since: since ?? undefined,
          after: after ?? undefined,
          userId: user === null ? undefined : yield* idOfUser(users, user)
        })
        return rows.map(view)
      }, asRefusal),
      auditFind: Effect.fnUntraced(function* ({ session, user, ...query }) {
        if (session !== undefined && !isUuid(session)) return []
        yield* trail.flush
        const userId = user === undefined ? undefined : yield* idOfUser(users, user)
        const sessionId = session === undefined ? undefined : SessionId.make(session)
        return (yield* log.find({ ...query, userId, sessionId, newest: true })).map(view)
      }, asRefusal)
    })
  })
)
