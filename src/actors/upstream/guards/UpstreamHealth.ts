/**
 * The health of each configured upstream server, over all sessions: its state, and the reason of its last failure.
 * `UpstreamConnector` writes it as connections come and go, `mcphub server ls` reads it.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { type ServerConfig, type ServerType, serverType } from "../../../domain/servers/ServerConfig.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import type { Waits } from "../../../domain/requests/Waits.ts"

export interface ServerStatus {
  readonly name: string
  readonly type: ServerType
  /**
   * `connected` while somebody has a connection, however others fare; `connecting` while only attempts are under way;
   * `failed` when the last attempt failed or a connection broke off, and none succeeded since; `unknown` when nobody has
   * tried, all have hung up in order (connections are lazy), or whoever tried had no token or no place for it: that says
   * nothing about the server, and others may reach it.
   */
  readonly state: "unknown" | "connecting" | "connected" | "failed" | "disabled"
  /** What went wrong last, until a connection opens: in a word (`missingWord`) and in a sentence. */
  readonly why?: string | undefined
  readonly reason?: string | undefined
  /** When the state began, in milliseconds since the epoch; absent until somebody has tried. */
  readonly since?: number | undefined
  /** Connecting: how far the attempt has come that began first, or what it waits for. */
  readonly stage?: string | undefined
  /** What the process that failed last wrote to stderr, without secrets, until a connection opens. */
  readonly lastLines: ReadonlyArray<string>
  readonly connections: number
  readonly tools?: number | undefined
  /** What it does that no specification foresees, as found last, in sentences. */
  readonly oddities: ReadonlyArray<string>
}

/** Sentences that are remembered of a server as told. */
const maxTold = 100

export class UpstreamHealth extends Context.Service<
  UpstreamHealth,
  {
    /** An attempt begins; it tells `waits` how far it has come. */
    readonly connecting: (server: string, waits?: Waits) => Attempt
    /** An attempt ended, however it did. */
    readonly attempted: (server: string, attempt: Attempt) => void
    readonly connected: (server: string) => void
    readonly closed: (server: string) => void
    /** An attempt failed, or a connection ended by itself. */
    readonly failed: (server: string, why: string, reason: string) => void
    /** An attempt was refused to its user, who lacks something. */
    readonly refused: (server: string, why: string, reason: string) => void
    /** Its process has ended or did not start, and wrote this. */
    readonly wrote: (server: string, lines: ReadonlyArray<string>) => void
    readonly tools: (server: string, count: number) => void
    /** What is odd about a part of the server now, in sentences; those that were not told before. */
    readonly odd: (server: string, part: string, sentences: ReadonlyArray<string>) => ReadonlyArray<string>
    readonly status: Effect.Effect<ReadonlyArray<ServerStatus>>
  }
>()("mcphub/actors/upstream/guards/UpstreamHealth") {
  static readonly layer = Layer.effect(
    UpstreamHealth,
    Effect.gen(function* () {
      const settings = yield* Settings
      const clock = yield* Clock.Clock
      const all = new Map<string, Seen>()

      const seen = (server: string): Seen => {
        const config = settings.current().mcpServers[server]
        const known = all.get(server)
        // What was learnt under other settings says nothing about the server that they name now.
        if (known !== undefined && JSON.stringify(known.config) === JSON.stringify(config)) return known
        const { attempts, connections } = known ?? { attempts: new Set<Attempt>(), connections: 0 }
        const nothing = {
          hasFailed: false,
          why: undefined,
          reason: undefined,
          tools: undefined,
          since: undefined,
          lastLines: [],
          odd: new Map(),
          told: new Set<string>()
        }
        const fresh: Seen = { attempts, connections, config, ...nothing }
        all.set(server, fresh)
        return fresh
      }

      /** Every change goes through here, so that it is known since when a state lasts. */
      const change = (server: string, by: (of: Seen) => void): void => {
        const of = seen(server)
        const was = stateOf(of)
        by(of)
        if (stateOf(of) !== was) of.since = clock.currentTimeMillisUnsafe()
      }

      return UpstreamHealth.of({
        connecting: (server, waits) => {
          const attempt: Attempt = { waits }
          change(server, ({ attempts }) => void attempts.add(attempt))
          return attempt
        },
        attempted: (server, attempt) => change(server, ({ attempts }) => void attempts.delete(attempt)),
        connected: (server) =>
          change(server, (of) => {
            of.connections++
            of.why = undefined
            of.reason = undefined
            of.hasFailed = false
            of.lastLines = []
          }),
        closed: (server) => change(server, (of) => void of.connections--),
        failed: (server, why, reason) =>
          change(server, (of) => void Object.assign(of, { why, reason, hasFailed: true })),
        wrote: (server, lines) => void (seen(server).lastLines = lines),
        refused: (server, why, reason) => void Object.assign(seen(server), { why, reason }),
        tools: (server, count) => void (seen(server).tools = count),
        odd: (server, part, sentences) => {
          const { odd, told } = seen(server)
          if (sentences.length === 0) odd.delete(part)
          else odd.set(part, sentences)
          const untold = sentences.filter((sentence) => !told.has(sentence)).slice(0, maxTold - told.size)
          for (const sentence of untold) told.add(sentence)
          return untold
        },
        status: Effect.sync(() =>
          Object.entries(settings.current().mcpServers).map(([name, config]): ServerStatus => {
            const of = seen(name)
            const { attempts, connections, lastLines, odd, reason, since, tools, why } = of
            const state = config.enabled === false ? "disabled" : stateOf(of)
            const [first] = state === "connecting" ? attempts : []
            const wait = first?.waits?.waitsFor()
            return {
              name,
              type: serverType(config),
              state,
              why,
              reason,
              since,
              stage: wait?.stage ?? wait?.kind,
              lastLines,
              connections,
              tools,
              oddities: [...odd.values()].flat()
            }
          })
        )
      })
    })
  )
}

/** An attempt to connect, while it lasts. */
interface Attempt {
  readonly waits: Waits | undefined
}

interface Seen {
  readonly config: ServerConfig | undefined
  readonly attempts: Set<Attempt>
  connections: number
  hasFailed: boolean
  why: string | undefined
  reason: string | undefined
  tools: number | undefined
  since: number | undefined
  lastLines: ReadonlyArray<string>
  readonly odd: Map<string, ReadonlyArray<string>>
  readonly told: Set<string>
}

const stateOf = ({
  attempts,
  connections,
  hasFailed
}: Pick<Seen, "attempts" | "connections" | "hasFailed">): ServerStatus["state"] => {
  if (connections > 0) return "connected"
  if (attempts.size > 0) return "connecting"
  return hasFailed ? "failed" : "unknown"
}
