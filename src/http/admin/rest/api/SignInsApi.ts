/** The contract of sign-ins: a viewer's own, and the links by which an admin lets somebody in. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { SignInLink } from "../../operations/UserOperations.ts"
import { Admission, Needs } from "./Admission.ts"
import { created, Id, Page, pageQuery } from "./Shapes.ts"

const { get, post } = HttpApiEndpoint
const del = HttpApiEndpoint.delete

const id = { id: Id }

export const SignInView = Schema.Struct({
  id: Schema.String,
  /** `password`, `once` for a one-time link, `github`, or `oidc` and the provider's name. */
  way: Schema.String,
  userAgent: Schema.NullOr(Schema.String),
  /** ISO 8601, UTC, as all times. */
  createdAt: Schema.String,
  lastSeenAt: Schema.String,
  expiresAt: Schema.String,
  /** Whether it is the one by which this request came. */
  isThis: Schema.Boolean
})

export class SignInsApi extends HttpApiGroup.make("signIns")
  .add(
    get("list", "/api/me/sign-ins", { query: pageQuery, success: Page(SignInView) })
      .annotate(OpenApi.Summary, "Where I am signed in")
      .annotate(Needs, "own"),
    del("revoke", "/api/me/sign-ins/:id", { params: id, success: HttpApiSchema.NoContent })
      .annotate(OpenApi.Summary, "End one of my sign-ins")
      .annotate(Needs, "own"),
    post("link", "/api/users/:id/sign-in-link", { params: id, success: created(SignInLink) })
      .annotate(OpenApi.Summary, "Make a link that signs a user in once; shown only now, and it ends the one before")
      .annotate(Needs, "change")
  )
  .middleware(Admission) {}
