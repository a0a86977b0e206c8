/**
 * The URIs of resources as a session's client knows them, and the way back from one to its server: by what the client
 * was told (`GivenUris`), by the lists and templates of the servers, or by the server's name in it where several servers
 * have the same URI. A URI is renamed alike wherever it stands.
 */
import { Effect, Result } from "effect"
import type { Access } from "../../domain/access/Access.ts"
import { literalPrefix, qualifyUri, unqualifiedUri } from "../../domain/protocol/ExposedNames.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { isJsonObject } from "../../domain/protocol/JsonObjects.ts"
import { RawJson } from "../../domain/protocol/json/RawJson.ts"
import type { ListKind } from "../../domain/protocol/Methods.ts"
import { holdsUris, renameInterfaces, renameUris } from "../../domain/protocol/ResultUris.ts"
import { InvalidParams, ResourceUnknown } from "../../domain/requests/RequestErrors.ts"
import type { UpstreamError } from "../../domain/requests/UpstreamErrors.ts"
import type { Room } from "../limits/Retained.ts"
import type { CallContext } from "../upstream/connection/UpstreamConnection.ts"
import * as GivenUris from "./GivenUris.ts"
import type { Route } from "./Route.ts"
import type { Items } from "./KeptList.ts"
import type { ServerLists } from "./ServerLists.ts"

export interface ResourceNames {
  readonly resource: (
    uri: string,
    access: Access,
    context: CallContext
  ) => Effect.Effect<Route, ResourceUnknown | InvalidParams | UpstreamError>
  /** A resource template, as `completion/complete` refers to it. */
  readonly template: (
    uri: string,
    access: Access,
    context: CallContext
  ) => Effect.Effect<Route, ResourceUnknown | UpstreamError>
  /** The URI under which a server's resource is listed; `isTwice`: another server lists the same. */
  readonly listedAs: (server: string, uri: string, isTwice: boolean) => string
  /** An entry of a server's list, with the client's names in its `_meta`. */
  readonly inEntry: (server: string, entry: JsonObject, access: Access) => JsonObject
  /** A server's result with the client's names in it; `asked` is the client's name of what was read. */
  readonly inResult: (call: Asked, result: unknown, access: Access) => unknown
}

export interface Asked {
  readonly method: string
  readonly route: Route
  readonly asked: string
}

export interface NameOptions {
  readonly lists: ServerLists
  readonly load: (kind: ListKind, servers: Iterable<string>, context: CallContext) => Effect.Effect<Loaded>
  /** One server's endpoint: URIs are its own. */
  readonly direct: boolean
  readonly room: Room
}

export type Loaded = ReadonlyMap<string, Result.Result<Items, UpstreamError>>

/** Bytes of a result that was not read, up to which it is looked through for URIs. */
const maxReadBytes = 1024 * 1024

