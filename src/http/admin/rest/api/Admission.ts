/** The contract's side of admission: every operation has a viewer, says what it asks of them, and bounds its body. */
import { Context } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import type { Need, Viewer } from "../../../../domain/access/Viewer.ts"
import { problems } from "./Problems.ts"

/** Whoever asks, in the handlers of the API. */
export class CurrentViewer extends Context.Service<CurrentViewer, Viewer>()(
  "mcphub/http/admin/rest/api/CurrentViewer"
) {}

/** An operation that says nothing is one that only a signed-in admin may do. */
export const Needs = Context.Reference<Need>("mcphub/http/admin/rest/api/Needs", { defaultValue: () => "change" })

/** Bytes that a body may have. */
export const BodyLimit = Context.Reference<number>("mcphub/http/admin/rest/api/BodyLimit", {
  defaultValue: () => 64 * 1024
})

export class Admission extends HttpApiMiddleware.Service<Admission, { provides: CurrentViewer }>()(
  "mcphub/http/admin/rest/api/Admission",
  { error: problems }
) {}
