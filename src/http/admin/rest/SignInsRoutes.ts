/** A viewer's own sign-ins, by queries that name their owner, and links that sign a user in. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { type SignIn, SignIns } from "../../../domain/identity/SignIns.ts"
import { SignInId } from "../../../domain/Ids.ts"
import { CurrentViewer } from "./api/Admission.ts"
import { NotFound, Unavailable } from "./api/Problems.ts"
import { RestApi } from "./api/RestApi.ts"
import { Operations, orProblem } from "./Operations.ts"
import { pageOf } from "./Pages.ts"

const silent = new Unavailable({
  kind: "DatabaseUnavailable",
  detail: "The database does not answer; try again",
  retryAfterSeconds: 2
})

const iso = (millis: number): string => new Date(millis).toISOString()

const view =
  (current: string | undefined) =>
  ({ createdAt, expiresAt, id, lastSeenAt, userAgent, way }: SignIn) => ({
    id,
    way,
    userAgent,
    createdAt: iso(createdAt),
    lastSeenAt: iso(lastSeenAt),
    expiresAt: iso(expiresAt),
    isThis: id === current
  })

export const SignInsRoutes = HttpApiBuilder.group(
  RestApi,
  "signIns",
  Effect.fnUntraced(function* (handlers) {
    const signIns = yield* SignIns
    const operations = yield* Operations

    return handlers.handleAll({
      list: Effect.fnUntraced(function* ({ query }) {
        const { signInId, userId } = yield* CurrentViewer
        const all = yield* Effect.mapError(signIns.listByUser(userId), () => silent)
        return yield* pageOf(all.map(view(signInId)), ({ createdAt, id }) => `${createdAt} ${id}`, query, true)
      }),
      revoke: Effect.fnUntraced(function* ({ params: { id } }) {
        const { userId } = yield* CurrentViewer
        yield* signIns.revoke(userId, SignInId.make(id.toLowerCase())).pipe(
          Effect.catchTags({
            DatabaseUnavailable: () => Effect.fail(silent),
            SignInNotFound: ({ message }) => Effect.fail(new NotFound({ kind: "SignInNotFound", detail: message }))
          })
        )
      }),
      link: ({ params: { id } }) => orProblem(operations.userSignInLink({ user: { id } }))
    })
  })
)
