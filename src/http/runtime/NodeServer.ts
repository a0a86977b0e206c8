/**
 * The listener: one `node:http` server, on Node and on Deno alike. `/mcp` goes to the lean endpoint straight from the
 * callback; everything else to the `effect/http` routes.
 *
 * Closing its scope is the shutdown: sessions drain (requests in flight finish, new ones get 503), answers that are being
 * read leave, then the sockets go.
 */
import { once } from "node:events"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import { Sessions } from "../../actors/registry/Sessions.ts"
import { FairShare } from "../../actors/limits/FairShare.ts"
import { Pressure } from "../../actors/limits/Pressure.ts"
import { HubMetrics } from "../../actors/observing/HubMetrics.ts"
import { McpEndpoint } from "../mcp/McpEndpoint.ts"
import { Guard } from "../wire/Guard.ts"
import { type Connections, NodeExchange } from "./NodeExchange.ts"
import type { Leaving } from "./NodeStream.ts"
import * as SilentSockets from "./SilentSockets.ts"
import { severalHosts, unavailable } from "../wire/Refusals.ts"
import { HubRoutes } from "./HubRoutes.ts"
import * as Signposts from "../admission/Signposts.ts"
import { admitSite } from "../admission/Sites.ts"

export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  message: Schema.String
}) {}

const listenError = (error: NodeJS.ErrnoException, host: string, port: number): ListenFailed => {
  const where = `${host}:${port}`
  if (error.code === "EADDRINUSE") {
    return new ListenFailed({
      message: `Port ${port} on ${host} is in use by another program; stop it or choose another with --port`
    })
  }
  if (error.code === "EACCES")
    return new ListenFailed({ message: `Not permitted to listen on ${where}; choose a port above 1023` })
  return new ListenFailed({ message: `Cannot listen on ${where}: ${error.code ?? error.message}` })
}

/** `backlog`: how many connections may wait to be accepted. */
export const listen = (
  server: Server,
  host: string,
  port: number,
  backlog: number
): Effect.Effect<AddressInfo, ListenFailed> =>
  Effect.tryPromise({
    try: async (signal) => {
      const listening = once(server, "listening", { signal })
      server.listen({ host, port, backlog })
      await listening
      return server.address() as AddressInfo
    },
    catch: (error) => listenError(error as NodeJS.ErrnoException, host, port)
  })

export const stop = (server: Server): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeIdleConnections()
    // Connections that are still open have had their time.
    server.closeAllConnections()
  }).pipe(Effect.timeoutOption("2 seconds"), Effect.asVoid)

/** Done when all of these answers have left, or their clients have. */
const haveLeft = (leaving: Leaving): Effect.Effect<void> =>
  Effect.forEach(
    [...leaving].filter((outgoing) => !outgoing.destroyed),
    (outgoing) => Effect.ignore(Effect.tryPromise((signal) => once(outgoing, "close", { signal }))),
    { concurrency: "unbounded", discard: true }
  )

export class HubServer extends Context.Service<
  HubServer,
  {
    readonly host: string
    readonly port: number
    /** `http://127.0.0.1:3000/mcp`, with the real host, port and base path. */
    readonly url: string
  }
>()("mcphub/http/runtime/NodeServer") {
  static readonly layer = Layer.effect(
    HubServer,
    Effect.suspend(() => make)
  )
}

/** Surplus connections that are told so at a time, each within this many milliseconds; those beyond are just closed. */
const mostSurplus = 16
const surplusMs = 250

/** Strangers of one address, in connections that may wait to be accepted: a quarter of the descriptors. */
const strangersPerBacklog = 4

const turnAway = (exchange: NodeExchange): void => {
  exchange.always({ connection: "close" })
  unavailable(exchange, "The hub has as many connections as it can hold; try again", 5)
}

/** For routes that read no body, so that none is waited for. */
const closeBehindBody = ({ incoming: { headers }, outgoing }: NodeExchange): void => {
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0
  if (hasBody) outgoing.setHeader("connection", "close")
}

