/**
 * The lists (tools, prompts, resources, templates) of the servers behind one session, fetched whole over all pages, once
 * however many ask, and kept until the server says they changed. Belongs to one session: what a server shows may depend
 * on the user and on the client's capabilities, so nothing here is ever shared between users.
 */
import { Clock, Effect } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import * as SingleFlight from "../../domain/SingleFlight.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { listBytes, readPage } from "../../domain/protocol/json/ServerResults.ts"
import type { UnusableItem } from "../../domain/protocol/json/ListItems.ts"
import { weightOf } from "../../domain/protocol/json/JsonWeight.ts"
import { type ListKind, listKinds, lists } from "../../domain/protocol/Methods.ts"
import { lifeOf } from "../../domain/protocol/eras/ToStateless.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import { timeoutAwake } from "../../domain/AwakeTimeout.ts"
import type { Room } from "../limits/Retained.ts"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import {
  MemoryLimitReached,
  protocolError,
  type UpstreamError,
  UpstreamFailed,
  UpstreamUnavailable
} from "../../domain/requests/UpstreamErrors.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"
import { UpstreamHealth } from "../upstream/guards/UpstreamHealth.ts"
import { UpstreamPauses } from "../upstream/guards/UpstreamPauses.ts"

export type Item = JsonObject

/** One server's items by their own key (name or URI). */
export type Items = ReadonlyMap<string, Item>

export interface ServerLists {
  /** One server's items, at the latest after the list limit; a later answer still fills the cache and is announced. */
  readonly get: (server: string, kind: ListKind, context: CallContext) => Effect.Effect<Items, UpstreamError>
  /** What is known now, stale or not: enough to route a call to a name already seen. */
  readonly known: (server: string, kind: ListKind) => Items | undefined
  /** What the server's latest list was spoken in, and the milliseconds for which it may still be kept. */
  readonly origin: (server: string, kind: ListKind) => ListOrigin
  readonly invalidate: (server: string, kinds?: ReadonlyArray<ListKind>) => void
}

export interface ListOrigin {
  readonly era: Era
  readonly ttlMs: number
  /** Why it may not be the server's whole list of today. */
  readonly incomplete?: string | undefined
  /** Entries that are left out; not more than can be read. */
  readonly unusable: ReadonlyArray<UnusableItem>
}

interface Fetched {
  readonly items: Items
  /** Milliseconds, as a stateless server says; the least of all pages. */
  readonly ttlMs: number | undefined
  readonly incomplete?: string | undefined
  readonly unusable: ReadonlyArray<UnusableItem>
}

interface Cached extends Fetched {
  readonly fetchedAt: number
  readonly freshUntil: number
  /** What it takes of its user's memory. */
  readonly bytes: number
}

/** A server that announces changes is believed until it does, within reason; others are asked again soon. */
const announcedLife = 5 * 60_000
const unannouncedLife = 5_000
const maxItems = 20_000
const maxPages = 100
/** Milliseconds for a list that a server has not promised. */
const guessPatience = 2_000
/** Entries left out of a list that are named. */
const maxNamed = 20

const announces = (connection: UpstreamConnection, kind: ListKind): boolean => {
  const capability = connection.info.capabilities[lists[kind].capability]
  return (
    typeof capability === "object" &&
    capability !== null &&
    "listChanged" in capability &&
    capability.listChanged === true
  )
}

const fetchAll = (
  connection: UpstreamConnection,
  kind: ListKind,
  context: CallContext,
  onMessage: (message: UpstreamMessage) => void,
  hold: (bytes: number) => boolean,
  patience: number
): Effect.Effect<Fetched, UpstreamError> => {
  const fetched: Progress = { items: new Map(), ttlMs: undefined, pages: 0, unusable: [] }
  const { capabilities, isGuess } = connection.info
  if (!(lists[kind].capability in capabilities)) return Effect.succeed(fetched)
  const time = isGuess ? Math.min(guessPatience, patience) : patience
  return fetchInto(fetched, connection, kind, context, onMessage, hold).pipe(
    timeoutAwake(time, () => late(connection.server, kind, time)),
    Effect.as(fetched),
    // What a later page says or fails to say is no reason to hide the earlier ones; that there is no room for them is.
    Effect.catchIf(
      (error) => fetched.pages > 0 && error._tag !== "MemoryLimitReached",
      ({ message }): Effect.Effect<Fetched> =>
        Effect.succeed({ ...fetched, incomplete: `Only the first pages of its list could be read: ${message}` })
    ),
    // It has not promised any.
    Effect.catchIf(
      (error) =>
        isGuess && (error._tag === "UpstreamErrorResponse" || error._tag === "UpstreamFailed" || isLate(error)),
      () => Effect.succeed(fetched)
    )
  )
}

