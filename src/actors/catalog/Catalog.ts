/**
 * The lists that a session's client sees: those of all servers it may reach, put together under unambiguous names, and
 * the way back from a name to its server. The catalog applies the group filter, switched-off tools and replaced
 * descriptions to listing and calling alike. It resolves names through the servers' own lists, never by splitting text.
 */
import { Effect, Result } from "effect"
import { textOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import type { Access } from "../../domain/access/Access.ts"
import { grantsTool } from "../../domain/access/ToolGrant.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { candidates, expose, qualifyUri } from "../../domain/protocol/ExposedNames.ts"
import type { ListKind } from "../../domain/protocol/Methods.ts"
import { toolsToStateless, toolToStateful } from "../../domain/protocol/eras/ToStateful.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import type { ServerConfig } from "../../domain/servers/ServerConfig.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import { incompleteWord, missingWord, unusableWord } from "../../domain/requests/MissingWords.ts"
import { InvalidParams } from "../../domain/requests/RequestErrors.ts"
import type { Room } from "../limits/Retained.ts"
import type { Item, Items } from "./KeptList.ts"
import type { Missing } from "./MissingServers.ts"
import type { Loaded } from "./ResourceNames.ts"
import type { Route } from "./Route.ts"
import * as ResourceNames from "./ResourceNames.ts"
import type { ServerLists } from "./ServerLists.ts"
import type { CallContext } from "../upstream/connection/UpstreamConnection.ts"
import { type UpstreamError, UpstreamUnavailable } from "../../domain/requests/UpstreamErrors.ts"

/** A single entry that no client could read. */
export interface LeftOut extends Missing {
  /** As clients would call it. */
  readonly name: string
}

export interface Listing {
  readonly items: ReadonlyArray<Item>
  /** Servers whose part is missing, entries that are left out of it, and why. */
  readonly missing: ReadonlyArray<Missing>
  /** Entries that are missing of lists that are there. */
  readonly leftOut: ReadonlyArray<LeftOut>
  /** False: there are servers, and not one could be asked. */
  readonly isReached: boolean
  /** Milliseconds for which all of it may be kept: the least that any server says. */
  readonly ttlMs: number
}

export interface Catalog extends Pick<ResourceNames.ResourceNames, "resource" | "template" | "inResult"> {
  /** A list is another one now. */
  readonly forget: () => void
  readonly list: (kind: ListKind, access: Access, context: CallContext) => Effect.Effect<Listing>
  readonly tool: (
    name: string,
    access: Access,
    context: CallContext
  ) => Effect.Effect<Route, InvalidParams | UpstreamError>
  /** Whether its server is known to list it, without asking. */
  readonly lists: (route: Route) => boolean
  /** The tool as its server lists it, for its schema; `undefined` where the list cannot be had. */
  readonly toolOf: (route: Route, context: CallContext) => Effect.Effect<Item | undefined>
  readonly prompt: (
    name: string,
    access: Access,
    context: CallContext
  ) => Effect.Effect<Route, InvalidParams | UpstreamError>
}

export interface CatalogOptions {
  /** Of the user's memory, for URIs that servers gave. */
  readonly room: Room
  readonly lists: ServerLists
  /** The client's. */
  readonly era: Era
  /** One server's endpoint: names are its own. */
  readonly direct: boolean
}

/**
 * One server offers the name, and another, whose list is missing, may offer it too: the call could reach the wrong one.
 */
const undecided = (name: string, server: string): UpstreamUnavailable =>
  new UpstreamUnavailable({
    server,
    reason: "backoff",
    message: `Whose "${name.slice(0, 200)}" is cannot be told while the list of server ${server} is missing; try again, or call it by the name under which it is listed`,
    retryAfterMs: 1_000
  })

/** A tool that was found without anybody being asked, and the access it was found with. */
interface KnownTool {
  readonly access: Access
  readonly found: Effect.Effect<Route>
}

/** Names remembered; beyond that all are forgotten. */
const mostKnown = 256

const isSwitchedOff = (config: ServerConfig | undefined, server: string, tool: string, separator: string): boolean =>
  (config?.tools?.[tool] ?? config?.tools?.[expose(server, tool, separator)])?.enabled === false

const describe = (
  config: ServerConfig | undefined,
  server: string,
  tool: string,
  separator: string
): string | undefined => (config?.tools?.[tool] ?? config?.tools?.[expose(server, tool, separator)])?.description

const unknown = (kind: "tools" | "prompts", name: string): InvalidParams =>
  new InvalidParams({ message: `Unknown ${kind === "tools" ? "tool" : "prompt"}: ${name}` })

export const make = Effect.fnUntraced(function* ({ direct, era, lists, room }: CatalogOptions) {
  const settings = yield* Settings
  const { nameSeparator: separator } = yield* HubConfig

  const known = new Map<string, KnownTool>()

  const load = (
    kind: ListKind,
    servers: Iterable<string>,
    context: CallContext,
    get: ServerLists["get"] = lists.get
  ): Effect.Effect<Loaded> =>
    Effect.forEach(
      servers,
      (server) => Effect.map(Effect.result(get(server, kind, context)), (result) => [server, result] as const),
      { concurrency: "unbounded" }
    ).pipe(Effect.map((entries) => new Map(entries)))

  const resources = ResourceNames.make({ direct, lists, load, room })

  const mayUse = (access: Access, server: string, tool: string): boolean => {
    const grant = access.get(server)
    return (
      grant !== undefined &&
      grantsTool(grant, server, tool, separator) &&
      !isSwitchedOff(settings.current().mcpServers[server], server, tool, separator)
    )
  }

  /** What an access admits stays so: the session has another one when groups or settings change. */
  const remembered = (name: string, access: Access, route: Route): Effect.Effect<Route> => {
    const found = Effect.succeed(route)
    if (known.size >= mostKnown) known.clear()
    known.set(name, { access, found })
    return found
  }

  /** What clients call it, while no other server has a resource of the same URI. */
  const nameOf = (kind: ListKind, server: string, key: string): string =>
    kind === "resources" || kind === "templates" || direct ? key : expose(server, key, separator)

  const exposed = (kind: ListKind, server: string, key: string, item: Item): Item => {
    const shown = nameOf(kind, server, key)
    const name = shown === key ? undefined : shown
    const description =
      kind === "tools" ? describe(settings.current().mcpServers[server], server, key, separator) : undefined
    if (name === undefined && description === undefined) return item
    return { ...item, ...(name === undefined ? {} : { name }), ...(description === undefined ? {} : { description }) }
  }

  /** A tool in the words of the client's era; `undefined` where it could not be called from there. */
  const translated = (server: string, item: Item): Item | undefined => {
    if (lists.origin(server, "tools").era === era) return item
    return (era === "stateful" ? toolToStateful(item) : toolsToStateless([item])[0]) as Item | undefined
  }

  /** Entries that clients could not read, of those that the user may see. */
  const unusable = (kind: ListKind, server: string, access: Access): ReadonlyArray<LeftOut> =>
    lists
      .origin(server, kind)
      .unusable.filter(({ name }) => kind !== "tools" || mayUse(access, server, name))
      .map(({ name, reason }) => ({ server, name: nameOf(kind, server, name), why: unusableWord, reason }))

  const list: Catalog["list"] = Effect.fnUntraced(function* (kind, access, context) {
    const loaded = yield* load(kind, access.keys(), context)
    const missing: Array<Missing> = []
    const leftOut: Array<LeftOut> = []
    let ttlMs = Number.POSITIVE_INFINITY
    const byName = new Map<string, Array<{ readonly server: string; readonly item: Item }>>()
    for (const [server, result] of loaded) {
      if (Result.isFailure(result)) {
        missing.push({ server, why: missingWord(result.failure), reason: result.failure.message })
        continue
      }
      const origin = lists.origin(server, kind)
      ttlMs = Math.min(ttlMs, origin.ttlMs)
      if (origin.incomplete !== undefined) missing.push({ server, why: incompleteWord, reason: origin.incomplete })
      leftOut.push(...unusable(kind, server, access))
      for (const [key, item] of result.success) {
        if (kind === "tools" && !mayUse(access, server, key)) continue
        const known = kind === "tools" ? translated(server, item) : item
        if (known === undefined) continue
        const shown = resources.inEntry(server, exposed(kind, server, key, known), access)
        const name = kind === "resources" || kind === "templates" ? key : textOrEmpty(shown["name"])
        const same = byName.get(name)
        if (same === undefined) byName.set(name, [{ server, item: shown }])
        else same.push({ server, item: shown })
      }
    }
    const items: Array<Item> = []
    for (const [name, same] of byName) {
      if (kind === "resources") {
        for (const { server, item } of same) {
          const uri = resources.listedAs(server, name, same.length > 1)
          items.push(uri === name ? item : { ...item, uri })
        }
      } else if (same.length === 1) items.push(same[0]!.item)
      else if (kind === "templates") {
        for (const { server, item } of same) items.push({ ...item, uriTemplate: qualifyUri(server, name) })
      } else {
        yield* Effect.logWarning("A name is left out because several servers would expose it").pipe(
          Effect.annotateLogs({ name, servers: same.map(({ server }) => server).join(" ") })
        )
      }
    }
    const life = missing.length > 0 || ttlMs === Number.POSITIVE_INFINITY ? 0 : ttlMs
    const isReached = loaded.size === 0 || [...loaded.values()].some(Result.isSuccess)
    return { items, missing, leftOut, isReached, ttlMs: life }
  })

  const permitted = (kind: "tools" | "prompts", access: Access, route: Route): boolean =>
    kind === "prompts" || mayUse(access, route.server, route.name)

  const named = (
    kind: "tools" | "prompts",
    name: string,
    access: Access,
    context: CallContext
  ): Effect.Effect<Route, InvalidParams | UpstreamError> => {
    if (direct) {
      const server = access.keys().next().value
      return server === undefined || !permitted(kind, access, { server, name })
        ? unknown(kind, name)
        : Effect.succeed({ server, name })
    }
    const prefixed = candidates(name, access.keys(), separator)
    // The usual case costs next to nothing: one server could have exposed the name, and its list is known to hold it.
    const only = prefixed.length === 1 ? prefixed[0]! : undefined
    if (only !== undefined && lists.known(only.server, kind)?.has(only.name)) {
      if (!permitted(kind, access, only)) return unknown(kind, name)
      return kind === "tools" ? remembered(name, access, only) : Effect.succeed(only)
    }
    return searched(kind, name, access, context, prefixed)
  }

  /** Whether the server may have the name all the same: its list is missing, or ends before the name. */
  const mayYetHave = (
    kind: ListKind,
    { name, server }: Route,
    result: Result.Result<Items, UpstreamError> | undefined
  ): boolean =>
    result !== undefined &&
    (Result.isFailure(result) || (!result.success.has(name) && lists.origin(server, kind).incomplete !== undefined))

  const searched = Effect.fnUntraced(function* (
    kind: "tools" | "prompts",
    name: string,
    access: Access,
    context: CallContext,
    prefixed: ReadonlyArray<Route>
  ) {
    const byPrefix = yield* load(
      kind,
      prefixed.map(({ server }) => server),
      context,
      lists.getForCall
    )
    const found = prefixed.filter((route) => {
      const result = byPrefix.get(route.server)
      return result !== undefined && Result.isSuccess(result) && result.success.has(route.name)
    })
    const failed = prefixed.flatMap((route) => {
      const result = byPrefix.get(route.server)
      return result !== undefined && Result.isFailure(result) ? [{ route, error: result.failure }] : []
    })
    // Ambiguous is what the list would show twice: what the user may not use is not in it.
    const usable = found.filter((route) => permitted(kind, access, route))
    if (usable.length > 1) return yield* unknown(kind, name)
    if (usable.length === 1) {
      const twin = failed.find(({ route }) => permitted(kind, access, route))
      return twin === undefined ? usable[0]! : yield* undecided(name, twin.route.server)
    }
    if (found.length > 0) return yield* unknown(kind, name)
    const cut = prefixed.find((route) => mayYetHave(kind, route, byPrefix.get(route.server)))
    if (failed.length === 0 && cut !== undefined) return yield* undecided(name, cut.server)
    if (failed.length === 1) return yield* failed[0]!.error
    const all = yield* load(kind, access.keys(), context)
    const routes = [...all].map(([server, result]) => ({ route: { server, name }, result }))
    const bare = routes.filter(
      ({ result, route }) => Result.isSuccess(result) && result.success.has(name) && permitted(kind, access, route)
    )
    if (bare.length !== 1) return yield* unknown(kind, name)
    const twin = routes.find(({ result, route }) => mayYetHave(kind, route, result) && permitted(kind, access, route))
    return twin === undefined ? bare[0]!.route : yield* undecided(name, twin.route.server)
  })

  return {
    list,
    forget: () => known.clear(),
    tool: (name, access, context) => {
      const latest = known.get(name)
      if (latest !== undefined && latest.access === access) return latest.found
      return named("tools", name, access, context)
    },
    lists: ({ name, server }) => lists.known(server, "tools")?.has(name) === true,
    toolOf: (route, context) =>
      Effect.suspend(() => {
        const known = lists.known(route.server, "tools")?.get(route.name)
        if (known !== undefined) return Effect.succeed(known)
        return lists.get(route.server, "tools", context).pipe(
          Effect.map((items) => items.get(route.name)),
          Effect.orElseSucceed(() => undefined)
        )
      }),
    prompt: (name, access, context) => named("prompts", name, access, context),
    resource: resources.resource,
    template: resources.template,
    inResult: resources.inResult
  } satisfies Catalog
})