const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const endpoint = yield* McpEndpoint
  const sessions = yield* Sessions
  const pressure = yield* Pressure
  const share = yield* FairShare
  const metrics = yield* HubMetrics
  const scope = yield* Effect.scope
  const routes = yield* HubRoutes
  const otherRoutes = yield* NodeHttpServer.makeHandler(routes.app, { scope })

  const fork = Effect.runForkWith(yield* Effect.context<never>())

  /** Connections beyond what the descriptors, or their address's share, suffice for: told so, and closed. */
  const surplus = new Set<Socket>()
  const leaving: Leaving = new Set()

  const serve = (exchange: NodeExchange): void => {
    const { incoming, outgoing } = exchange
    if (surplus.has(incoming.socket)) return turnAway(exchange)
    // A proxy in front may have looked at the other one. Deno joins them before anybody sees them.
    if (exchange.disagrees("host") || exchange.headers["host"]?.includes(",") === true) return severalHosts(exchange)
    let url = incoming.url ?? "/"
    if (hub.basePath !== "") {
      if (!url.startsWith(hub.basePath) || !/^[/?]?$/.test(url.charAt(hub.basePath.length))) {
        closeBehindBody(exchange)
        return signpost(exchange, url.split("?", 1)[0]!)
      }
      url = url.slice(hub.basePath.length)
      if (!url.startsWith("/")) url = `/${url}`
      incoming.url = url
    }
    const mark = url.indexOf("?")
    if (mark === -1) exchange.path = url
    else exchange.at(url.slice(0, mark), url.slice(mark + 1))
    if (endpoint.handle(exchange, exchange)) return
    if (routes.serves(exchange.path)) {
      if (admitSite(exchange, exchange, hub)) otherRoutes(incoming, outgoing)
      return
    }
    closeBehindBody(exchange)
    if (routes.isProbe(exchange.path)) otherRoutes(incoming, outgoing)
    else signpost(exchange, exchange.path)
  }

  const signpost = (exchange: NodeExchange, path: string): void => {
    if (admitSite(exchange, exchange, hub)) Signposts.answer(exchange, exchange, path, hub.basePath)
  }

  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const { socket } = incoming
    const exchange = new NodeExchange(incoming, outgoing, fork, leaving, connections, silent.begun(socket))
    const { peer } = exchange
    const before = peer.posted
    if (exchange.method === "POST") peer.posted = exchange
    const begin = (): void => exchange.guard.run(serve, exchange)
    // Behind a POST on one connection, it must not end the session that this is for.
    if (exchange.method === "DELETE" && before !== undefined) before.onEnd(begin)
    else begin()
  }

  const now = monotonicMillis(yield* Clock.Clock)
  const silent = SilentSockets.make(now, strangersPerBacklog * pressure.backlog)
  yield* Effect.sync(() => {
    for (const socket of silent.overdue()) socket.destroy()
  }).pipe(Effect.delay(SilentSockets.lookEveryMs), Effect.forever, Effect.forkScoped)

  const connections: Connections = {
    known: silent.known,
    ended: (exchange) => {
      const { incoming, peer } = exchange
      silent.ended(incoming.socket)
      if (peer.posted === exchange) peer.posted = undefined
    }
  }

  const sockets = new Set<Socket>()
  const accept = (socket: Socket): void => {
    const guard = new Guard(fork, { breakOff: () => void socket.destroy() })
    guard.run(() => {
      pressure.accepted()
      guard.once(socket, "close", pressure.closed)
      sockets.add(socket)
      guard.once(socket, "close", () => sockets.delete(socket))
      const isWelcome = silent.accept(socket)
      guard.once(socket, "close", () => silent.closed(socket))
      if (isWelcome && !pressure.descriptors()) return
      if (surplus.size >= mostSurplus) return void socket.destroy()
      surplus.add(socket)
      guard.once(socket, "close", () => surplus.delete(socket))
      // Whether or not it has asked for something: its descriptor is needed.
      guard.once(
        socket,
        "close",
        guard.after(surplusMs, () => socket.destroy())
      )
    })
  }

  // A request's own limit is the tracker's; only a client that never finishes its headers is cut off here.
  const server = createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 72_000 }, listener)
  // The listener goes on, whatever happens to one connection.
  new Guard(fork, { breakOff: () => {} }).on(server, "connection", accept)
  yield* metrics.gauge("mcphub_client_sockets", "Open connections of clients", () => sockets.size)

  const shutDown = Effect.gen(function* () {
    const since = now()
    // Requests that wait for their turn go on first, so that none is left without an answer.
    yield* share.release
    yield* sessions.drain(hub.drainMs)
    const rest = hub.drainMs - (now() - since)
    if (rest > 0) yield* Effect.timeoutOption(haveLeft(leaving), rest)
    yield* stop(server)
  })
  const address = yield* Effect.acquireRelease(listen(server, hub.host, hub.port, pressure.backlog), () => shutDown)
  const shown = address.family === "IPv6" ? `[${address.address}]` : address.address
  return HubServer.of({
    host: address.address,
    port: address.port,
    url: `http://${shown}:${address.port}${hub.basePath}/mcp`
  })
})