/** The pages so far. */
interface Progress {
  readonly items: Map<string, Item>
  ttlMs: number | undefined
  pages: number
  readonly unusable: Array<UnusableItem>
}

const fetchInto = Effect.fnUntraced(function* (
  fetched: Progress,
  connection: UpstreamConnection,
  kind: ListKind,
  context: CallContext,
  onMessage: (message: UpstreamMessage) => void,
  hold: (bytes: number) => boolean
): Effect.fn.Return<void, UpstreamError> {
  const { server } = connection
  const { items } = fetched
  const { method } = lists[kind]
  const cursors = new Set<string>()
  let cursor: string | undefined
  let maxBytes = listBytes
  do {
    const params = cursor === undefined ? undefined : { cursor }
    const result = yield* connection.request({ method, params, context, own: true, maxBytes, onMessage })
    const read = readPage(kind, connection.era, result)
    if (!read.ok) return yield* protocolError(server, "body", read.what)
    const page = read.value
    if (items.size + page.items.length > maxItems) {
      return yield* tooMany(server, `${method} with more than ${maxItems} entries`)
    }
    if (!hold(weightOf(page.items))) return yield* noRoom(server, method)
    const before = items.size
    for (const [key, item] of page.items) items.set(key, item)
    fetched.unusable.push(...page.unusable.slice(0, maxNamed - fetched.unusable.length))
    fetched.pages++
    if (connection.era === "stateless") {
      fetched.ttlMs = Math.min(fetched.ttlMs ?? Number.POSITIVE_INFINITY, lifeOf(page.ttlMs))
    }
    const next = page.nextCursor
    // A server that repeats a cursor, or has new ones for ever and nothing to add, would keep the hub reading.
    cursor = next === undefined || cursors.has(next) || items.size === before ? undefined : next
    if (cursor === undefined) break
    cursors.add(cursor)
    if (cursors.size >= maxPages) return yield* tooMany(server, `${method} with more than ${maxPages} pages`)
    maxBytes -= JSON.stringify(page.items).length
    if (maxBytes <= 0) return yield* tooMany(server, `${method} with more than ${listBytes} bytes`)
  } while (true)
})

const oneOf: Readonly<Record<ListKind, string>> = {
  tools: "tool",
  prompts: "prompt",
  resources: "resource",
  templates: "resource template"
}

const sentenceOf =
  (kind: ListKind) =>
  ({ name, reason }: UnusableItem): string =>
    `The ${oneOf[kind]} ${JSON.stringify(name)} is left out: ${reason}`

const tooMany = (server: string, what: string): UpstreamFailed =>
  new UpstreamFailed({
    server,
    reason: "too-large",
    phase: "body",
    message: `Server ${server} answered ${what}; leave out some of what it offers`
  })

const noRoom = (server: string, method: string): MemoryLimitReached =>
  new MemoryLimitReached({
    message: `There is no room for ${method} of server ${server} beside what the hub keeps for this user (half of MAX_MEMORY_PER_USER is for lists); end sessions that are not needed, reach fewer servers, or raise it`
  })

const isLate = (error: UpstreamError): boolean => error._tag === "UpstreamUnavailable" && error.reason === "timeout"

/** Milliseconds for which a list is not asked for again. */
const lifeFor = (connection: UpstreamConnection, kind: ListKind, { items, ttlMs }: Fetched): number =>
  announces(connection, kind) || (connection.info.isGuess && items.size === 0)
    ? announcedLife
    : ttlMs === undefined
      ? unannouncedLife
      : Math.min(ttlMs, announcedLife)

export interface ListOptions {
  /** Of the user's memory, for the lists that are kept. */
  readonly room: Room
  readonly links: UpstreamLinks
  /** What a name leads to may be something else now. */
  readonly onChange: () => void
  /** A list came after the client had been answered without it. */
  readonly announce: (kind: ListKind) => void
  /** What a server sends beside the answer to a list. */
  readonly onMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
}

