/** Rows of the audit trail for the API: a page at a time, the newest first. */
import { Effect } from "effect"
import type { AuditView } from "../operations/AuditOperations.ts"
import type { UserRef } from "../operations/UserRef.ts"
import { usualLimit } from "./api/Shapes.ts"
import { type Operations, orProblem } from "./Operations.ts"
import { cursorOfNumber, numberOf, type PageQuery } from "./Pages.ts"

export interface AuditQuery extends PageQuery {
  readonly session?: string | undefined
  readonly server?: string | undefined
  readonly tool?: string | undefined
  readonly outcome?: AuditView["outcome"] | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

const millis = (time: string | undefined): number | undefined => (time === undefined ? undefined : Date.parse(time))

/** The rows of a user, or of everybody where none is named. */
export const auditPage = Effect.fnUntraced(function* (
  { auditFind }: Operations["Service"],
  user: UserRef | undefined,
  { cursor, limit = usualLimit, since, tool, until, ...filter }: AuditQuery
) {
  const before = cursor === undefined ? undefined : yield* numberOf(cursor)
  // One more than asked for says whether there are more.
  const rows = yield* orProblem(
    auditFind({
      ...filter,
      user,
      target: tool,
      since: millis(since),
      until: millis(until),
      before,
      limit: limit + 1
    })
  )
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? cursorOfNumber(last.seq) : null }
})
