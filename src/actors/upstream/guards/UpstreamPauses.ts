/**
 * Leaves a server alone for as long as it has asked one user to (HTTP 429 and 503 with Retry-After): what this user
 * wants of it meanwhile waits, if that moment lies before the request's own deadline, and otherwise fails at once.
 * Nobody else waits, and a server that names no time is not waited for.
 *
 * What such an answer refused is sent once more by then if it may be sent twice at all; a `tools/call` is not.
 *
 * Used by `UpstreamConnector` for requests, by `UpstreamLinks` for opening connections, and by `ServerLists`, which has
 * less time for a server.
 */
import { Cause, Clock, Context, Effect, Layer, Option } from "effect"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import { isRepeatable } from "../../../domain/protocol/Methods.ts"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import { RequestTracker } from "../../requests/RequestTracker.ts"
import type { CallContext } from "../connection/UpstreamConnection.ts"
import { waiting } from "../../../domain/requests/Waits.ts"
import { askedPause, type UpstreamError, UpstreamUnavailable } from "../../../domain/requests/UpstreamErrors.ts"

/** Whose request, to which server. */
export interface Asking {
  readonly server: string
  readonly config: ServerConfig
  readonly context: CallContext
}

interface Pause {
  /** Another entry may lead to another server altogether. */
  readonly config: ServerConfig
  /** Monotonic milliseconds. */
  readonly until: number
}

/** Settings that were read anew have the same entries as other objects. */
const isSame = (one: ServerConfig, other: ServerConfig): boolean =>
  one === other || JSON.stringify(one) === JSON.stringify(other)

export class UpstreamPauses extends Context.Service<
  UpstreamPauses,
  {
    /**
     * Sends a request when its server's time has come, and again if it is repeatable and met with a new pause. Looks at
     * the time when it is called.
     */
    readonly respect: <A>(
      asking: Asking,
      method: string,
      send: () => Effect.Effect<A, UpstreamError>
    ) => Effect.Effect<A, UpstreamError>
    /** The part of `respect` for a request that was sent while no server had asked for a pause: it has failed. */
    readonly failed: <A>(
      asking: Asking,
      method: string,
      send: () => Effect.Effect<A, UpstreamError>,
      cause: Cause.Cause<UpstreamError>
    ) => Effect.Effect<A, UpstreamError>
    /** Users with servers that have asked for a pause: without any, nothing is to be waited for. */
    readonly pausing: { readonly size: number }
    /** The reason why the server is not asked within `patience` milliseconds; undefined when it may be. */
    readonly refusal: (asking: Asking, patience: number) => UpstreamUnavailable | undefined
    /** Something of the user's that servers see has changed, e.g. a token: another limit may hold now. */
    readonly forget: (userId: UserId) => void
  }
>()("mcphub/actors/upstream/guards/UpstreamPauses") {
  static readonly layer: Layer.Layer<UpstreamPauses, never, RequestTracker> = Layer.effect(
    UpstreamPauses,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const now = monotonicMillis(yield* Clock.Clock)
  const tracker = yield* RequestTracker
  const { requestTimeout } = yield* HubConfig
  const pauses = new Map<UserId, Map<string, Pause>>()

  /** Milliseconds until the server may be asked again for this user. */
  const remaining = ({ config, context, server }: Asking): number => {
    if (pauses.size === 0) return 0
    const pause = pauses.get(context.principal.userId)?.get(server)
    return pause === undefined || !isSame(pause.config, config) ? 0 : Math.max(0, Math.ceil(pause.until - now()))
  }

  /** Pauses are rare, so the ones that are over go when the next one comes. */
  const sweep = (): void => {
    const moment = now()
    for (const [userId, servers] of pauses) {
      for (const [server, { until }] of servers) if (until <= moment) servers.delete(server)
      if (servers.size === 0) pauses.delete(userId)
    }
  }

  const note = ({ config, context, server }: Asking, ms: number): void => {
    sweep()
    const { userId } = context.principal
    const servers = pauses.get(userId) ?? new Map<string, Pause>()
    const until = now() + ms
    const known = servers.get(server)
    const holds = known !== undefined && known.until >= until && isSame(known.config, config)
    if (!holds) servers.set(server, { config, until })
    pauses.set(userId, servers)
  }

  /** Milliseconds; what the hub asks on its own account has as long as any request. */
  const patienceOf = ({ requestId }: CallContext): Effect.Effect<number> =>
    Effect.map(tracker.find(requestId), (found) =>
      Option.isSome(found) ? found.value.deadline - now() : requestTimeout
    )

  const refusal: UpstreamPauses["Service"]["refusal"] = (asking, patience) => {
    const wait = remaining(asking)
    if (wait === 0 || wait < patience) return undefined
    const { server } = asking
    return new UpstreamUnavailable({
      server,
      reason: "backoff",
      message: `Server ${server} takes no requests of this user for now (HTTP 429 or 503) and asked to be left alone, so nothing was sent; try again in ${Math.ceil(wait / 1_000)} s`,
      retryAfterMs: wait
    })
  }

  const pause = ({ context, server }: Asking, ms: number): Effect.Effect<void> =>
    waiting(context.waits, { kind: "retry-after", server, until: now() + ms }, Effect.sleep(ms))

  const turn = (asking: Asking): Effect.Effect<void, UpstreamUnavailable> =>
    Effect.suspend(() => {
      const wait = remaining(asking)
      if (wait === 0) return Effect.void
      return Effect.flatMap(
        patienceOf(asking.context),
        // The server may have asked for more by then.
        (patience) => refusal(asking, patience) ?? Effect.andThen(pause(asking, wait), turn(asking))
      )
    })

  /** Notes the pause that an answer asks for, if it asks for one. */
  const noted = (asking: Asking, cause: Cause.Cause<UpstreamError>): boolean => {
    const error = Cause.findErrorOption(cause)
    const ms = Option.isSome(error) ? askedPause(error.value) : undefined
    if (ms !== undefined) note(asking, ms)
    return ms !== undefined
  }

  const respect: UpstreamPauses["Service"]["respect"] = (asking, method, send) => {
    const inTime = remaining(asking) === 0 ? send() : Effect.andThen(turn(asking), Effect.suspend(send))
    return Effect.catchCause(inTime, (cause) => failed(asking, method, send, cause))
  }

  const failed: UpstreamPauses["Service"]["failed"] = (asking, method, send, cause) => {
    const isPaused = noted(asking, cause)
    if (!isPaused || !isRepeatable(method)) return Effect.failCause(cause)
    const again = Effect.andThen(turn(asking), Effect.suspend(send))
    return Effect.tapCause(again, (cause) => Effect.sync(() => noted(asking, cause)))
  }

  return UpstreamPauses.of({
    respect,
    failed,
    pausing: pauses,
    refusal,
    forget: (userId) => void pauses.delete(userId)
  })
})