export const make = Effect.fnUntraced(function* ({ announce, links, onChange, onMessage, room }: ListOptions) {
  const session = yield* Effect.scope
  const hub = yield* HubConfig
  const now = monotonicMillis(yield* Clock.Clock)
  const health = yield* UpstreamHealth
  const settings = yield* Settings
  const pauses = yield* UpstreamPauses
  const cache = new Map<string, Cached>()
  /** Outlives the cache: a list that went stale while it was read is still in these words. */
  const spoken = new Map<string, Era>()
  /** In the session's scope: a list is wanted even when its caller stops waiting. */
  const fetching = SingleFlight.make<string, Items, UpstreamError>(session)
  /** Lists somebody was answered without: their arrival is announced, once. */
  const owed = new Set<string>()
  const keyOf = (server: string, kind: ListKind): string => `${kind}:${server}`

  const forget = (key: string): void => {
    room.release(cache.get(key)?.bytes ?? 0)
    cache.delete(key)
    onChange()
  }

  const tellOfUnusable = (
    server: string,
    kind: ListKind,
    unusable: ReadonlyArray<UnusableItem>
  ): Effect.Effect<void> => {
    const untold = health.odd(server, kind, unusable.map(sentenceOf(kind)))
    if (untold.length === 0) return Effect.void
    return Effect.logWarning(`Server ${server} lists what clients cannot read; the rest of its list is served`).pipe(
      Effect.annotateLogs({ server, found: untold.join("; ") })
    )
  }

  const loadAnew = Effect.fnUntraced(function* (
    server: string,
    kind: ListKind,
    context: CallContext,
    isCurrent: () => boolean
  ) {
    const key = keyOf(server, kind)
    const connection = yield* links.get(server, context)
    let bytes = 0
    const hold = (more: number): boolean => {
      // The list that this one is to replace leaves its room to it, and stays until then.
      if (!room.hold(more, cache.get(key)?.bytes)) return false
      bytes += more
      return true
    }
    const told = (message: UpstreamMessage): void => onMessage(server, message, context)
    const fetched = yield* fetchAll(connection, kind, context, told, hold, hub.requestTimeout).pipe(
      Effect.onError(() => Effect.sync(() => room.release(bytes)))
    )
    spoken.set(server, connection.era)
    if (isCurrent()) {
      const fetchedAt = now()
      const life = fetched.incomplete === undefined ? lifeFor(connection, kind, fetched) : unannouncedLife
      forget(key)
      cache.set(key, { ...fetched, fetchedAt, freshUntil: fetchedAt + life, bytes })
    } else room.release(bytes)
    if (kind === "tools") health.tools(server, fetched.items.size)
    yield* tellOfUnusable(server, kind, fetched.unusable)
    if (owed.delete(key)) announce(kind)
    return fetched.items
  })

  /** The earlier list stays in use where there is no room for the new one. */
  const load = (...of: Parameters<typeof loadAnew>): Effect.Effect<Items, UpstreamError> =>
    loadAnew(...of).pipe(
      Effect.catchTag("MemoryLimitReached", (error) => {
        const [server, kind, , isCurrent] = of
        const key = keyOf(server, kind)
        const earlier = isCurrent() ? cache.get(key) : undefined
        if (earlier === undefined) return error
        const incomplete = `Its list is an earlier one: ${error.message}`
        cache.set(key, { ...earlier, incomplete, freshUntil: now() + unannouncedLife })
        return Effect.succeed(earlier.items)
      })
    )

  const get: ServerLists["get"] = (server, kind, context) =>
    Effect.suspend(() => {
      const key = keyOf(server, kind)
      const cached = cache.get(key)
      if (cached !== undefined && now() < cached.freshUntil) return Effect.succeed(cached.items)
      const refusal = (patience: number) => {
        const config = settings.current().mcpServers[server]
        return config === undefined ? undefined : pauses.refusal({ server, config, context }, patience)
      }
      const without = (error: Effect.Effect<never, UpstreamUnavailable>) => {
        owed.add(key)
        return error
      }
      const begun = fetching.begin(key, (isCurrent) => load(server, kind, context, isCurrent))
      return Effect.flatMap(begun, (answer) => {
        // Nobody waits in vain for a server that is not asked in time.
        const refused = refusal(hub.listTimeout)
        if (refused !== undefined) return without(refused)
        return answer.pipe(
          timeoutAwake(hub.listTimeout, () => without(refusal(0) ?? late(server, kind, hub.listTimeout)))
        )
      })
    })

  return {
    get,
    known: (server, kind) => cache.get(keyOf(server, kind))?.items,
    origin: (server, kind) => {
      const cached = cache.get(keyOf(server, kind))
      const left = (cached?.ttlMs ?? 0) - (now() - (cached?.fetchedAt ?? 0))
      return {
        era: spoken.get(server) ?? "stateful",
        ttlMs: Math.max(0, left),
        incomplete: cached?.incomplete,
        unusable: cached?.unusable ?? []
      }
    },
    invalidate: (server, kinds = listKinds) => {
      for (const kind of kinds) {
        const key = keyOf(server, kind)
        forget(key)
        // A fetch under way may already hold the old answer: it is not kept, and the next caller starts another.
        fetching.forget(key)
      }
    }
  } satisfies ServerLists
})

const late = (server: string, kind: ListKind, afterMs: number): Effect.Effect<never, UpstreamUnavailable> =>
  new UpstreamUnavailable({
    server,
    reason: "timeout",
    message: `Server ${server} did not answer ${lists[kind].method} within ${afterMs} ms`
  })
