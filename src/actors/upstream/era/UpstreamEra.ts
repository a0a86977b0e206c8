/**
 * Chooses the era in which the hub speaks to a server: the client's own where the server offers it, the other one where
 * it does not, or always the one its settings name (`era`).
 *
 * The hub asks a server by opening a connection. What it refused is believed for a while and dated, because the answer
 * of a server that has since been updated would never fail loudly; any connection that opens revises it at once. Each
 * attempt has a scope of its own: the process or the sockets of one that was refused are gone before the next begins,
 * so that a server which is killed by a question it does not know is never the one that serves calls.
 *
 * Source: MCP 2026-07-28 `basic/transports` (backward compatibility), `basic/lifecycle`.
 */
import { Clock, Effect, Exit, Scope } from "effect"
import { clientCapabilitiesAcross } from "../../../domain/protocol/eras/Capabilities.ts"
import { type Era, eraOf } from "../../../domain/protocol/Versions.ts"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import type { ConnectOptions, OpenIn, UpstreamConnection } from "../connection/UpstreamConnection.ts"
import { type EraNotSpoken, type UpstreamError, UpstreamUnavailable } from "../../../domain/requests/UpstreamErrors.ts"

/** Milliseconds for which "does not speak this era" is believed. */
const verdictLife = 10 * 60_000

export interface UpstreamEra {
  /** Opens a connection in the scope, in the era that fits. */
  readonly connect: (
    options: ConnectOptions,
    open: OpenIn
  ) => Effect.Effect<UpstreamConnection, UpstreamError, Scope.Scope>
}

const otherThan = (era: Era): Era => (era === "stateful" ? "stateless" : "stateful")

/**
 * A client is described in the words of the era that is spoken, and never as able to do what cannot be carried to it: of
 * the stateless revision that is tasks, whoever declares them.
 */
const heardIn = (era: Era, options: ConnectOptions): ConnectOptions =>
  era === "stateful" && eraOf(options.protocolVersion) === era
    ? options
    : { ...options, clientCapabilities: clientCapabilitiesAcross(options.clientCapabilities) }

/** An address with a user's own values in it may lead each user to another server. */
const whoseServer = ({ config, context }: ConnectOptions): string =>
  config.url?.includes("${USER_") === true ? context.principal.userId : ""

export const make = Effect.gen(function* () {
  const now = monotonicMillis(yield* Clock.Clock)
  /** By settings entry, so that an edited one starts afresh: the eras refused, and when. */
  const refused = new WeakMap<ServerConfig, Map<string, number>>()

  const keyOf = (era: Era, options: ConnectOptions): string => `${era} ${whoseServer(options)}`

  const isRefused = (era: Era, options: ConnectOptions): boolean => {
    const at = refused.get(options.config)?.get(keyOf(era, options))
    return at !== undefined && now() - at < verdictLife
  }

  const note = (era: Era, options: ConnectOptions): void => {
    const verdicts = refused.get(options.config) ?? new Map<string, number>()
    refused.set(options.config, verdicts.set(keyOf(era, options), now()))
  }

  const forget = (era: Era, options: ConnectOptions): void => {
    refused.get(options.config)?.delete(keyOf(era, options))
  }

  const attempt = Effect.fnUntraced(function* (era: Era, options: ConnectOptions, open: OpenIn) {
    const own = yield* Scope.fork(yield* Effect.scope)
    const connection = yield* open(heardIn(era, options), era).pipe(
      Scope.provide(own),
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(own, exit)))
    )
    forget(era, options)
    return connection
  })

  const either = Effect.fnUntraced(function* (options: ConnectOptions, open: OpenIn) {
    const wanted = eraOf(options.protocolVersion)
    const first = isRefused(wanted, options) ? otherThan(wanted) : wanted
    return yield* attempt(first, options, open).pipe(
      Effect.catchTag("EraNotSpoken", (refusal) => {
        note(first, options)
        return attempt(otherThan(first), options, open).pipe(
          // What opens in neither era may have failed for a reason of this user's own, such as a token that has expired:
          // nothing is known any more.
          Effect.tapError(() => Effect.sync(() => forget(first, options))),
          Effect.catchTag("EraNotSpoken", (second) => Effect.fail(first === wanted ? refusal.refusal : second.refusal))
        )
      })
    )
  })

  return {
    connect: (options, open) => {
      const era = options.config.era ?? "client"
      if (era === "client") return either(options, open)
      return Effect.catchTag(attempt(era, options, open), "EraNotSpoken", (error) => Effect.fail(named(error)))
    }
  } satisfies UpstreamEra
})

/** The settings leave no choice. */
const named = ({ era, refusal }: EraNotSpoken): UpstreamUnavailable =>
  new UpstreamUnavailable({
    server: refusal.server,
    reason: refusal.reason,
    message: `${refusal.message}; its settings allow only the ${era} era, remove "era" there to let the hub choose`
  })
