/**
 * The time between the way to an identity provider and the way back: a sealed cookie holds what the answer must match, so
 * that only the browser that began can end it, at the provider where it began, once, and within ten minutes. Any hub with
 * the same CREDENTIAL_KEY can end what another has begun.
 */
import { hash } from "node:crypto"
import { Clock, Effect, Option, Redacted, Schema } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { Credentials } from "../../domain/identity/Credentials.ts"
import { UserId } from "../../domain/Ids.ts"
import { Refused } from "./Problems.ts"
import * as SessionCookie from "./SessionCookie.ts"

type Request = HttpServerRequest.HttpServerRequest

export interface Flow {
  /** `github`, or `oidc` and the provider's name; bound into the seal. */
  readonly provider: string
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  readonly redirectUri: string
}

const Stored = Schema.fromJsonString(
  Schema.Struct({
    state: Schema.String,
    nonce: Schema.String,
    verifier: Schema.String,
    redirectUri: Schema.String,
    endsAt: Schema.Number
  })
)
const encode = Schema.encodeSync(Stored)
const decode = Schema.decodeUnknownOption(Stored)

const cookie = "mcphub_flow"
const flowMs = 10 * 60_000
/** Ended flows that are remembered, so that an answer that somebody got hold of does not count again. */
const mostEnded = 10_000

/** In place of a user: what is sealed here belongs to nobody yet, and opens nowhere else. */
const owner = UserId.make("sign-in flow")

export const flowOver = new Refused({
  status: 403,
  kind: "FlowOver",
  detail: "This sign-in was not begun in this browser, took too long, or has ended already; begin it again"
})

export type SignInFlow = Effect.Success<typeof make>

export const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const credentials = yield* Credentials
  const ended = new Set<string>()

  return {
    /** The hub's address as the browser has it. A wrong Host only makes an address that the provider refuses. */
    site: (request: Request): string => {
      const proto = request.headers["x-forwarded-proto"]?.split(",")[0]?.trim() === "https" ? "https" : "http"
      return `${hub.publicUrl ?? `${proto}://${request.headers["host"] ?? "localhost"}`}${hub.basePath}`
    },

    /** Sends the browser on its way. */
    begin: Effect.fnUntraced(function* (request: Request, flow: Flow, to: URL) {
      const { provider, ...rest } = flow
      const endsAt = (yield* Clock.currentTimeMillis) + flowMs
      const sealed = yield* credentials.seal(owner, provider, Redacted.make(encode({ ...rest, endsAt })))
      const response = HttpServerResponse.redirect(to.href, { status: 302 })
      return SessionCookie.set(response, request, hub, Redacted.make(sealed), cookie, flowMs)
    }),

    /** The flow that this browser has begun at this provider, which ends by it. */
    end: Effect.fnUntraced(function* (request: Request, provider: string) {
      const sealed = SessionCookie.read(request, cookie)
      if (Option.isNone(sealed)) return yield* flowOver
      const text = Redacted.value(sealed.value)
      // An unsealed text would be taken as it is.
      if (!text.startsWith("enc:v1:")) return yield* flowOver
      const opened = yield* Effect.mapError(credentials.open(owner, provider, text), () => flowOver)
      const flow = decode(Redacted.value(opened))
      if (Option.isNone(flow) || flow.value.endsAt < (yield* Clock.currentTimeMillis)) return yield* flowOver
      const { state } = flow.value
      const name = hash("sha256", state)
      if (ended.has(name)) return yield* flowOver
      ended.add(name)
      if (ended.size > mostEnded) ended.delete(ended.values().next().value!)
      return { provider, ...flow.value } satisfies Flow
    }),

    /** Takes the cookie of the flow away. */
    clear: (response: HttpServerResponse.HttpServerResponse, request: Request) =>
      SessionCookie.clear(response, request, hub, cookie)
  }
})
