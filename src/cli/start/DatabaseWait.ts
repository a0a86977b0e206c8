/**
 * A hub whose database is away when it starts: it stays up and tries again until the database answers. Meanwhile its
 * address says so: alive, not ready, and 503 to everybody else, since without the database nobody can be known.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Context, Effect, Exit, Layer, Option, Scope } from "effect"
import { LogOutput } from "../../actors/observing/LogOutput.ts"
import { backlogFor, Measures } from "../../actors/limits/Pressure.ts"
import * as Logging from "../../actors/observing/Logging.ts"
import type { Overrides } from "../../domain/config/ConfigVariables.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { unavailable } from "../../http/wire/Refusals.ts"
import type { Fork } from "../../domain/Guard.ts"
import { NodeExchange } from "../../http/runtime/NodeExchange.ts"
import * as NodeServer from "../../http/runtime/NodeServer.ts"
import { CliFailure } from "../terminal/CliFailure.ts"

const tryEvery = "1 second"
const retryAfterSeconds = 5

const notReady = (basePath: string, fork: Fork) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
  const path = (incoming.url ?? "/").split("?", 1)[0]!
  const reply = new NodeExchange(incoming, outgoing, fork)
  if (path === `${basePath}/livez`) return reply.send(200, "ok", { "content-type": "text/plain" })
  outgoing.setHeader("connection", "close")
  if (path === `${basePath}/readyz`) {
    const headers = { "content-type": "text/plain", "retry-after": String(retryAfterSeconds) }
    return reply.send(503, "not ready: the database does not answer", headers)
  }
  unavailable(reply, "The hub has started but its database does not answer; try again in a moment", retryAfterSeconds)
}

/** Listens for as long as the scope lives; the port it got. */
const listening = Effect.gen(function* () {
  const { basePath, host, port } = yield* HubConfig
  const server = createServer(notReady(basePath, Effect.runForkWith(yield* Effect.context<never>())))
  const limit = (yield* Measures).descriptors()?.limit
  // Connections that say nothing must not take what the attempts at the database need.
  if (limit !== undefined) server.maxConnections = Math.floor(limit / 2)
  const address: AddressInfo = yield* Effect.acquireRelease(
    NodeServer.listen(server, host, port, backlogFor(limit)),
    () => NodeServer.stop(server)
  )
  return address.port
})

/** Only that the database cannot be reached may pass by itself; anything else is for the operator to mend. */
const isAway = (error: unknown): boolean => error instanceof CliFailure && error.kind === "DatabaseAway"

/**
 * Builds what needs the database, again and again while it is away. `overrides` come back with the port that was
 * listened on meanwhile, so that the hub takes its place.
 */
export const untilThere = Effect.fnUntraced(function* <A, E, R>(
  overrides: Overrides,
  build: (overrides: Overrides) => Effect.Effect<A, E, R>
) {
  const outer = yield* Effect.scope
  const attempt = (given: Overrides) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(outer)
      return yield* build(given).pipe(
        Scope.provide(scope),
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
      )
    })
  const orAway = (given: Overrides) =>
    attempt(given).pipe(
      Effect.asSome,
      Effect.catch((error) => (isAway(error) ? Effect.succeed(Option.none<A>()) : Effect.fail(error)))
    )

  const first = yield* orAway(overrides)
  if (Option.isSome(first)) return first.value
  return yield* Effect.gen(function* () {
    const services = yield* Layer.build(
      Logging.layer({ level: "Info" }).pipe(Layer.provideMerge([LogOutput.layerStderr, HubConfig.layerWith(overrides)]))
    )
    return yield* Effect.gen(function* () {
      const port = yield* listening
      yield* Effect.logWarning("The database does not answer: the hub waits for it and is not ready until then")
      const there = yield* Effect.sleep(tryEvery).pipe(
        Effect.andThen(orAway({ ...overrides, PORT: port })),
        Effect.repeat({ until: Option.isSome })
      )
      yield* Effect.logInfo("The database answers")
      return Option.getOrThrow(there)
    }).pipe(Effect.provideContext(Context.omit(Scope.Scope)(services) as typeof services))
  }).pipe(Effect.scoped)
})
