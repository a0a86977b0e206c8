/**
 * The client's notifications: what each means here, and which of them every server of the session hears. A server may
 * take its time to accept one, so those on their way to servers have a bound on their number and in their user's memory.
 */
import { Effect } from "effect"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { JsonRpcNotification } from "../../domain/protocol/JsonRpc.ts"
import { weightOf } from "../../domain/protocol/json/JsonWeight.ts"
import type { ClientQuestions } from "../calls/ClientQuestions.ts"
import type { Room } from "../limits/Retained.ts"
import type { AuditPlaces } from "./SessionAccess.ts"
import type { SessionActivity } from "./SessionActivity.ts"
import type { SessionBackground } from "./SessionBackground.ts"
import type { SessionIntake } from "./SessionIntake.ts"
import type { CallContext } from "../upstream/connection/UpstreamConnection.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"

export interface SessionNotifications {
  readonly notify: (message: JsonRpcNotification, principal: Principal) => void
  /** Why these may not be taken now, all of one POST: servers have too many to accept. */
  readonly notificationsRefused: (messages: ReadonlyArray<JsonRpcNotification>) => string | undefined
}

/** Notifications that servers have not accepted yet: as many as a batch may have, so that a batch can be taken. */
const maxOnTheirWay = 100

export interface NotificationOptions {
  readonly activity: SessionActivity
  readonly background: SessionBackground
  readonly intake: SessionIntake
  readonly links: UpstreamLinks
  /** Whether the server may hear of the client's roots. */
  readonly hearsRoots: (server: string) => boolean
  readonly places: AuditPlaces
  /** Of the user's memory. */
  readonly room: Room
  readonly questions: ClientQuestions
}

const rootsChanged = "notifications/roots/list_changed"

const isForServers = ({ method }: JsonRpcNotification): boolean =>
  method !== "notifications/cancelled" && method !== "notifications/progress" && method !== "notifications/initialized"

export const make = ({
  activity,
  background,
  intake,
  links,
  hearsRoots,
  places,
  questions,
  room
}: NotificationOptions): SessionNotifications => {
  let onTheirWay = 0

  /** It is kept as it came, and as the text that goes to each server. */
  const bytesOf = ({ params }: JsonRpcNotification): number => weightOf(params) * (1 + [...links.live()].length)

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
          [...links.live()].filter(({ server }) => message.method !== rootsChanged || hearsRoots(server)),
          (connection) => Effect.ignore(connection.notify(message.method, message.params, context)),
          { concurrency: "unbounded", discard: true }
        )
    }
  }

  const forward = (message: JsonRpcNotification, principal: Principal): void => {
    const bytes = bytesOf(message)
    if (!room.hold(bytes)) return
    onTheirWay++
    const accepted = Effect.sync(() => {
      onTheirWay--
      room.release(bytes)
    })
    const use = (context: CallContext) => handle(message, context)
    background.run(Effect.ensuring(background.tracked(principal, message.method, use, places), accepted))
  }

  return {
    notify: (message, principal) => {
      activity.seen(principal)
      if (activity.ending() || principal.standing.key.isRevoked) return
      if (isForServers(message)) forward(message, principal)
      else background.track(principal, message.method, (context) => handle(message, context), places)
    },
    notificationsRefused: (messages) => {
      const forServers = messages.filter(isForServers)
      if (forServers.length === 0) return undefined
      if (onTheirWay + forServers.length > maxOnTheirWay) return tooMany
      const bytes = forServers.reduce((sum, message) => sum + bytesOf(message), 0)
      if (!room.hold(bytes)) return noRoom
      room.release(bytes)
      return undefined
    }
  }
}

const tooMany = `Servers have not accepted ${maxOnTheirWay} notifications of this session yet; send this again in a moment`

const noRoom =
  "There is no room for more notifications that servers have not accepted yet (an eighth of MAX_MEMORY_PER_USER); send this again in a moment"
