/** A viewer's own things: every question carries their id, and asks for nothing else. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { FairShare } from "../../../actors/limits/FairShare.ts"
import { mayDo } from "../../../domain/access/Viewer.ts"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { CurrentViewer } from "./api/Admission.ts"
import { RestApi } from "./api/RestApi.ts"
import { auditAnswer } from "./Audit.ts"
import { changeKey } from "./Keys.ts"
import { Operations, orProblem } from "./Operations.ts"
import { pageOf } from "./Pages.ts"
import { statisticsAnswer } from "./Statistics.ts"

export const MeRoutes = HttpApiBuilder.group(
  RestApi,
  "me",
  Effect.fnUntraced(function* (handlers) {
    const { version } = yield* HubConfig
    const operations = yield* Operations
    const share = yield* FairShare
    /** The viewer as the owner that a query names. */
    const owner = Effect.map(CurrentViewer, ({ userId }) => userId)
    const user = Effect.map(owner, (id) => ({ id }))

    return handlers.handleAll({
      show: () =>
        Effect.map(CurrentViewer, (viewer) => ({
          userId: viewer.userId,
          username: viewer.username,
          role: viewer.role,
          via: viewer.via,
          mayChange: mayDo(viewer, "change"),
          csrf: viewer.csrf ?? null,
          version
        })),
      keys: Effect.fnUntraced(function* ({ query }) {
        const all = yield* orProblem(operations.keyList({ user: yield* user }))
        return yield* pageOf(all, (key) => `${key.createdAt} ${key.id}`, query, true)
      }),
      createKey: Effect.fnUntraced(function* ({ payload: { days, name } }) {
        return yield* orProblem(operations.keyCreate({ user: yield* user, name: name ?? null, days: days ?? null }))
      }),
      key: Effect.fnUntraced(function* ({ params }) {
        return yield* orProblem(operations.keyShow({ key: params.id, owner: yield* owner }))
      }),
      changeKey: Effect.fnUntraced(function* ({ params, payload }) {
        return yield* changeKey(operations, params.id, yield* owner, payload)
      }),
      revokeKey: Effect.fnUntraced(function* ({ params }) {
        return yield* orProblem(operations.keyRevoke({ key: params.id, owner: yield* owner }))
      }),
      tokens: Effect.fnUntraced(function* ({ query }) {
        return yield* pageOf(yield* orProblem(operations.tokenList({ user: yield* user })), ({ name }) => name, query)
      }),
      setToken: Effect.fnUntraced(function* ({ params: { name }, payload: { value }, query: { key } }) {
        return yield* orProblem(operations.tokenSet({ user: yield* user, name, key: key ?? null, value }))
      }),
      removeToken: Effect.fnUntraced(function* ({ params: { name }, query: { key } }) {
        return yield* orProblem(operations.tokenRemove({ user: yield* user, name, key: key ?? null }))
      }),
      groups: Effect.fnUntraced(function* ({ query }) {
        return yield* pageOf(
          yield* orProblem(operations.groupList({ user: yield* user })),
          ({ id, name }) => `${name} ${id}`,
          query
        )
      }),
      servers: Effect.fnUntraced(function* ({ query }) {
        return yield* pageOf(yield* orProblem(operations.serversOf({ user: yield* user })), ({ name }) => name, query)
      }),
      sessions: Effect.fnUntraced(function* ({ query }) {
        const all = yield* orProblem(operations.sessionList({ user: yield* user }))
        return yield* pageOf(all, ({ createdAt, sessionId }) => `${createdAt} ${sessionId}`, query, true)
      }),
      session: Effect.fnUntraced(function* ({ params }) {
        return yield* orProblem(operations.sessionShow({ sessionId: params.id, owner: yield* owner }))
      }),
      endSession: Effect.fnUntraced(function* ({ params }) {
        return yield* orProblem(operations.sessionKill({ sessionId: params.id, owner: yield* owner }))
      }),
      requests: Effect.fnUntraced(function* ({ query }) {
        const all = yield* orProblem(operations.requestList({ user: yield* user }))
        return yield* pageOf(all, ({ requestId, startedAt }) => `${startedAt} ${requestId}`, query)
      }),
      cancelRequest: Effect.fnUntraced(function* ({ params }) {
        return yield* orProblem(operations.requestCancel({ requestId: params.id, owner: yield* owner }))
      }),
      audit: Effect.fnUntraced(function* ({ query, request }) {
        const viewer = yield* CurrentViewer
        return yield* auditAnswer({ operations, share, viewer, request }, { id: viewer.userId }, query)
      }),
      statistics: Effect.fnUntraced(function* ({ query }) {
        return yield* statisticsAnswer(operations, yield* user, query)
      }),
      stats: Effect.fnUntraced(function* () {
        return yield* orProblem(operations.userStats({ user: yield* user }))
      })
    })
  })
)
