/**
 * The connections of a session that stand, and what is under way on them. A child process that nobody uses may give way
 * to another (`ChildPlaces`); one that is given up for what it was started with goes on until its last request has ended.
 * What a child of which the client has made use kept for it is gone with it, for whatever reason it went: `takeLoss` says
 * so, for the client to be told.
 */
import { Effect, Exit, Fiber, Scope } from "effect"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import { ChildPlaces } from "../guards/ChildPlaces.ts"
import { type ConnectOptions, type UpstreamConnection, withParts } from "../connection/UpstreamConnection.ts"

export interface OpenLink {
  readonly connection: UpstreamConnection
  readonly scope: Scope.Closeable
  readonly config: ServerConfig
  /** Of the user's tokens it was built with, see `BuiltWith`. */
  readonly tokens: string
  readonly isChild: boolean
  /** What it was opened for has not come to its end. */
  isNew: boolean
  /** The client has called it. */
  isUsed: boolean
  usedAt: number
  inFlight: number
  /** No new request goes to it; it closes with the last of those that do. */
  isRetired: boolean
}

export interface OpenLinks {
  readonly get: (server: string) => OpenLink | undefined
  readonly has: (server: string) => boolean
  readonly all: () => Iterable<readonly [server: string, link: OpenLink]>
  readonly add: (
    server: string,
    link: Pick<OpenLink, "connection" | "scope" | "config" | "tokens" | "isChild">
  ) => OpenLink
  /** Nobody finds it any more; `reason` is for the client, where it has lost something. */
  readonly forget: (server: string, link: OpenLink, reason: string) => void
  /** Closes it, on a fiber of the session: a scope cannot wait for a fiber of its own while it closes. */
  readonly close: (link: OpenLink) => Effect.Effect<Fiber.Fiber<void>>
  readonly retire: (server: string, link: OpenLink, reason: string) => Effect.Effect<void>
  /** Others may have its place while nobody uses it, as long as the caller's scope lives. */
  readonly offer: (server: string, link: OpenLink, request: ConnectOptions) => Effect.Effect<void, never, Scope.Scope>
  /** The connection with its requests counted, once there is a link. */
  readonly counting: (connection: UpstreamConnection, link: () => OpenLink | undefined) => UpstreamConnection
  /** The connection, if it stands; the client is about to call it. */
  readonly use: (server: string) => UpstreamConnection | undefined
  /** By server: why a child process that the client has called is no more. */
  readonly losses: ReadonlyMap<string, string>
  readonly takeLoss: (server: string) => string | undefined
}

export interface OpenLinkOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Whether nothing of the session is in flight, and no stream is open. */
  readonly isIdle: () => boolean
  /** Whether the client waits to hear of the server's resources. */
  readonly listens: (server: string) => boolean
  readonly onClosed: (server: string) => void
}

export const make = Effect.fnUntraced(function* ({ isIdle, listens, now, onClosed }: OpenLinkOptions) {
  const session = yield* Effect.scope
  const children = yield* ChildPlaces
  const open = new Map<string, OpenLink>()
  const losses = new Map<string, string>()

  const forget: OpenLinks["forget"] = (server, link, reason) => {
    if (open.get(server) !== link) return
    open.delete(server)
    if (link.isChild && link.isUsed) losses.set(server, reason)
    onClosed(server)
  }

  const close: OpenLinks["close"] = ({ scope }) => Effect.forkIn(Scope.close(scope, Exit.void), session)

  /** A child of a session that is not in use can go, as can one that has done no more than list what it offers. */
  const mayGo = (server: string, { inFlight, isNew, isUsed }: OpenLink): boolean =>
    inFlight === 0 && !listens(server) && ((!isUsed && !isNew) || isIdle())

  return {
    get: (server) => open.get(server),
    has: (server) => open.has(server),
    all: () => open,
    add: (server, parts) => {
      const link: OpenLink = { ...parts, isNew: true, isUsed: false, usedAt: now(), inFlight: 0, isRetired: false }
      open.set(server, link)
      return link
    },
    forget,
    close,
    retire: (server, link, reason) =>
      Effect.suspend(() => {
        link.isRetired = true
        forget(server, link, reason)
        return link.inFlight === 0 ? Scope.close(link.scope, Exit.void) : Effect.void
      }),
    offer: (server, link, { context }) =>
      children.offer({
        userId: context.principal.userId,
        isIdle: () => mayGo(server, link),
        isBlank: () => !link.isUsed,
        isListing: () => !link.isUsed && (link.isNew || link.inFlight > 0),
        usedAt: () => link.usedAt,
        giveWay: Effect.suspend(() => {
          forget(server, link, "it made room for other processes while nobody used this session")
          return Effect.flatMap(close(link), Fiber.await)
        })
      }),
    counting: (connection, linkOf) =>
      withParts(connection, {
        request: (call) =>
          Effect.suspend(() => {
            const link = linkOf()
            if (link === undefined) return connection.request(call)
            link.inFlight++
            return Effect.onExitPrimitive(connection.request(call), () => {
              link.inFlight--
              link.isNew = false
              link.usedAt = now()
              if (link.isChild) children.look()
              return link.isRetired && link.inFlight === 0 ? Effect.asVoid(close(link)) : undefined
            })
          })
      }),
    use: (server) => {
      const link = open.get(server)
      if (link !== undefined) link.isUsed = true
      return link?.connection
    },
    losses,
    takeLoss: (server) => {
      const loss = losses.get(server)
      losses.delete(server)
      return loss
    }
  } satisfies OpenLinks as OpenLinks
})
