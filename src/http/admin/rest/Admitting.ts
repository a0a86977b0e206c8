/**
 * The way of every request to the admin API up to its handler: who asks, whether they may, their turn among the hub's
 * users, and the body, bounded in bytes and time. Whatever goes wrong on it or in the handler leaves as a problem, and
 * every answer forbids caches to keep it.
 */
import { ByteSize, Cause, Context, Effect, Layer, SchemaAST, SchemaIssue } from "effect"
import {
  HttpIncomingMessage,
  HttpMethod,
  HttpRouter,
  type HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse
} from "effect/http"
import { type HttpApiEndpoint, HttpApiError } from "effect/http-api"
import { AuditTrail, type AuditTrailShape } from "../../../actors/observing/AuditTrail.ts"
import { FairShare } from "../../../actors/limits/FairShare.ts"
import { mayDo, type Need, type Viewer } from "../../../domain/access/Viewer.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { Admission, BodyLimit, CurrentViewer, Needs } from "./api/Admission.ts"
import {
  BadRequest,
  Broken,
  Forbidden,
  NotFound,
  isProblem,
  type Problem,
  TooLarge,
  TooMany,
  TooSlow,
  Unauthorized,
  UnsupportedMedia,
  Unavailable
} from "./api/Problems.ts"
import { isChange, Viewers } from "./Viewers.ts"

/** Milliseconds within which a body has to be there. */
const bodyMs = 15_000

export const always = { "cache-control": "no-store", "x-content-type-options": "nosniff" }

/** Headers that a problem carries beside its body. */
const headersOf = (problem: Problem): Readonly<Record<string, string>> => {
  if (problem instanceof Unauthorized) return { "www-authenticate": 'Bearer realm="mcphub"' }
  if (problem instanceof TooMany || problem instanceof Unavailable) {
    return { "retry-after": String(problem.retryAfterSeconds) }
  }
  // The rest of the body is not taken in.
  return problem instanceof TooLarge || problem instanceof TooSlow ? { connection: "close" } : {}
}

export const answerOf = (problem: Problem): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.map(
    HttpServerRespondable.toResponse(problem),
    HttpServerResponse.setHeaders({ ...always, ...headersOf(problem) })
  )

const needed = (need: Need, { role, via }: Viewer): Forbidden => {
  const detail =
    need === "read"
      ? "Only admins and auditors see this"
      : role === "admin" && via === "key"
        ? "A key never changes servers, settings or other users; sign in as an admin"
        : "Only an admin who has signed in may do this"
  return new Forbidden({ kind: "NotAllowed", detail })
}

const tooMany = new TooMany({
  kind: "TooManyWaiting",
  detail: "Too many requests of this user wait for their turn; send fewer at once",
  retryAfterSeconds: 5
})

/** Runs when it is the user's turn, as a request of theirs to the MCP endpoint would, and says whether it had to wait. */
export const inTurn = <A, E, R>(
  share: FairShare["Service"],
  userId: UserId,
  run: (hasWaited: boolean) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | TooMany, R> =>
  Effect.suspend(() => {
    let hasBegun = false
    let hasWaited = false
    const turn = Effect.callback<void, TooMany>((resume) => {
      const admission = share.admit(userId, true, () => {
        hasBegun = true
        resume(Effect.void)
      })
      if (admission === "refused") return void resume(Effect.fail(tooMany))
      if (admission === "runs") return undefined
      hasWaited = true
      return Effect.sync(admission)
    })
    const end = Effect.sync(() => {
      if (hasBegun) share.ended(userId)
    })
    return Effect.ensuring(
      Effect.flatMap(turn, () => run(hasWaited)),
      end
    )
  })

const bodyProblem = (error: HttpServerError.HttpServerError, limit: number): TooLarge | BadRequest =>
  error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"
    ? new TooLarge({ kind: "BodyTooLarge", detail: `The body is larger than ${limit} bytes` })
    : new BadRequest({ kind: "BodyBroken", detail: "The body could not be read to its end" })

/** Read once, and remembered by the request: the contract decodes it from there. */
export const readBody = (request: HttpServerRequest.HttpServerRequest, limit: number) =>
  request.text.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(limit)),
    Effect.mapError((error) => bodyProblem(error, limit)),
    Effect.timeoutOrElse({
      duration: bodyMs,
      orElse: () => Effect.fail(new TooSlow({ kind: "BodyTooSlow", detail: "The body did not arrive in time" }))
    })
  )

/** Says of an unknown name those that are known. */
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag !== "UnexpectedKey") return SchemaIssue.defaultLeafHook(issue)
    return unknownName(SchemaAST.isObjects(issue.ast) ? issue.ast.propertySignatures.map(({ name }) => name) : [])
  }
})

