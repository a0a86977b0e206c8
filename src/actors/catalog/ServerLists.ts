/**
 * The lists (tools, prompts, resources, templates) of the servers behind one session, fetched whole over all pages, once
 * however many ask, and kept until the server says they changed. What a server shows may depend on the user and on the
 * client's capabilities, so nothing here is ever shared between users.
 *
 * A server that runs as a child process is not started for its lists where they are known from another session of the
 * same user (`KnownServers`). What is known is asked for again in the background, over a process that runs already if
 * there is one, and a change is announced.
 */
import { Clock, Effect } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import * as SingleFlight from "../../domain/SingleFlight.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { type ListKind, listKinds, lists } from "../../domain/protocol/Methods.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import { Retained } from "../limits/Retained.ts"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import type { UpstreamError } from "../../domain/requests/UpstreamErrors.ts"
import { waiting, WorkUnderWay } from "../../domain/requests/Waits.ts"
import { ChildPlaces } from "../upstream/guards/ChildPlaces.ts"
import { ServerPlaces } from "../upstream/guards/ServerPlaces.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"
import { UpstreamBreakers } from "../upstream/guards/UpstreamBreakers.ts"
import { UpstreamHealth } from "../upstream/guards/UpstreamHealth.ts"
import { UpstreamPauses } from "../upstream/guards/UpstreamPauses.ts"
import { type Items, KeptList, type ListOrigin } from "./KeptList.ts"
import * as KnownHere from "./KnownHere.ts"
import { type Introduction, isOver, type KnownServer, KnownServers, type Watcher } from "./KnownServers.ts"
import { announcedLife, lifeFor, unannouncedLife } from "./ListLife.ts"
import { fetchAll, tellOfUnusable } from "./ListPages.ts"
import * as ListPatience from "./ListPatience.ts"
import * as UnwellServers from "./UnwellServers.ts"

export interface ServerLists {
  /**
   * One server's items, at the latest after the list limit, or sooner of a server that was unwell lately; a later answer
   * still fills the cache and is announced.
   */
  readonly get: (server: string, kind: ListKind, context: CallContext) => Effect.Effect<Items, UpstreamError>
  /** The same for a call, which waits as long as its server's own start may take; the limit is for the list alone. */
  readonly getForCall: (server: string, kind: ListKind, context: CallContext) => Effect.Effect<Items, UpstreamError>
  /** The items as they are at hand now, stale or not: enough to route a call to a name already seen. */
  readonly known: (server: string, kind: ListKind) => Items | undefined
  /** What the server's latest list was spoken in, and the milliseconds for which it may still be kept. */
  readonly origin: (server: string, kind: ListKind) => ListOrigin
  /** What is known of a server that need not be started for that. */
  readonly introduction: (server: string) => Introduction | undefined
  /** The server has said on the session's connection that these lists are others now. */
  readonly changed: (server: string, kinds: ReadonlyArray<ListKind>) => void
  /** A connection to the server stands, and is about to be used. */
  readonly opened: (connection: UpstreamConnection, context: CallContext) => Effect.Effect<void>
  readonly closed: (server: string) => void
  /** There is no connection to the server. */
  readonly failed: (server: string, error: UpstreamError, context: CallContext) => void
  /** The server is another now, or out of the session's reach. */
  readonly forget: (server: string) => void
}

/** A list over the session's own connection. */
interface Own {
  readonly list: KeptList
  readonly fetchedAt: number
  readonly freshUntil: number
  /** Why it is still this one. */
  readonly incomplete?: string | undefined
}

export interface ListOptions {
  /** The user as of the latest message. */
  readonly principal: () => Principal
  readonly protocolVersion: string
  readonly clientCapabilities: JsonObject
  readonly links: UpstreamLinks
  /** A list is another than the client was shown, or came after it had been answered without it. */
  readonly announce: (kind: ListKind) => void
  /** What a name leads to may be something else now. */
  readonly onChange: () => void
  /** What a server sends beside the answer to a list. */
  readonly onMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
  /** Runs what nobody waits for, as a request of the session's own. */
  readonly track: (method: string, use: (context: CallContext) => Effect.Effect<unknown, unknown>) => void
}

const keyOf = (server: string, kind: ListKind): string => `${kind}:${server}`

