/**
 * The state of each server for each user, as an operator reads it in the log: one line when it changes, none for a
 * request. A server may work for one user and refuse another, so the state belongs to the pair; of a server that all
 * users share it belongs to the server alone.
 *
 * Sessions tell of their connections (`UpstreamLinks`), the circuit breaker of its pauses (`UpstreamBreakers`), the
 * connector of refused credentials; how requests end is heard from the tracker. Read by `server ls`, `doctor` and metrics.
 */
import { Clock, Context, Effect, Layer, type Scope } from "effect"
import { UserId } from "../../../domain/Ids.ts"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import { excerpt } from "../../../domain/Redaction.ts"
import { isHeldBack, isUnauthorized, type UpstreamError } from "../../../domain/requests/UpstreamErrors.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import { RequestTracker } from "../../requests/RequestTracker.ts"
import type { CallContext } from "../connection/UpstreamConnection.ts"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"

export const serverStates = ["up", "down", "hung", "unauthorized", "paused", "trying", "restarting"] as const

/**
 * `unauthorized`: the user's token is missing, or the server refuses it; `paused` and `trying`: the circuit breaker is
 * open or half open; `restarting`: an operator has ended its connections.
 */
export type ServerState = (typeof serverStates)[number]

/** Whose state of which server. */
export interface Concerning {
  readonly server: string
  readonly config: ServerConfig
  readonly context: Pick<CallContext, "principal" | "waits">
}

export interface UserState {
  readonly server: string
  /** Absent where all users share the server. */
  readonly username: string | undefined
  readonly state: ServerState
  readonly reason: string | undefined
  /** Milliseconds since it began. */
  readonly forMs: number
  /** Milliseconds since the server was last tried, or a request to it ended. */
  readonly triedMs: number
  /** Milliseconds for which the server is left alone. */
  readonly retryMs: number | undefined
}

interface Seen {
  readonly userId: UserId | undefined
  readonly username: string | undefined
  state: ServerState | undefined
  reason: string | undefined
  since: number
  triedAt: number
  retryAt: number
  loggedAt: number
  connections: number
}

interface More {
  readonly retryAfterMs?: number | null
  readonly connectMs?: number
}

/** A state that keeps being reached for ever new reasons is told again this often. */
const retellMs = 60_000
/** What nobody has had to do with for this long is forgotten. */
const lifeMs = 60 * 60_000
const longestReason = 500
const everybody = UserId.make("everybody")

export class ServerStates extends Context.Service<
  ServerStates,
  {
    /** A connection stands, for as long as the caller's scope lives. */
    readonly opened: (concerning: Concerning, tookMs: number) => Effect.Effect<void, never, Scope.Scope>
    /** No connection could be opened; the next attempt comes with the next request after `retryAfterMs`. */
    readonly failed: (concerning: Concerning, error: UpstreamError, retryAfterMs: number | undefined) => void
    readonly changed: (concerning: Concerning, state: ServerState, reason: string, retryAfterMs?: number) => void
    /** Users and servers of which one is away from, hangs or refuses the other: without any, `answered` has nothing to do. */
    readonly troubled: { readonly count: number }
    /** A request to the server was answered: it neither hangs nor refuses any more. */
    readonly answered: (concerning: Concerning) => void
    /** Of every user for whom a server does not work, or who has a connection to it. */
    readonly all: () => ReadonlyArray<UserState>
    /**
     * Of one user, with what this user may read: the reason of a state that all users share may be about any of them.
     */
    readonly of: (userId: UserId) => ReadonlyArray<UserState>
    /** The users for whom a server is in a state. */
    readonly count: (server: string, state: ServerState) => number
  }
>()("mcphub/actors/upstream/guards/ServerStates") {
  static readonly layer: Layer.Layer<ServerStates, never, RequestTracker | Settings> = Layer.effect(
    ServerStates,
    Effect.suspend(() => make)
  )
}

/** What only a user's right or the hub's own doing keeps from a server is no state of it. */
const isState = (error: UpstreamError): boolean =>
  error._tag !== "NotAllowed" &&
  error._tag !== "ServerOverloaded" &&
  error._tag !== "MemoryLimitReached" &&
  !(error._tag === "UpstreamUnavailable" && error.reason === "limit") &&
  !isHeldBack(error)

