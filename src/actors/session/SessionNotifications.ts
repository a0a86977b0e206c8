/** The client's notifications: what each means here, and which of them every server of the session hears. */
import { Effect } from "effect"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { JsonRpcNotification } from "../../domain/protocol/JsonRpc.ts"
import type { ClientQuestions } from "../calls/ClientQuestions.ts"
import type { AuditPlaces } from "./AuditPlaces.ts"
import type { SessionActivity } from "./SessionActivity.ts"
import type { SessionBackground } from "./SessionBackground.ts"
import type { SessionIntake } from "./SessionIntake.ts"
import type { CallContext } from "../upstream/connection/UpstreamConnection.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"

export type Notify = (message: JsonRpcNotification, principal: Principal) => void

export interface NotificationOptions {
  readonly activity: SessionActivity
  readonly background: SessionBackground
  readonly intake: SessionIntake
  readonly links: UpstreamLinks
  readonly places: AuditPlaces
  readonly questions: ClientQuestions
}

export const make = ({ activity, background, intake, links, places, questions }: NotificationOptions): Notify => {
  const handle = (message: JsonRpcNotification, context: CallContext): Effect.Effect<void> => {
    switch (message.method) {
      case "notifications/cancelled":
        return Effect.sync(() => intake.cancel(message.params, context.principal))
      case "notifications/progress":
        return Effect.sync(() => questions.progress(message.params))
      case "notifications/initialized":
        return Effect.void
      default:
        // Roots and whatever else concerns the session: every server of the session hears it.
        return Effect.forEach(
          [...links.live()],
          (connection) => Effect.ignore(connection.notify(message.method, message.params, context)),
          { concurrency: "unbounded", discard: true }
        )
    }
  }

  return (message, principal) => {
    activity.seen(principal)
    if (activity.ending()) return
    background.track(principal, message.method, (context) => handle(message, context), places)
  }
}
