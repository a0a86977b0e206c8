/**
 * The hub's knowledge of servers that run as child processes, from sessions that have started them: what each says of
 * itself, and its lists. A session is shown that without a process of its own, and starts one with its first call.
 *
 * Known is what one key of one user has been shown under one entry of the settings, in one revision and with the same
 * capabilities: all that a list may depend on. Nothing is ever known to another user. Only lists of a process that has
 * announced no change to its session are taken over, since that change may be this one session's own. What is known ends
 * with the user's tokens, with the entry, when the server cannot be started, and when nobody has asked for an hour.
 */
import { hash } from "node:crypto"
import { Clock, Context, Deferred, Effect, Layer, Stream } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { Principals } from "../../domain/identity/Principals.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import type { ListKind } from "../../domain/protocol/Methods.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import type { ServerConfig } from "../../domain/servers/ServerConfig.ts"
import type { UpstreamError } from "../../domain/requests/UpstreamErrors.ts"
import type { UpstreamInfo } from "../upstream/connection/UpstreamConnection.ts"
import type { KeptList } from "./KeptList.ts"

/** All that a list may depend on. */
export interface KnownBy {
  readonly principal: Principal
  readonly server: string
  readonly config: ServerConfig
  readonly protocolVersion: string
  readonly clientCapabilities: JsonObject
}

/** A session that shows what is known. */
export interface Watcher {
  /** The list is another now, or there is none any more. */
  readonly changed: (kind: ListKind, list: KeptList | undefined) => void
  /** Asks for the list again over a connection that stands; false where there is none. */
  readonly refresh: (kind: ListKind) => boolean
}

export interface Introduction {
  readonly era: Era
  readonly info: UpstreamInfo
}

/** Whether it says that the server is not there as it was, rather than something about its user or the hub. */
export const isOver = (error: UpstreamError): boolean =>
  error._tag === "UpstreamFailed" ||
  error._tag === "UpstreamErrorResponse" ||
  error._tag === "CredentialMissing" ||
  (error._tag === "UpstreamUnavailable" && error.reason !== "limit" && error.reason !== "backoff")

const lifeMs = 60 * 60_000
const sweepEvery = "1 minute"
/** Servers known of one user; each has an entry for every revision and capability class. */
const maxPerUser = 256
/** By then whoever was to ask again has, or never will. */
const refreshMs = 60_000

/** One server as known. Whoever holds it after it was forgotten adds nothing to what others see. */
export class KnownServer {
  readonly principal: Principal
  introduction: Introduction | undefined
  usedAt = 0
  readonly #lists = new Map<ListKind, { readonly list: KeptList; readonly at: number }>()
  readonly #asked = new Map<ListKind, number>()
  readonly #watchers = new Set<Watcher>()
  #isForgotten = false

  constructor(principal: Principal) {
    this.principal = principal
  }

  list(kind: ListKind): KeptList | undefined {
    return this.#lists.get(kind)?.list
  }

  /** Whether the list was read longer ago than that. */
  isOlder(kind: ListKind, ms: number, now: number): boolean {
    const known = this.#lists.get(kind)
    return known === undefined || now - known.at > ms
  }

  /** A session has heard that the list changed, which may be so for that session alone. */
  doubt(kind: ListKind): void {
    const known = this.#lists.get(kind)
    if (known !== undefined) this.#lists.set(kind, { ...known, at: Number.NEGATIVE_INFINITY })
  }

