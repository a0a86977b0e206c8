/**
 * The servers that were missing from the lists of each user when their sessions looked last: why, and since when. Kept
 * for each key, since a server may be missing for want of a token that another key has. In memory: the next look tells it
 * anew.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { KeyId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { ListKind } from "../../domain/protocol/Methods.ts"
import { HubMetrics } from "../observing/HubMetrics.ts"

export interface Missing {
  readonly server: string
  /** The sentence. */
  readonly reason: string
  /** The word, see `missingWord`. */
  readonly why: string
}

export interface MissingServer extends Missing {
  /** Milliseconds since the epoch. */
  readonly since: number
}

interface Entry {
  missing: MissingServer
  readonly kinds: Set<ListKind>
}

/** Keys of which something is missing; beyond that those that were looked at first are forgotten. */
const maxKeys = 10_000

export class MissingServers extends Context.Service<
  MissingServers,
  {
    /** What a list lacks of what it should hold: notes it, and has it logged where it is news. */
    readonly note: (
      principal: Principal,
      kind: ListKind,
      asked: Iterable<string>,
      missing: ReadonlyArray<Missing>
    ) => Effect.Effect<ReadonlyArray<MissingServer>>
    readonly of: (principal: Principal) => ReadonlyArray<MissingServer>
  }
>()("mcphub/actors/catalog/MissingServers") {
  static readonly layer: Layer.Layer<MissingServers, never, HubMetrics> = Layer.effect(
    MissingServers,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const metrics = yield* HubMetrics
  const clock = yield* Clock.Clock
  const keys = new Map<KeyId, Map<string, Entry>>()

  const entriesOf = ({ keyId }: Principal): Map<string, Entry> => {
    const known = keys.get(keyId)
    if (known !== undefined) return known
    const entries = new Map<string, Entry>()
    keys.set(keyId, entries)
    if (keys.size > maxKeys) keys.delete(keys.keys().next().value!)
    return entries
  }

  const news = ({ userId, username }: Principal, { reason, server, why }: Missing): Effect.Effect<void> => {
    const about = "Servers that were found missing from the lists of a key, or missing for another reason"
    metrics.counter("mcphub_servers_missing_total", about, { server, reason: why }).increment()
    return Effect.logWarning("A server is missing from a user's lists").pipe(
      Effect.annotateLogs({ server, why, reason, userId, user: username })
    )
  }

  return MissingServers.of({
    note: (principal, kind, asked, missing) =>
      Effect.suspend(() => {
        const lacking = new Map(missing.map((one) => [one.server, one]))
        if (lacking.size === 0 && !keys.has(principal.keyId)) return Effect.succeed([])
        const entries = entriesOf(principal)
        const told: Array<Effect.Effect<void>> = []
        for (const server of asked) {
          const entry = entries.get(server)
          const one = lacking.get(server)
          if (one === undefined) {
            entry?.kinds.delete(kind)
            if (entry?.kinds.size === 0) entries.delete(server)
          } else {
            if (entry?.missing.why !== one.why) told.push(news(principal, one))
            const since = entry?.missing.since ?? clock.currentTimeMillisUnsafe()
            entries.set(server, { missing: { ...one, since }, kinds: (entry?.kinds ?? new Set()).add(kind) })
          }
        }
        const found = missing.flatMap(({ server }) => entries.get(server)?.missing ?? [])
        if (entries.size === 0) keys.delete(principal.keyId)
        return Effect.as(Effect.all(told, { discard: true }), found)
      }),
    of: ({ keyId }) => [...(keys.get(keyId)?.values() ?? [])].map(({ missing }) => missing)
  })
})