const make = Effect.gen(function* () {
  const now = monotonicMillis(yield* Clock.Clock)
  const settings = yield* Settings
  const tracker = yield* RequestTracker
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const byServer = new Map<string, Map<UserId, Seen>>()
  const troubled = { count: 0 }

  const find = (server: string, userId: UserId): Seen | undefined => {
    const seen = byServer.get(server)
    return seen?.get(userId) ?? seen?.get(everybody)
  }

  const seenOf = ({ config, context: { principal }, server }: Concerning): Seen => {
    const isShared = config.isolation === "shared"
    const key = isShared ? everybody : principal.userId
    const users = byServer.get(server) ?? new Map<UserId, Seen>()
    byServer.set(server, users)
    const known = users.get(key)
    if (known !== undefined) return known
    const { userId, username } = isShared ? { userId: undefined, username: undefined } : principal
    const never = Number.NEGATIVE_INFINITY
    const fresh = { state: undefined, reason: undefined, since: now(), triedAt: now(), retryAt: never, loggedAt: never }
    const seen: Seen = { userId, username, ...fresh, connections: 0 }
    users.set(key, seen)
    return seen
  }

  const isTroubled = ({ state }: Seen): boolean => state === "hung" || state === "unauthorized" || state === "down"

  const tell = (server: string, seen: Seen, was: ServerState | undefined, more: Readonly<Record<string, unknown>>) => {
    const { reason, state, userId, username } = seen
    const line = state === "up" || state === "trying" ? Effect.logInfo("server") : Effect.logWarning("server")
    const who = userId === undefined ? { user: null } : { user: username, userId }
    runFork(Effect.annotateLogs(line, { server, ...who, state, was: was ?? null, reason: reason ?? null, ...more }))
  }

  const enter = (server: string, seen: Seen, state: ServerState, reason?: string, more: More = {}): void => {
    const was = seen.state
    const said = reason === undefined ? undefined : excerpt(reason, longestReason)
    const moment = now()
    // A restart is no attempt; a pause begins with one that failed.
    if (state !== "restarting") seen.triedAt = moment
    seen.retryAt = moment + (more.retryAfterMs ?? 0)
    const isSame = was === state
    if (!isSame) seen.since = moment
    const isNews = !isSame || (seen.reason !== said && moment - seen.loggedAt >= retellMs)
    if (isTroubled(seen)) troubled.count--
    seen.state = state
    seen.reason = said
    if (isTroubled(seen)) troubled.count++
    if (!isNews) return
    seen.loggedAt = moment
    tell(server, seen, was, { ...more })
  }

  const later = (ms: number | undefined) => ({ retryAfterMs: ms === undefined ? null : Math.ceil(ms) })

  const unlisten = tracker.onEnded(
    ({ record: { server, userId } }) => {
      if (server === undefined) return
      const seen = find(server, userId)
      if (seen !== undefined) seen.triedAt = now()
      // Of a server that is paused or down more is known.
      if (seen?.state === "up") enter(server, seen, "hung", `Server ${server} does not answer in time`)
    },
    ["timedOut"]
  )
  yield* Effect.addFinalizer(() => Effect.sync(unlisten))

  const sweep = Effect.sync(() => {
    for (const [server, users] of byServer) {
      const isGone = settings.current().mcpServers[server] === undefined
      for (const [userId, seen] of users) {
        if (seen.connections > 0 || (!isGone && now() - Math.max(seen.since, seen.loggedAt) < lifeMs)) continue
        if (isTroubled(seen)) troubled.count--
        users.delete(userId)
      }
      if (users.size === 0) byServer.delete(server)
    }
  })
  yield* sweep.pipe(Effect.delay("1 minute"), Effect.forever, Effect.forkScoped)

  const holds = (seen: Seen): boolean => seen.state !== undefined && (seen.state !== "up" || seen.connections > 0)

  const shown =
    (server: string) =>
    ({ reason, retryAt, since, state, triedAt, username }: Seen): UserState => ({
      server,
      username,
      state: state!,
      reason,
      forMs: now() - since,
      triedMs: now() - triedAt,
      retryMs: retryAt > now() ? Math.ceil(retryAt - now()) : undefined
    })

  return ServerStates.of({
    opened: (concerning, tookMs) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => {
            const seen = seenOf(concerning)
            seen.connections++
            enter(concerning.server, seen, "up", undefined, { connectMs: Math.round(tookMs) })
            return seen
          }),
          (seen) => Effect.sync(() => void seen.connections--)
        )
      ),
    failed: (concerning, error, retryAfterMs) => {
      if (!isState(error)) return
      enter(
        concerning.server,
        seenOf(concerning),
        isUnauthorized(error) ? "unauthorized" : "down",
        error.message,
        later(retryAfterMs)
      )
    },
    changed: (concerning, state, reason, retryAfterMs) =>
      enter(concerning.server, seenOf(concerning), state, reason, later(retryAfterMs)),
    troubled,
    answered: ({ context, server }) => {
      const seen = find(server, context.principal.userId)
      if (seen !== undefined && (isTroubled(seen) || seen.state === "trying")) enter(server, seen, "up")
    },
    count: (server, state) => {
      let users = 0
      for (const seen of byServer.get(server)?.values() ?? []) if (seen.state === state && holds(seen)) users++
      return users
    },
    all: () => [...byServer].flatMap(([server, users]) => [...users.values()].filter(holds).map(shown(server))),
    of: (userId) =>
      [...byServer].flatMap(([server, users]) => {
        const own = users.get(userId)
        const seen = own ?? users.get(everybody)
        if (seen === undefined || !holds(seen)) return []
        const state = shown(server)(seen)
        return own === undefined ? { ...state, reason: undefined } : state
      })
  })
})
