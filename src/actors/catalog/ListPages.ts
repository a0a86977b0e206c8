/**
 * The reading of one list of one server, page by page, within bounds of pages, entries, bytes and time. What a later page
 * says or fails to say hides no earlier one; the list is incomplete then and says why.
 */
import { Effect } from "effect"
import { timeoutAwake } from "../../domain/AwakeTimeout.ts"
import { listBytes, readPage } from "../../domain/protocol/json/ServerResults.ts"
import { weightOf } from "../../domain/protocol/json/JsonWeight.ts"
import type { UnusableItem } from "../../domain/protocol/json/ListItems.ts"
import { type ListKind, lists } from "../../domain/protocol/Methods.ts"
import { lifeOf } from "../../domain/protocol/eras/ToStateless.ts"
import {
  MemoryLimitReached,
  protocolError,
  type UpstreamError,
  UpstreamFailed,
  UpstreamUnavailable
} from "../../domain/requests/UpstreamErrors.ts"
import type { UpstreamHealth } from "../upstream/guards/UpstreamHealth.ts"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import type { Item, ReadList } from "./KeptList.ts"

export type Fetched = Pick<ReadList, "items" | "ttlMs" | "incomplete" | "unusable">

const maxItems = 20_000
const maxPages = 100
/** Milliseconds for a list that a server has not promised. */
const guessPatience = 2_000
/** Entries left out of a list that are named. */
const maxNamed = 20

export const fetchAll = (
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

/** Logs what has not been told of the list yet. */
export const tellOfUnusable = (
  health: UpstreamHealth["Service"],
  server: string,
  kind: ListKind,
  unusable: Fetched["unusable"]
): Effect.Effect<void> => {
  const untold = health.odd(server, kind, unusable.map(sentenceOf(kind)))
  if (untold.length === 0) return Effect.void
  return Effect.logWarning(`Server ${server} lists what clients cannot read; the rest of its list is served`).pipe(
    Effect.annotateLogs({ server, found: untold.join("; ") })
  )
}

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

export const late = (server: string, kind: ListKind, afterMs: number): UpstreamUnavailable =>
  new UpstreamUnavailable({
    server,
    reason: "timeout",
    message: `Server ${server} did not answer ${lists[kind].method} within ${afterMs} ms`
  })
