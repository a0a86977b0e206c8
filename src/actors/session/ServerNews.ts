/**
 * The messages of servers that belong to no call, at the rate at which a session takes them: each that goes on is a
 * request of its own to the tracker, the log and the audit trail, so a server that never stops talking must not fill
 * them, even where it has the hub to itself.
 *
 * Beyond the rate only the latest counts of those that say the same: that a list or a resource has changed. It waits in
 * its user's memory and goes on as soon as the rate allows. Everything else is dropped, a server's request unanswered, as
 * is what has no room there. Both are counted, and said once a minute.
 */
import { Clock, Effect } from "effect"
import type { SessionId } from "../../domain/Ids.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import * as Seldom from "../../domain/Seldom.ts"
import { textOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import { weightOf } from "../../domain/protocol/json/JsonWeight.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { TokenBucket } from "../../domain/TokenBucket.ts"
import { FairShare } from "../limits/FairShare.ts"
import type { Room } from "../limits/Retained.ts"
import { type Counter, HubMetrics } from "../observing/HubMetrics.ts"
import type { UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import type { SessionBackground } from "./SessionBackground.ts"

export type Hear = (server: string, message: UpstreamMessage) => void

export interface NewsOptions {
  readonly sessionId: SessionId
  /** The user as of the latest message. */
  readonly principal: () => Principal
  /** Of the user's memory, for what waits. */
  readonly room: Room
  readonly background: SessionBackground
  readonly deliver: Hear
}

/** Messages of one server to one session: so many at once, and so many a second for ever. */
export const newsRate = { capacity: 500, perSecond: 50 }
/** Different messages of one server that wait, and characters of what tells two apart. */
const maxHeld = 1_024
const maxName = 4_096

/** What a message costs that goes on, in requests: it is tracked, written twice and sent to the client. */
const newsUnits = 1 / 4

interface Held {
  readonly message: UpstreamMessage
  readonly bytes: number
}

interface News {
  readonly rate: TokenBucket
  readonly held: Map<string, Held>
  readonly coalesced: Counter
  readonly dropped: Counter
  /** A fiber brings what waits. */
  isWaiting: boolean
  /** Messages that did not go on, since a line said so. */
  left: number
}

/** The message, and what it says the same as; without all that a later one would not say. */
const briefly = (message: UpstreamMessage): readonly [key: string, message: UpstreamMessage] | undefined => {
  const { method } = message
  if ("id" in message) return undefined
  if (method.endsWith("/list_changed") && method.length <= maxName) return [method, { jsonrpc: "2.0", method }]
  const uri = textOrEmpty(message.params?.["uri"])
  if (method !== "notifications/resources/updated" || uri.length > maxName) return undefined
  return [`${method} ${uri}`, { jsonrpc: "2.0", method, params: { uri } }]
}

export const make = Effect.fnUntraced(function* ({ background, deliver, principal, room, sessionId }: NewsOptions) {
  const metrics = yield* HubMetrics
  const share = yield* FairShare
  const now = monotonicMillis(yield* Clock.Clock)
  const floods = Seldom.make(now)
  const servers = new Map<string, News>()

  const newsOf = (server: string): News => {
    let news = servers.get(server)
    if (news === undefined) {
      news = {
        rate: new TokenBucket(newsRate, now()),
        held: new Map(),
        coalesced: metrics.counter(
          "mcphub_server_messages_coalesced_total",
          "Messages of servers in whose place a later one went on",
          { server }
        ),
        dropped: metrics.counter(
          "mcphub_server_messages_dropped_total",
          "Messages of servers beyond the rate of a session",
          { server }
        ),
        isWaiting: false,
        left: 0
      }
      servers.set(server, news)
    }
    return news
  }

  const say = (server: string, news: News): void => {
    if (!floods.tell(server)) return
    const { userId, username } = principal()
    background.run(
      Effect.logWarning("A server sends more than a session takes; of what says the same the latest goes on").pipe(
        Effect.annotateLogs({ server, userId, user: username, sessionId, left: news.left })
      )
    )
    news.left = 0
  }

  const goOn = (server: string, message: UpstreamMessage): void => {
    share.charge(principal().userId, "news", newsUnits)
    deliver(server, message)
  }

  const goOnLater = (server: string, news: News): Effect.Effect<void> =>
    Effect.gen(function* () {
      const { held, rate } = news
      while (held.size > 0) {
        yield* Effect.sleep(rate.wait(now()))
        const [first] = held
        if (first === undefined || !rate.take(now())) continue
        const [key, { bytes, message }] = first
        held.delete(key)
        room.release(bytes)
        goOn(server, message)
      }
      news.isWaiting = false
    })

  const hold = (server: string, news: News, message: UpstreamMessage): void => {
    news.left++
    say(server, news)
    const said = briefly(message)
    if (said === undefined) return news.dropped.increment()
    const [key, brief] = said
    const { held } = news
    if (held.has(key)) return news.coalesced.increment()
    const bytes = key.length + weightOf(brief)
    if (held.size >= maxHeld || !room.hold(bytes)) return news.dropped.increment()
    held.set(key, { message: brief, bytes })
    if (news.isWaiting) return
    news.isWaiting = true
    background.run(goOnLater(server, news))
  }

  const hear: Hear = (server, message) => {
    const news = newsOf(server)
    if (news.held.size === 0 && news.rate.take(now())) goOn(server, message)
    else hold(server, news, message)
  }

  return hear
})
