/**
 * Asks a server whether it still knows the session of a request that it refused, with a ping in that session: once for
 * all requests that were refused at the same time, and without a second word to a session that is known to be lost.
 */
import { Effect, type Scope } from "effect"
import { firstAnswerBytes } from "../../../domain/protocol/json/ServerResults.ts"
import { timeoutAwake } from "../../../domain/AwakeTimeout.ts"
import * as SingleFlight from "../../../domain/SingleFlight.ts"
import type { CallContext } from "../connection/UpstreamConnection.ts"
import { type Refusal, refusalOf } from "./SessionRefusal.ts"
import type { AnswerOptions } from "./UpstreamHttpAnswer.ts"

/**
 * How a ping was refused in the session of this generation; `unheard` where it was lost without one, and `undefined`
 * where it stands, for all that is known.
 */
export type SessionProbe = (failed: number, by: CallContext) => Effect.Effect<Refusal | "unheard" | undefined>

export interface ProbeOptions {
  readonly answers: AnswerOptions
  readonly scope: Scope.Scope
  /** Milliseconds for the ping. */
  readonly patience: number
  /** Of the session in use. */
  readonly generation: () => number
}

export const make = ({ answers, generation, patience, scope }: ProbeOptions): SessionProbe => {
  const { calls, onLate, server, wire } = answers
  const pings = SingleFlight.make<string, Refusal | undefined, never>(scope)
  /** How a ping was refused in the latest session that turned out to be lost. */
  let forgotten: { readonly generation: number; readonly refusal: Refusal } | undefined

  /** The refusal that a ping meets in the session now; any other end of it says that the session stands, or nothing. */
  const pinged = (by: CallContext): Effect.Effect<Refusal | undefined> =>
    Effect.suspend(() => {
      const pending = calls.open({ method: "ping", params: undefined, context: by, onMessage: () => {} })
      return wire
        .send({
          method: "POST",
          context: by,
          body: pending.body,
          maxBytes: firstAnswerBytes,
          onMessage: (message) => calls.route(message, pending),
          wasAwaited: (text) => calls.wasAnswer(text, pending),
          onLate
        })
        .pipe(
          Effect.map((end) => refusalOf(end, pending.id)),
          timeoutAwake(patience, () => Effect.undefined),
          Effect.orElseSucceed(() => undefined),
          Effect.ensuring(Effect.sync(() => calls.close(pending)))
        )
    })

  return (failed, by) =>
    Effect.suspend(() => {
      if (generation() !== failed) {
        return Effect.succeed(forgotten?.generation === failed ? forgotten.refusal : ("unheard" as const))
      }
      const heard = Effect.tap(pinged(by), (refusal) =>
        Effect.sync(() => {
          if (refusal !== undefined) forgotten = { generation: failed, refusal }
        })
      )
      return pings.run(server, () => heard)
    })
}