const unknownName = (known: ReadonlyArray<PropertyKey>): string =>
  known.length === 0
    ? "There is nothing to say here"
    : `There is no such name here; there are: ${known.map(String).join(", ")}`

type Issue = NonNullable<BadRequest["errors"]>[number]

const malformed = (issues: ReadonlyArray<Issue>): BadRequest => {
  const first = issues.slice(0, 1).map(({ message, path }) => `: ${path.join(".")}: ${message}`)
  return new BadRequest({
    kind: "Malformed",
    detail: `The request does not have the form that the API takes${first.join("")}`,
    errors: issues.slice(0, 20)
  })
}

/** What is said to an operation that takes nothing would be dropped without a word. */
const ofNothingTaken = (
  endpoint: HttpApiEndpoint.Top,
  names: ReadonlyArray<string>,
  body: string
): Problem | undefined => {
  const issues: ReadonlyArray<Issue> = [
    ...(endpoint.query === undefined ? names : []).map((name) => ({
      path: ["query", keyOf(name)],
      message: unknownName([])
    })),
    ...(endpoint.payload.size > 0 || /^\s*(?:\{\s*\}\s*)?$/.test(body)
      ? []
      : [{ path: ["payload"], message: unknownName([]) }])
  ]
  return issues.length === 0 ? undefined : malformed(issues)
}

/** An address of which a part has the wrong form names nothing. */
const ofSchema = (error: HttpApiError.HttpApiSchemaError): Problem => {
  if (error.kind === "Params") return new NotFound({ kind: "NotFound", detail: "There is nothing at this address" })
  const { issues } = issuesOf(error.cause.issue)
  return malformed(
    issues.map(({ message, path }) => ({ path: [error.kind.toLowerCase(), ...(path ?? []).map(keyOf)], message }))
  )
}

const keyOf = (part: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof part === "object" ? part.key : part
  return typeof key === "number" ? key : String(key).slice(0, 100)
}

const notJson = new UnsupportedMedia({ kind: "NotJson", detail: "Send the body as application/json" })

const broken = new Broken({ kind: "Internal", detail: "Internal error; the hub's log has the details" })

/** A defect of the hub, or an answer that does not have its own form. */
const reported = (endpoint: HttpApiEndpoint.Top, cause: Cause.Cause<unknown>) =>
  Effect.as(
    Effect.annotateLogs(Effect.logError("A request died of a defect in the admin API", cause), {
      method: endpoint.method,
      path: endpoint.path
    }),
    broken
  )

/** Who changed what: the operation, and what of its address is no server. */
const noted = (
  audit: AuditTrailShape,
  viewer: Viewer,
  { method, path }: HttpApiEndpoint.Top,
  { server, ...others }: Readonly<Record<string, string | undefined>>
): void => {
  const named = Object.values(others).filter((value) => value !== undefined)
  audit.administered(viewer, `${method} ${path}`, server ?? null, named.length === 0 ? null : named.join(" "))
}

export const layer = Layer.effect(
  Admission,
  Effect.gen(function* () {
    const viewers = yield* Viewers
    const share = yield* FairShare
    const audit = yield* AuditTrail

    return Admission.of((handler, { endpoint }) => {
      const need = Context.get(endpoint.annotations, Needs)
      const limit = Context.get(endpoint.annotations, BodyLimit)
      const hasBody = HttpMethod.hasBody(endpoint.method)
      return Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const admitted = Effect.filterOrElse(
          viewers.of(request),
          (one) => need === "own" || mayDo(one, need),
          (one) => Effect.fail(needed(need, one))
        )
        const viewer = yield* admitted
        const run = (one: Viewer) => Effect.provideService(handler, CurrentViewer, one)
        const answer = yield* inTurn(share, viewer.userId, (hasWaited) =>
          Effect.gen(function* () {
            const body = hasBody ? yield* readBody(request, limit) : ""
            const untaken = ofNothingTaken(endpoint, Object.keys(yield* HttpServerRequest.ParsedSearchParams), body)
            if (untaken !== undefined) return yield* untaken
            // Whoever was let in before the wait or the body may have lost their key, sign-in or role since.
            const done = yield* run(hasBody || hasWaited ? yield* admitted : viewer)
            return done.status === 415 ? yield* notJson : done
          })
        )
        if (isChange(endpoint.method)) noted(audit, viewer, endpoint, yield* HttpRouter.params)
        return answer
      }).pipe(
        Effect.map(HttpServerResponse.setHeaders(always)),
        Effect.catchCause((cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
          const error = Cause.squash(cause)
          if (HttpApiError.HttpApiSchemaError.is(error) && error.kind !== "Body" && error.kind !== "ResponseHeaders") {
            return answerOf(ofSchema(error))
          }
          if (isProblem(error)) return answerOf(error)
          return Effect.flatMap(reported(endpoint, cause), answerOf)
        })
      )
    })
  })
)