  kinds(): ReadonlyArray<ListKind> {
    return [...this.#lists.keys()]
  }

  /** Tells the watcher until the result is called. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  /** Takes over a list as it is now; the result is the one to keep, the known one where it says the same. */
  put(kind: ListKind, list: KeptList, now: number): KeptList {
    if (this.#isForgotten) return list
    const before = this.#lists.get(kind)?.list
    this.#asked.delete(kind)
    if (before?.says(list) === true) {
      this.#lists.set(kind, { list: before, at: now })
      return before
    }
    this.#lists.set(kind, { list: list.keep(), at: now })
    before?.drop()
    if (before !== undefined) for (const watcher of this.#watchers) watcher.changed(kind, list)
    return list
  }

  /** Whether nobody is asking for the list already; whoever is told so does. */
  claims(kind: ListKind, now: number): boolean {
    const asked = this.#asked.get(kind)
    if (asked !== undefined && now - asked < refreshMs) return false
    this.#asked.set(kind, now)
    return true
  }

  refreshByOthers(kind: ListKind): boolean {
    return [...this.#watchers].some((watcher) => watcher.refresh(kind))
  }

  /** Bytes that nobody else keeps can be given back by forgetting it. */
  get isHeldAlone(): boolean {
    return [...this.#lists.values()].some(({ list }) => !list.isShared)
  }

  /** `isOver`: what sessions were shown of it no longer holds. */
  forget(isOver: boolean): void {
    this.#isForgotten = true
    for (const [kind, { list }] of this.#lists) {
      list.drop()
      if (isOver) for (const watcher of this.#watchers) watcher.changed(kind, undefined)
    }
    this.#lists.clear()
    this.#watchers.clear()
  }
}

/** A digest: what a client says of its capabilities may be as long as a body, and is not kept with what is known. */
const keyOf = ({ clientCapabilities, config, principal, protocolVersion, server }: KnownBy): string =>
  hash("sha256", JSON.stringify([principal.keyId, server, protocolVersion, clientCapabilities, config]))

export class KnownServers extends Context.Service<
  KnownServers,
  {
    readonly find: (by: KnownBy) => KnownServer | undefined
    /** A process of the server has introduced itself. */
    readonly learn: (by: KnownBy, introduction: Introduction) => KnownServer
    /**
     * Learns a list for the first time, by starting the server: in one session, however many ask. The others wait, and
     * then go on as they would.
     */
    readonly first: <A, E, R>(
      by: KnownBy,
      kind: ListKind,
      learn: Effect.Effect<A, E, R>,
      afterwards: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E, R>
    /** The server cannot be started any more as it was. */
    readonly lose: (by: KnownBy) => void
    /** Forgets what the user has asked for least lately and nobody shows; false where there is nothing. */
    readonly makeRoom: (userId: UserId) => boolean
    readonly size: () => number
  }
>()("mcphub/actors/catalog/KnownServers") {
  static readonly layer: Layer.Layer<KnownServers, never, Principals> = Layer.effect(
    KnownServers,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const principals = yield* Principals
  const now = monotonicMillis(yield* Clock.Clock)
  const users = new Map<UserId, Map<string, KnownServer>>()

  /** Lists that some session is about to learn; done when it has, or cannot. */
  const learning = new Map<string, Deferred.Deferred<void>>()

  const remove = (userId: UserId, key: string, isOver: boolean): void => {
    const servers = users.get(userId)
    const known = servers?.get(key)
    if (servers === undefined || known === undefined) return
    servers.delete(key)
    if (servers.size === 0) users.delete(userId)
    known.forget(isOver)
  }

  const forgetUser = (userId: UserId): void => {
    for (const key of users.get(userId)?.keys() ?? []) remove(userId, key, true)
  }

  const find: KnownServers["Service"]["find"] = (by) => {
    const { userId } = by.principal
    const key = keyOf(by)
    const known = users.get(userId)?.get(key)
    if (known === undefined) return undefined
    // Tokens or groups have changed since, and the news of it may still be on its way.
    if (!known.principal.standing.isCurrent) {
      remove(userId, key, true)
      return undefined
    }
    known.usedAt = now()
    return known
  }

  const leastUsed = (userId: UserId, matches: (known: KnownServer) => boolean): string | undefined => {
    let found: readonly [string, KnownServer] | undefined
    for (const entry of users.get(userId) ?? []) {
      if (matches(entry[1]) && (found === undefined || entry[1].usedAt < found[1].usedAt)) found = entry
    }
    return found?.[0]
  }

  const learn: KnownServers["Service"]["learn"] = (by, introduction) => {
    const { standing, userId } = by.principal
    const known = find(by) ?? new KnownServer(by.principal)
    known.introduction = introduction
    known.usedAt = now()
    if (!standing.isCurrent) {
      // It was started with what holds no more.
      known.forget(true)
      remove(userId, keyOf(by), true)
      return known
    }
    let servers = users.get(userId)
    if (servers === undefined) users.set(userId, (servers = new Map()))
    servers.set(keyOf(by), known)
    if (servers.size > maxPerUser)
      remove(
        userId,
        leastUsed(userId, () => true)!,
        false
      )
    return known
  }

  yield* principals.invalidations.pipe(
    Stream.runForEach(({ userId }) => Effect.sync(() => forgetUser(userId))),
    Effect.forkScoped({ startImmediately: true })
  )

  yield* Effect.sync(() => {
    for (const [userId, servers] of users) {
      for (const [key, { usedAt }] of servers) if (now() - usedAt > lifeMs) remove(userId, key, false)
    }
  }).pipe(Effect.delay(sweepEvery), Effect.forever, Effect.forkScoped)

  return KnownServers.of({
    find,
    learn,
    first: (by, kind, learn, afterwards) =>
      Effect.suspend(() => {
        const key = `${kind}:${keyOf(by)}`
        const others = learning.get(key)
        if (others !== undefined) return Effect.andThen(Deferred.await(others), afterwards)
        const mine = Deferred.makeUnsafe<void>()
        return Effect.acquireUseRelease(
          Effect.sync(() => void learning.set(key, mine)),
          () => learn,
          () =>
            Effect.andThen(
              Effect.sync(() => learning.delete(key)),
              Deferred.succeed(mine, undefined)
            )
        )
      }),
    lose: (by) => remove(by.principal.userId, keyOf(by), true),
    makeRoom: (userId) => {
      const key = leastUsed(userId, (known) => known.isHeldAlone)
      if (key !== undefined) remove(userId, key, false)
      return key !== undefined
    },
    size: () => [...users.values()].reduce((sum, servers) => sum + servers.size, 0)
  })
})
