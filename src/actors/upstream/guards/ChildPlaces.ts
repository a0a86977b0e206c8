/**
 * The places for child processes: so many for each user (`MAX_CHILDREN_PER_USER`) and for all of them together
 * (`MAX_CHILDREN`). Before a server is refused one, a child that nobody uses at the moment gives way: one that was never
 * called before one that may have something to lose, and among these the least recently used.
 *
 * Where a child is just being started, listed or ended, and might then make room, whoever wants a place waits for that.
 *
 * A user's own children give way to that user. Where the hub as a whole is full, the children of users who have more of
 * them do, too; so nobody loses a child to somebody who has as many.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { UpstreamUnavailable } from "../../../domain/requests/UpstreamErrors.ts"
import { UserLimits } from "../../limits/UserLimits.ts"

/** A child process that may have to give way. */
export interface Child {
  readonly userId: UserId
  /** Whether its end would interrupt nothing. */
  readonly isIdle: () => boolean
  /** It was started for its lists and never called, so it keeps nothing for anybody. */
  readonly isBlank: () => boolean
  /** It is blank and about to be idle: all it has to do is to list what it offers. */
  readonly isListing: () => boolean
  /** Monotonic milliseconds. */
  readonly usedAt: () => number
  /** Ends it, in order; done when its place is free. */
  readonly giveWay: Effect.Effect<void>
}

const retryAfterMs = 5_000

export class ChildPlaces extends Context.Service<
  ChildPlaces,
  {
    /** One of the user's places for the life of the caller's scope. That there is none says nothing about the server. */
    readonly take: (userId: UserId, server: string) => Effect.Effect<void, UpstreamUnavailable, Scope.Scope>
    /** Whether the user could start one more without anybody giving way. */
    readonly hasFree: (userId: UserId) => boolean
    /** The child may give way, for the life of the caller's scope. */
    readonly offer: (child: Child) => Effect.Effect<void, never, Scope.Scope>
    /** Some child may be idle now that was not before. */
    readonly look: () => void
    /** Children that gave way since the hub started. */
    readonly gaveWay: () => number
    /** Children that were refused a place. */
    readonly refused: () => number
  }
>()("mcphub/actors/upstream/guards/ChildPlaces") {
  static readonly layer: Layer.Layer<ChildPlaces, never, UserLimits> = Layer.effect(
    ChildPlaces,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const { maxChildren, maxChildrenPerUser } = yield* HubConfig
  const limits = yield* UserLimits
  const children = new Set<Child>()
  /** Those who wait for a place. */
  const waiting = new Set<() => void>()
  let gaveWay = 0
  let refused = 0

  const look = (): void => {
    if (waiting.size === 0) return
    const all = [...waiting]
    waiting.clear()
    for (const tell of all) tell()
  }

  const change = Effect.callback<void>((resume) => {
    const tell = (): void => resume(Effect.void)
    waiting.add(tell)
    return Effect.sync(() => void waiting.delete(tell))
  })

  const hasOwnLeft = (userId: UserId): boolean => limits.taken(userId, "children") < maxChildrenPerUser

  const hasFree = (userId: UserId): boolean => hasOwnLeft(userId) && limits.total("children") < maxChildren

  const mayTakeFrom = (userId: UserId, owner: UserId): boolean =>
    owner === userId || (hasOwnLeft(userId) && limits.taken(owner, "children") > limits.taken(userId, "children") + 1)

  const isBefore = (one: Child, other: Child): boolean =>
    one.isBlank() === other.isBlank() ? one.usedAt() < other.usedAt() : one.isBlank()

  const nextToGo = (userId: UserId): Child | undefined => {
    let found: Child | undefined
    for (const child of children) {
      if (!mayTakeFrom(userId, child.userId) || !child.isIdle()) continue
      if (found === undefined || isBefore(child, found)) found = child
    }
    return found
  }

  /** What has a place and is not offered is being started, or has begun to end. */
  const mayComeFree = (userId: UserId): boolean => {
    const isOwn = !hasOwnLeft(userId)
    const eligible = [...children].filter((child) => !isOwn || child.userId === userId)
    const taken = isOwn ? limits.taken(userId, "children") : limits.total("children")
    return taken > eligible.length || eligible.some((child) => mayTakeFrom(userId, child.userId) && child.isListing())
  }

  const noPlace = (userId: UserId, server: string): UpstreamUnavailable => {
    refused++
    const [found, variable] = hasOwnLeft(userId)
      ? [`${maxChildren} processes run in this hub`, "MAX_CHILDREN"]
      : [`${maxChildrenPerUser} processes run for this user`, "MAX_CHILDREN_PER_USER"]
    return new UpstreamUnavailable({
      server,
      reason: "limit",
      message: `Server ${server} was not started: ${found} and all are in use; end a session or raise ${variable}`,
      retryAfterMs
    })
  }

  const takeNow = (userId: UserId) =>
    Effect.acquireRelease(
      Effect.sync(() => hasFree(userId) && limits.take(userId, "children", maxChildrenPerUser)),
      (isTaken) =>
        Effect.sync(() => {
          if (!isTaken) return
          limits.give(userId, "children")
          look()
        })
    )

  const take: ChildPlaces["Service"]["take"] = Effect.fnUntraced(function* (userId, server) {
    while (!(yield* takeNow(userId))) {
      const child = nextToGo(userId)
      if (child === undefined) {
        if (!mayComeFree(userId)) return yield* noPlace(userId, server)
        yield* change
        continue
      }
      // Nobody else counts on it, from here on.
      children.delete(child)
      gaveWay++
      yield* child.giveWay
    }
  })

  return ChildPlaces.of({
    take,
    hasFree,
    offer: (child) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          children.add(child)
          look()
        }),
        () => Effect.sync(() => void children.delete(child))
      ),
    look,
    gaveWay: () => gaveWay,
    refused: () => refused
  })
})
