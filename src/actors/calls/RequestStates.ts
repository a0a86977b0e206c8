/**
 * The `requestState` a stateless client carries between the rounds of one request: sealed (AES-256-GCM), bound to the
 * user, the session and the request it was made for (method and parameters), expiring, and good for one use. What comes
 * back is attacker-controlled; anything that is not exactly what was given out is one and the same refusal.
 *
 * Source: MCP 2026-07-28, multi round-trip requests.
 */
import { createHash, randomUUID } from "node:crypto"
import { Clock, Effect, Redacted, Schema } from "effect"
import { Credentials } from "../../domain/identity/Credentials.ts"
import type { SessionId, UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { requestClass } from "../../domain/protocol/eras/RequestMeta.ts"
import { InvalidParams } from "../../domain/requests/RequestErrors.ts"

const Sealed = Schema.Struct({
  nonce: Schema.String,
  session: Schema.String,
  /** Digest of the request. */
  request: Schema.String,
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
  /** With or without what a retry adds to them. */
  readonly params: JsonObject | undefined
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

const digestOf = ({ method, params }: Subject): string =>
  createHash("sha256").update(requestClass(method, params)).digest("base64url")

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
    seal: (subject, content) =>
      Effect.suspend(() => {
        const expires = clock.currentTimeMillisUnsafe() + stateLifeMs
        const made = { nonce: randomUUID(), session: subject.sessionId, request: digestOf(subject), expires }
        return credentials.seal(subject.userId, purpose, Redacted.make(JSON.stringify({ ...made, ...content })))
      }),
    open: Effect.fnUntraced(function* (subject, state) {
      // Text that was never sealed would be read as it is: a state must be sealed.
      if (typeof state !== "string" || !state.startsWith("enc:")) return yield* refused
      const opened = yield* credentials.open(subject.userId, purpose, state).pipe(
        Effect.flatMap((text) => decode(Redacted.value(text))),
        Effect.mapError(() => refused)
      )
      const now = clock.currentTimeMillisUnsafe()
      const fits = opened.session === subject.sessionId && opened.request === digestOf(subject)
      if (!fits || opened.expires <= now || !useOnce(opened.nonce, opened.expires, now)) return yield* refused
      return opened
    })
  }
  return states
})
