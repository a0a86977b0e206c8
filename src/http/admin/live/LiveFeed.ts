/**
 * The running hub, second by second, for whoever looks at it: one feed for everybody's things and one for each
 * user's own. They are made once for all who look and only while somebody does; otherwise nothing is asked, counted or
 * kept. A reader has at most one message waiting: one who is slower misses deltas and gets a snapshot in their place.
 */
import { type Cause, Clock, Context, Effect, FiberHandle, Layer, Queue, Schema, type Scope } from "effect"
import { Sessions } from "../../../actors/registry/Sessions.ts"
import { type EndedRequest, RequestTracker } from "../../../actors/requests/RequestTracker.ts"
import type { FairShare } from "../../../actors/limits/FairShare.ts"
import type { ServerStates } from "../../../actors/upstream/guards/ServerStates.ts"
import type { UpstreamHealth } from "../../../actors/upstream/guards/UpstreamHealth.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import type { Settings } from "../../../domain/servers/Settings.ts"
import { LatestMinute } from "./LatestMinute.ts"
import { type Audience, make as makeSources } from "./LiveSources.ts"
import { LiveState } from "./LiveState.ts"

/** Milliseconds from one delta to the next. */
const everyMs = 1_000
/** A hub with so much to show that a look takes long is looked at less often: no more than this part of its time. */
const largestPart = 0.03
/** Streams open at once, of one user and of all. */
export const mostReadersOfUser = 8
export const mostReaders = 256

export class TooManyReaders extends Schema.TaggedError<TooManyReaders>()("TooManyReaders", {
  message: Schema.String
}) {}

/** Stands for a delta that was missed. */
const anew = Symbol("snapshot")

interface Reader {
  readonly queue: Queue.Queue<string | typeof anew, Cause.Done>
}

interface Feed {
  readonly audience: Audience
  readonly minute: LatestMinute
  readonly state: LiveState
  readonly readers: Set<Reader>
}

export interface LiveReader {
  /** The next event, as text of an event stream; ends when the hub does. */
  readonly next: Effect.Effect<string, Cause.Done>
}

type Needs = Sessions | RequestTracker | ServerStates | UpstreamHealth | FairShare | Settings

export class LiveFeed extends Context.Service<
  LiveFeed,
  {
    /** For as long as the caller's scope lives. */
    readonly read: (reader: UserId, audience: Audience) => Effect.Effect<LiveReader, TooManyReaders, Scope.Scope>
    /** Streams that are open. */
    readonly readers: () => number
  }
>()("mcphub/http/admin/live/LiveFeed") {
  static readonly layer: Layer.Layer<LiveFeed, never, Needs> = Layer.effect(
    LiveFeed,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const sources = yield* makeSources
  const sessions = yield* Sessions
  const tracker = yield* RequestTracker
  const now = monotonicMillis(yield* Clock.Clock)
  const run = yield* FiberHandle.makeRuntime<never>()
  const feeds = new Map<Audience, Feed>()
  const byUser = new Map<UserId, number>()
  let count = 0
  let unlisten: (() => void) | undefined

  const ended = ({ durationMs, errorKind, record: { userId } }: EndedRequest): void => {
    feeds.get("everybody")?.minute.add(durationMs, errorKind !== undefined)
    feeds.get(userId)?.minute.add(durationMs, errorKind !== undefined)
  }

  const tell = (feed: Feed, delta: string): void => {
    for (const { queue } of feed.readers) Queue.offerUnsafe(queue, Queue.sizeUnsafe(queue) === 0 ? delta : anew)
  }

  /** One look for all readers of a feed; what goes wrong in it costs this look. */
  const look = (feed: Feed): Effect.Effect<void> =>
    Effect.suspend(() => sources.now(feed.audience, feed.minute)).pipe(
      Effect.map((found) => tell(feed, feed.state.advance(found))),
      Effect.catchCause((cause) => Effect.logError("A look at what goes on in the hub failed", cause))
    )

  const endAll = (): void => {
    for (const { readers } of feeds.values()) for (const { queue } of readers) Queue.endUnsafe(queue)
  }

  const watch: Effect.Effect<void> = Effect.gen(function* () {
    let tookMs = 0
    while (feeds.size > 0) {
      yield* Effect.sleep(Math.max(everyMs, tookMs / largestPart))
      // Streams of a hub that stops would hold it up.
      if (sessions.draining()) return endAll()
      const begun = now()
      for (const feed of feeds.values()) yield* look(feed)
      tookMs = now() - begun
    }
  })

  const feedOf = Effect.fnUntraced(function* (audience: Audience) {
    const known = feeds.get(audience)
    if (known !== undefined) return known
    const minute = new LatestMinute(now)
    const state = new LiveState(yield* sources.now(audience, minute))
    // Another reader may have come meanwhile.
    const other = feeds.get(audience)
    if (other !== undefined) return other
    const feed: Feed = { audience, minute, state, readers: new Set() }
    feeds.set(audience, feed)
    unlisten ??= tracker.onEnded(ended)
    if (feeds.size === 1) run(watch)
    return feed
  })

  const leave = (feed: Feed, reader: Reader): void => {
    feed.readers.delete(reader)
    if (feed.readers.size > 0) return
    feeds.delete(feed.audience)
    if (feeds.size > 0) return
    unlisten?.()
    unlisten = undefined
  }

  /** A place among the streams of this user and of all. */
  const place = (userId: UserId) =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const own = byUser.get(userId) ?? 0
        if (own >= mostReadersOfUser || count >= mostReaders) {
          const most = own >= mostReadersOfUser ? `${own} of this user` : `${count}`
          return new TooManyReaders({ message: `As many event streams are open as may be, ${most}; close one` })
        }
        byUser.set(userId, own + 1)
        count++
        return Effect.void
      }),
      () =>
        Effect.sync(() => {
          count--
          const left = byUser.get(userId)! - 1
          if (left === 0) byUser.delete(userId)
          else byUser.set(userId, left)
        })
    )

  return LiveFeed.of({
    read: Effect.fnUntraced(function* (userId, audience) {
      yield* place(userId)
      const queue = yield* Queue.sliding<string | typeof anew, Cause.Done>(1)
      const reader: Reader = { queue }
      const feed = yield* Effect.acquireRelease(
        Effect.tap(feedOf(audience), (found) => Effect.sync(() => found.readers.add(reader))),
        (found) => Effect.sync(() => leave(found, reader))
      )
      Queue.offerUnsafe(queue, anew)
      return { next: Effect.map(Queue.take(queue), (message) => (message === anew ? feed.state.snapshot() : message)) }
    }),
    readers: () => count
  })
})