export const make = ({ direct, lists, load, room }: NameOptions): ResourceNames => {
  const given = GivenUris.make(room)

  /**
   * Whose a URI is without asking anybody: the only server's, or the one's whose name it carries (`{server}+{uri}`),
   * unless it was listed as somebody's own URI (`git+ssh://…` beside a server `git`).
   */
  const evident = (kind: "resources" | "templates", uri: string, access: Access): Route | undefined => {
    if (direct) {
      const server = access.keys().next().value
      if (server !== undefined) return { server, name: uri }
    }
    const listing = [...access.keys()].filter((server) => lists.known(server, kind)?.has(uri))
    const owner = given.owner(uri)
    // What others list and it does not was given away before anybody knew.
    if (owner !== undefined && access.has(owner) && (listing.length === 0 || listing.includes(owner))) {
      return { server: owner, name: uri }
    }
    if (listing.length > 0) return undefined
    for (const server of access.keys()) {
      const name = unqualifiedUri(server, uri)
      if (name !== undefined) return { server, name }
    }
    return undefined
  }

  const offering = (loaded: Loaded, matches: (items: Items) => boolean): ReadonlyArray<string> =>
    [...loaded].flatMap(([server, result]) => (Result.isSuccess(result) && matches(result.success) ? [server] : []))

  const ambiguous = (uri: string, servers: ReadonlyArray<string>): InvalidParams =>
    new InvalidParams({
      message: `Several servers offer ${uri}; name one of them: ${servers.map((server) => qualifyUri(server, uri)).join(", ")}`
    })

  const resource: ResourceNames["resource"] = Effect.fnUntraced(function* (uri, access, context) {
    const explicit = evident("resources", uri, access)
    if (explicit !== undefined) return explicit
    const [resources, templates] = yield* Effect.all(
      [load("resources", access.keys(), context), load("templates", access.keys(), context)],
      { concurrency: "unbounded" }
    )
    const exact = offering(resources, (items) => items.has(uri))
    if (exact.length > 1) return yield* ambiguous(uri, exact)
    if (exact.length === 1) return { server: exact[0]!, name: uri }
    let longest = 0
    let matching: Array<string> = []
    for (const [server, result] of templates) {
      if (Result.isFailure(result)) continue
      for (const template of result.success.keys()) {
        const prefix = literalPrefix(template)
        if (prefix.length === 0 || !uri.startsWith(prefix) || prefix.length < longest) continue
        if (prefix.length > longest) matching = []
        longest = prefix.length
        if (!matching.includes(server)) matching.push(server)
      }
    }
    if (matching.length > 1) return yield* ambiguous(uri, matching)
    if (matching.length === 1) return { server: matching[0]!, name: uri }
    // Whose else could it be?
    const only = access.size === 1 ? access.keys().next().value : undefined
    if (only !== undefined) return { server: only, name: uri }
    return yield* new ResourceUnknown({ uri, message: "Resource not found" })
  })

  const template: ResourceNames["template"] = Effect.fnUntraced(function* (uri, access, context) {
    const explicit = evident("templates", uri, access)
    if (explicit !== undefined) return explicit
    const loaded = yield* load("templates", access.keys(), context)
    const servers = offering(loaded, (items) => items.has(uri))
    if (servers.length === 1) return { server: servers[0]!, name: uri }
    return yield* new ResourceUnknown({ uri, message: "Resource template not found" })
  })

  /** What another server lists, fits its templates or carries its name is not for this one to give away. */
  const isKnownOfAnother = (server: string, uri: string, access: Access): boolean => {
    for (const other of access.keys()) {
      if (other === server) continue
      if (unqualifiedUri(other, uri) !== undefined || lists.known(other, "resources")?.has(uri)) return true
      for (const template of lists.known(other, "templates")?.keys() ?? []) {
        const prefix = literalPrefix(template)
        if (uri === template || (prefix.length > 0 && uri.startsWith(prefix))) return true
      }
    }
    return false
  }

  const nameOf = (server: string, uri: string, access: Access): string =>
    given.give(server, uri, isKnownOfAnother(server, uri, access), lists.known(server, "resources")?.has(uri) === true)

  const inResult: ResourceNames["inResult"] = ({ asked, method, route }, result, access) => {
    if (direct || !holdsUris(method)) return result
    const isRaw = result instanceof RawJson
    if (isRaw && (result.byteLength > maxReadBytes || !result.text().includes('"uri"'))) return result
    const read = isRaw ? result.value() : result
    if (!isJsonObject(read)) return result
    const renamed = renameUris(method, read, (uri) =>
      method === "resources/read" && uri === route.name ? asked : nameOf(route.server, uri, access)
    )
    return renamed === read ? result : renamed
  }

  return {
    resource,
    template,
    listedAs: (server, uri, isTwice) => {
      const owner = given.owner(uri)
      return owner === server || (owner === undefined && !isTwice) ? uri : qualifyUri(server, uri)
    },
    inEntry: (server, entry, access) =>
      direct ? entry : renameInterfaces(entry, (uri) => nameOf(server, uri, access)),
    inResult
  }
}