export const make = Effect.fnUntraced(function* (options: ListOptions) {
  const { announce, links, onChange, onMessage, principal } = options
  const session = yield* Effect.scope
  const hub = yield* HubConfig
  const now = monotonicMillis(yield* Clock.Clock)
  const health = yield* UpstreamHealth
  const settings = yield* Settings
  const pauses = yield* UpstreamPauses
  const places = yield* ChildPlaces
  const inFlight = yield* ServerPlaces
  const retained = yield* Retained
  const knowledge = yield* KnownServers
  const breakers = yield* UpstreamBreakers
  const { userId } = principal()
  const own = new Map<string, Own>()
  /** Lists that are shown without a connection, from what is known. */
  const borrowed = new Map<string, KeptList>()
  /** By server: what a process of this session adds to. */
  const filling = new Map<string, KnownServer>()
  /** Lists that the server has said are others now, to this session. */
  const unlike = new Set<string>()
  /** Outlives the lists: one that went stale while it was read is still in these words. */
  const spoken = new Map<string, Era>()
  /** In the session's scope: a list is wanted even when its caller stops waiting. */
  const fetching = SingleFlight.make<string, Items, UpstreamError>(session)
  const fetches = new WorkUnderWay(now)
  const unwell = UnwellServers.make({
    stands: (server) => links.standing(server) !== undefined,
    failing: (server) => breakers.failing(userId, server)
  })
  /** Lists somebody was answered without: their arrival is announced, once. */
  const owed = new Set<string>()

  const forgetOwn = (key: string): void => {
    own.get(key)?.list.drop()
    own.delete(key)
    onChange()
  }

  const giveBack = (key: string): void => {
    borrowed.get(key)?.drop()
    borrowed.delete(key)
    onChange()
  }

  const borrow = (key: string, list: KeptList): void => {
    if (borrowed.get(key) === list) return
    giveBack(key)
    borrowed.set(key, list.keep())
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const key of own.keys()) forgetOwn(key)
      for (const key of borrowed.keys()) giveBack(key)
    })
  )

  const atHand = (key: string): KeptList | undefined => own.get(key)?.list ?? borrowed.get(key)

  const loadAnew = Effect.fnUntraced(function* (
    server: string,
    kind: ListKind,
    context: CallContext,
    isCurrent: () => boolean
  ) {
    const key = keyOf(server, kind)
    const connection = yield* links.get(server, context)
    let bytes = 0
    const release = (): void => retained.release(userId, "lists", bytes)
    const take = (more: number): boolean => {
      // The list that this one is to replace leaves its room to it, and stays until then.
      const earlier = own.get(key)?.list.replaceable
      if (!retained.hold(userId, "lists", more, earlier)) return false
      bytes += more
      return true
    }
    const hold = (more: number): boolean => {
      if (take(more)) return true
      while (knowledge.makeRoom(userId)) if (take(more)) return true
      return false
    }
    const told = (message: UpstreamMessage): void => onMessage(server, message, context)
    const read = yield* fetchAll(connection, kind, context, told, hold, hub.requestTimeout).pipe(
      Effect.onError(() => Effect.sync(release)),
      Effect.tapError((error) => Effect.sync(() => failed(server, error, context)))
    )
    spoken.set(server, connection.era)
    const list = new KeptList({ ...read, era: connection.era }, bytes, release).keep()
    const known = filling.get(server)
    const isKnown = isCurrent() && read.incomplete === undefined && !unlike.has(key)
    const kept = isKnown && known !== undefined ? known.put(kind, list, now()) : list
    if (isCurrent()) {
      const fetchedAt = now()
      forgetOwn(key)
      own.set(key, { list: kept.keep(), fetchedAt, freshUntil: fetchedAt + lifeFor(connection, kind, read) })
      if (borrowed.get(key)?.says(kept) === false) owed.add(key)
      giveBack(key)
    }
    list.drop()
    unwell.listed(server, kind)
    if (kind === "tools") health.tools(server, read.items.size)
    yield* tellOfUnusable(health, server, kind, read.unusable)
    if (owed.delete(key)) announce(kind)
    return read.items
  })

  const keepEarlier = (key: string, earlier: Own, { message }: UpstreamError): Items => {
    const incomplete = `Its list is an earlier one: ${message}`
    own.set(key, { ...earlier, incomplete, freshUntil: now() + unannouncedLife })
    return earlier.list.read.items
  }

  /** The earlier list stays in use where there is no room for the new one. */
  const load = (...of: Parameters<typeof loadAnew>): Effect.Effect<Items, UpstreamError> =>
    loadAnew(...of).pipe(
      Effect.catchTag("MemoryLimitReached", (error) => {
        const [server, kind, , isCurrent] = of
        const key = keyOf(server, kind)
        const earlier = isCurrent() ? own.get(key) : undefined
        return earlier === undefined ? error : Effect.succeed(keepEarlier(key, earlier, error))
      })
    )

  /** A session of the same key that is just starting the server for the same list spares this one a process. */
  const learn = (...of: Parameters<typeof loadAnew>): Effect.Effect<Items, UpstreamError> => {
    const [server, kind, context, isCurrent] = of
    const by = links.standing(server) === undefined ? here.by(server) : undefined
    if (by === undefined) return load(...of)
    // What has changed meanwhile is read once more: others wait for what can be kept.
    const kept = Effect.flatMap(load(...of), (items) =>
      isCurrent() || links.standing(server) === undefined
        ? Effect.succeed(items)
        : Effect.flatten(begin(server, kind, context))
    )
    const recalled = Effect.suspend(() => (isCurrent() ? recall(server, kind, context) : undefined) ?? load(...of))
    const told = Effect.tap(recalled, () => Effect.sync(() => owed.delete(keyOf(server, kind)) && announce(kind)))
    return knowledge.first(by, kind, kept, told)
  }

  const begin = (
    server: string,
    kind: ListKind,
    context: CallContext
  ): Effect.Effect<Effect.Effect<Items, UpstreamError>> =>
    fetching.begin(keyOf(server, kind), (isCurrent) =>
      fetches.run(keyOf(server, kind), (waits) => learn(server, kind, { ...context, waits }, isCurrent))
    )

  const watcherOf = (server: string): Watcher => ({
    changed: (kind, list) => {
      const key = keyOf(server, kind)
      if (!borrowed.has(key)) return
      if (list === undefined) giveBack(key)
      else borrow(key, list)
      announce(kind)
    },
    refresh: (kind) => {
      if (links.standing(server) === undefined || unlike.has(keyOf(server, kind))) return false
      options.track(lists[kind].method, (context) => Effect.flatten(begin(server, kind, context)))
      return true
    }
  })

  const here = yield* KnownHere.make({ ...options, watcherOf })

  /** Asks for what is known again, once for all sessions, and starts a process for that only where there is room. */
  const refresh = (known: KnownServer, server: string, kind: ListKind, context: CallContext): Effect.Effect<void> => {
    if (!known.claims(kind, now()) || known.refreshByOthers(kind)) return Effect.void
    if (links.standing(server) === undefined && !places.hasFree(userId)) return Effect.void
    return Effect.asVoid(begin(server, kind, context))
  }

  /** The list as it is known, where the session has no reason to ask for its own. */
  const recall = (server: string, kind: ListKind, context: CallContext): Effect.Effect<Items> | undefined => {
    const key = keyOf(server, kind)
    const known = unlike.has(key) ? undefined : here.find(server)
    if (known === undefined) return undefined
    const list = known.list(kind)
    if (list === undefined) {
      const { info } = known.introduction ?? {}
      return info === undefined || lists[kind].capability in info.capabilities ? undefined : Effect.succeed(new Map())
    }
    here.watch(server, known)
    borrow(key, list)
    const { items } = list.read
    return known.isOlder(kind, announcedLife, now())
      ? Effect.as(refresh(known, server, kind, context), items)
      : Effect.succeed(items)
  }

  const patience = ListPatience.make({
    listTimeout: hub.listTimeout,
    unwell,
    isUnderWay: (server, kind) =>
      fetching.has(keyOf(server, kind)) || (links.standing(server) === undefined && new Set(links.linked()).has(server))
  })

  const inTime = (
    server: string,
    kind: ListKind,
    context: CallContext,
    isForCall: boolean
  ): Effect.Effect<Items, UpstreamError> =>
    Effect.suspend((): Effect.Effect<Items, UpstreamError> => {
      const key = keyOf(server, kind)
      const mine = own.get(key)
      if (mine !== undefined && now() < mine.freshUntil) return Effect.succeed(mine.list.read.items)
      const recalled = mine === undefined ? recall(server, kind, context) : undefined
      if (recalled !== undefined) return recalled
      const refusal = (ms: number) => {
        const config = settings.current().mcpServers[server]
        return config === undefined ? undefined : pauses.refusal({ server, config, context }, ms)
      }
      const tooLate = (isMissing: UpstreamError): Effect.Effect<Items, UpstreamError> => {
        const latest = own.get(key)
        // It may have come in this very moment, to this session or to another.
        if (latest !== mine && latest !== undefined) return Effect.succeed(latest.list.read.items)
        if (latest === undefined) {
          const known = recall(server, kind, context)
          if (known !== undefined) return known
        }
        owed.add(key)
        return latest === undefined ? Effect.fail(isMissing) : Effect.succeed(keepEarlier(key, latest, isMissing))
      }
      const wanted = { server, kind, isForCall, refusal, owe: () => void owed.add(key), tooLate }
      const list = patience.inTime(wanted, begin(server, kind, context))
      return waiting(context.waits, { kind: "server", server, via: fetches.at(key) }, list)
    })

  const get: ServerLists["get"] = (server, kind, context) => inTime(server, kind, context, false)

  const getForCall: ServerLists["getForCall"] = (server, kind, context) =>
    Effect.suspend((): Effect.Effect<Items, UpstreamError> => {
      const config = settings.current().mcpServers[server]
      const isAtHand = atHand(keyOf(server, kind)) !== undefined || here.find(server)?.list(kind) !== undefined
      if (config === undefined || isAtHand || links.standing(server) !== undefined) {
        return inTime(server, kind, context, true)
      }
      const reached = inFlight.within({ server, config, context }, links.get(server, context))
      return Effect.andThen(reached, inTime(server, kind, context, true))
    })

  const failed: ServerLists["failed"] = (server, error, context) => {
    const by = isOver(error) ? here.by(server, context.principal) : undefined
    if (by !== undefined) knowledge.lose(by)
  }

  const stale = (server: string, kinds: ReadonlyArray<ListKind>): void => {
    for (const kind of kinds) {
      const key = keyOf(server, kind)
      forgetOwn(key)
      // A fetch under way may already hold the old answer: it is not kept, and the next caller starts another.
      fetching.forget(key)
    }
  }

  const closed = (server: string): void => {
    stale(server, listKinds)
    filling.delete(server)
    for (const kind of listKinds) unlike.delete(keyOf(server, kind))
  }

  return {
    get,
    getForCall,
    known: (server, kind) => atHand(keyOf(server, kind))?.read.items,
    origin: (server, kind) => {
      const key = keyOf(server, kind)
      const list = atHand(key)
      const left = (list?.read.ttlMs ?? 0) - (now() - (own.get(key)?.fetchedAt ?? 0))
      const era = borrowed.get(key)?.read.era ?? spoken.get(server) ?? "stateful"
      const incomplete = own.get(key)?.incomplete ?? list?.read.incomplete
      return { era, ttlMs: Math.max(0, left), incomplete, unusable: list?.read.unusable ?? [] }
    },
    introduction: (server) => here.find(server)?.introduction,
    changed: (server, kinds) => {
      for (const kind of kinds) {
        filling.get(server)?.doubt(kind)
        // Before the client's first call it has had no reason that is this session's own: it was still starting.
        if (links.isUsed(server)) unlike.add(keyOf(server, kind))
        giveBack(keyOf(server, kind))
      }
      stale(server, kinds)
    },
    opened: (connection, context) =>
      Effect.suspend(() => {
        const { era, info, server } = connection
        unwell.reached(server)
        const by = here.by(server, context.principal)
        if (by === undefined) return Effect.void
        const known = knowledge.learn(by, { era, info })
        filling.set(server, known)
        here.watch(server, known)
        // It runs: what it lists now costs little. And some may still be without what it took long to start for.
        const old = known.kinds().filter((kind) => known.isOlder(kind, unannouncedLife, now()))
        const wanted = new Set([
          ...old.filter((kind) => known.claims(kind, now())),
          ...listKinds.filter((kind) => owed.has(keyOf(server, kind)))
        ])
        return Effect.forEach(wanted, (kind) => begin(server, kind, context), { discard: true })
      }),
    closed,
    failed,
    forget: (server) => {
      closed(server)
      unwell.forget(server)
      for (const kind of listKinds) giveBack(keyOf(server, kind))
    }
  } satisfies ServerLists
})
