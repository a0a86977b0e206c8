/**
 * The time that a list waits for one server: the list limit, less where the server is unwell, and none at all where an
 * attempt at such a server is under way or the hub does not ask it in time. What a list was answered without is owed.
 */
import { Effect } from "effect"
import { timeoutAwake } from "../../domain/AwakeTimeout.ts"
import type { ListKind } from "../../domain/protocol/Methods.ts"
import type { UpstreamError } from "../../domain/requests/UpstreamErrors.ts"
import type { Items } from "./KeptList.ts"
import { late } from "./ListPages.ts"
import type { UnwellServers } from "./UnwellServers.ts"

/** Milliseconds that a list waits for a server that was unwell and is tried again. */
export const secondPatience = 1_000

export interface PatienceOptions {
  readonly listTimeout: number
  readonly unwell: UnwellServers
  /** An attempt at the list, or at the connection that it needs, is under way. */
  readonly isUnderWay: (server: string, kind: ListKind) => boolean
}

export interface Wanted {
  readonly server: string
  readonly kind: ListKind
  /** A call wants it: what is known against the server makes its time no shorter. */
  readonly isForCall: boolean
  /** Why the hub does not ask the server within so many milliseconds. */
  readonly refusal: (ms: number) => UpstreamError | undefined
  /** Somebody is answered without the list. */
  readonly owe: () => void
  /** What there is in its place. */
  readonly tooLate: (isMissing: UpstreamError) => Effect.Effect<Items, UpstreamError>
}

export interface ListPatience {
  /** `attempt` begins to fetch the list, or finds who does, and succeeds with its outcome. */
  readonly inTime: (
    wanted: Wanted,
    attempt: Effect.Effect<Effect.Effect<Items, UpstreamError>>
  ) => Effect.Effect<Items, UpstreamError>
}

export const make = ({ isUnderWay, listTimeout, unwell }: PatienceOptions): ListPatience => ({
  inTime: ({ isForCall, kind, owe, refusal, server, tooLate }, attempt) =>
    Effect.suspend(() => {
      const known = isForCall ? undefined : unwell.why(server, kind)
      const isWaitedFor = known === undefined || !isUnderWay(server, kind)
      const patience = known === undefined ? listTimeout : Math.min(listTimeout, secondPatience)
      return Effect.flatMap(attempt, (answer) => {
        // Nobody waits in vain for a server that is not asked in time.
        const refused = refusal(listTimeout)
        if (refused !== undefined) {
          owe()
          return Effect.fail(refused)
        }
        if (!isWaitedFor) return tooLate(known)
        return answer.pipe(
          Effect.tapError((error) => Effect.sync(() => unwell.note(server, kind, error))),
          timeoutAwake(patience, () => {
            const isMissing = refusal(0) ?? known ?? late(server, kind, patience)
            unwell.note(server, kind, isMissing)
            return tooLate(isMissing)
          })
        )
      })
    })
})
