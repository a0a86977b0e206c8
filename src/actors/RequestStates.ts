/**
 * The `requestState` a stateless client carries between the rounds of one request: sealed (AES-256-GCM), bound to the
 * user, the session, the method and the name it was made for, expiring, and good for one use. What comes back is
 * attacker-controlled; anything that is not exactly what was given out is one and the same refusal.
 *
 * Source: MCP 2026-07-28, multi round-trip requests.
 */
import { randomUUID } from "node:crypto"
import { Clock, Effect, Redacted, Schema } from "effect"
import { Credentials } from "../domain/Credentials.ts"
import type { SessionId, UserId } from "../domain/Ids.ts"
import { InvalidParams } from "./RequestErrors.ts"

const Sealed = Schema.Struct({
  nonce: Schema.String,
  session: Schema.String,
  method: Schema.String,
  name: Schema.String,
  /** Milliseconds since the epoch. */
  expires: Schema.Number,
  /** A call parked in this process … */
  job: Schema.optional(Schema.String),
  /** … or the state of a stateless upstream, which keeps its own. */
  upstream: Schema.optional(Schema.Struct({ server: Schema.String, state: Schema.optional(Schema.String) }))
})

export type Content = Pick<typeof Sealed.Type, "job" | "upstream">

/** What the state is made for: a retry must be the same request. */
export interface Subject {
  readonly userId: UserId
  readonly sessionId: SessionId
  readonly method: string
  readonly name: string
}

export interface RequestStates {
  readonly seal: (subject: Subject, content: Content) => Effect.Effect<string>
  /** Opens a state once. */
  readonly open: (subject: Subject, state: unknown) => Effect.Effect<Content, InvalidParams>
}

/** Milliseconds a human may take to answer. */
export const stateLifeMs = 10 * 60_000
const maxUsed = 10_000
const purpose = "requestState"

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Sealed))

const refused = new InvalidParams({
  message:
    "The requestState is unknown, expired, already used or not for this request; send the request anew without it"
})

export const make = Effect.gen(function* () {
  const credentials = yield* Credentials
  const clock = yield* Clock.Clock
  /** Nonces seen, with the time after which the state has expired anyway. */
  const used = new Map<string, number>()

  const useOnce = (nonce: string, expires: number, now: number): boolean => {
    if (used.has(nonce)) return false
    for (const [old, until] of used) {
      if (until > now && used.size < maxUsed) break
      used.delete(old)
    }
    used.set(nonce, expires)
    return true
  }

  const states: RequestStates = {
    seal: ({ userId, sessionId, method, name }, content) =>
      Effect.suspend(() => {
        const expires = clock.currentTimeMillisUnsafe() + stateLifeMs
        const text = JSON.stringify({ nonce: randomUUID(), session: sessionId, method, name, expires, ...content })
        return credentials.seal(userId, purpose, Redacted.make(text))
      }),
    open: Effect.fnUntraced(function* ({ userId, sessionId, method, name }, state) {
      // Text that was never sealed would be read as it is: a state must be sealed.
      if (typeof state !== "string" || !state.startsWith("enc:")) return yield* refused
      const opened = yield* credentials.open(userId, purpose, state).pipe(
        Effect.flatMap((text) => decode(Redacted.value(text))),
        Effect.mapError(() => refused)
      )
      const now = clock.currentTimeMillisUnsafe()
      const fits = opened.session === sessionId && opened.method === method && opened.name === name
      if (!fits || opened.expires <= now || !useOnce(opened.nonce, opened.expires, now)) return yield* refused
      return opened
    })
  }
  return states
})
