/** The routes about what runs and ran in the hub, of everybody. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { FairShare } from "../../../actors/limits/FairShare.ts"
import { CurrentViewer } from "./api/Admission.ts"
import { NotFound } from "./api/Problems.ts"
import { RestApi } from "./api/RestApi.ts"
import { auditAnswer } from "./Audit.ts"
import { Operations, orProblem } from "./Operations.ts"
import { pageOf } from "./Pages.ts"
import { statisticsAnswer } from "./Statistics.ts"

const userOf = (id: string | undefined) => (id === undefined ? null : { id })

export const LiveRoutes = HttpApiBuilder.group(
  RestApi,
  "live",
  Effect.fnUntraced(function* (handlers) {
    const operations = yield* Operations
    const share = yield* FairShare

    return handlers.handleAll({
      sessions: Effect.fnUntraced(function* ({ query }) {
        const all = yield* orProblem(operations.sessionList({ user: userOf(query.user) }))
        return yield* pageOf(all, ({ createdAt, sessionId }) => `${createdAt} ${sessionId}`, query, true)
      }),
      session: ({ params: { id } }) => orProblem(operations.sessionShow({ sessionId: id })),
      endSession: ({ params: { id } }) => orProblem(operations.sessionKill({ sessionId: id })),
      requests: Effect.fnUntraced(function* ({ query }) {
        const all = yield* orProblem(operations.requestList({ user: userOf(query.user) }))
        return yield* pageOf(all, ({ requestId, startedAt }) => `${startedAt} ${requestId}`, query)
      }),
      request: Effect.fnUntraced(function* ({ params: { id } }) {
        const all = yield* orProblem(operations.requestList({ user: null }))
        const found = all.find(({ requestId }) => requestId === id)
        if (found !== undefined) return found
        return yield* new NotFound({ kind: "UnknownRequest", detail: "No such request is in flight" })
      }),
      cancelRequest: ({ params: { id } }) => orProblem(operations.requestCancel({ requestId: id })),
      audit: ({ query: { user, ...query }, request }) =>
        Effect.flatMap(CurrentViewer, (viewer) =>
          auditAnswer({ operations, share, viewer, request }, user === undefined ? undefined : { id: user }, query)
        ),
      statistics: ({ query: { user, ...query } }) =>
        statisticsAnswer(operations, user === undefined ? null : { id: user }, query),
      stats: () =>
        orProblem(
          Effect.all([operations.hubStatus(), operations.sessionStats({ user: null })]).pipe(
            Effect.map(([figures, live]) => ({ ...figures, live }))
          )
        ),
      upstreams: () => orProblem(operations.serverList())
    })
  })
)
