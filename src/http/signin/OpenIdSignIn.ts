/**
 * Sign-in at an OpenID Connect provider: authorization code with PKCE, state, nonce and, where the provider sends it, the
 * issuer in the answer. What is said of a person is what the ID token and the user-info endpoint say, checked by the
 * library; the answer's address alone says nothing.
 *
 * Source: OpenID Connect Core 1.0 §3.1, RFC 7636, RFC 9207.
 */
import { Clock, Effect } from "effect"
import type { HttpServerRequest } from "effect/http"
import * as oauth from "oauth4webapi"
import { UserPools } from "../../actors/upstream/http/UserPools.ts"
import { type Claims, type OpenIdProvider, signInSettings } from "../../domain/access/SignInSettings.ts"
import { Environment } from "../../domain/config/Environment.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import type { ExternalSignIn } from "./ExternalSignIn.ts"
import { databaseSilent, Refused } from "./Problems.ts"
import * as ProviderFetch from "./ProviderFetch.ts"
import { addressOf, SignInDoor } from "./SignInDoor.ts"
import type { SignInFlow } from "./SignInFlow.ts"

type Request = HttpServerRequest.HttpServerRequest

/** A provider's metadata are asked for again after this time: it may have changed its endpoints. */
const rememberMs = 10 * 60_000

const noProvider = new Refused({ status: 404, kind: "NoProvider", detail: "Nobody signs in at such a provider here" })

export const providerSilent = new Refused({
  status: 502,
  kind: "ProviderFailed",
  detail: "The identity provider cannot be reached, or its answer cannot be used; try again, or sign in by another way"
})

export const answerRefused = new Refused({
  status: 403,
  kind: "ProviderRefused",
  detail: "The identity provider has not let you in, or its answer does not hold; begin the sign-in again"
})

/** The query of a request as the provider has made it. */
export const queryOf = (request: Request): URLSearchParams => new URL(request.url, "http://hub").searchParams

/** What went wrong, in words that hold nothing of the answer. */
export const told = (provider: string, error: unknown) =>
  Effect.logWarning("A sign-in at a provider has failed").pipe(
    Effect.annotateLogs({
      provider,
      reason: error instanceof Error ? `${error.name} ${"code" in error ? String(error.code) : ""}`.trim() : "unknown"
    })
  )

const textOf = (claims: Claims, name: string, most: number): string | undefined => {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined
  if (typeof value !== "string") return undefined
  const text = value
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, "")
    .trim()
  return text === "" || text.length > most ? undefined : text
}

interface Known {
  readonly server: oauth.AuthorizationServer
  readonly until: number
}

export const make = Effect.fnUntraced(function* (flows: SignInFlow, external: ExternalSignIn) {
  const door = yield* SignInDoor
  const settings = yield* Settings
  const environment = yield* Environment
  const pools = yield* UserPools
  const { attempts, refused } = door
  const known = new Map<string, Known>()

  const providers = () => signInSettings(settings.current()).providers ?? {}

  const providerOf = Effect.fnUntraced(function* (name: string) {
    const all = providers()
    const provider = Object.hasOwn(all, name) ? all[name] : undefined
    return provider ?? (yield* noProvider)
  })

  /** The library at this provider, for as long as the scope lives. */
  const clientOf = Effect.fnUntraced(function* (provider: OpenIdProvider) {
    const ask = yield* ProviderFetch.make(pools, provider.issuer)
    const options = {
      [oauth.customFetch]: (url: string, given: ProviderFetch.FetchOptions) => ask(url, given),
      // The settings allow plain http only where it stays in the operator's network.
      [oauth.allowInsecureRequests]: provider.issuer.startsWith("http:")
    } as const
    const name = provider.clientSecret?.slice(2, -1)
    const secret = name === undefined ? undefined : environment[name]
    const auth = secret === undefined ? oauth.None() : oauth.ClientSecretBasic(secret)
    const now = yield* Clock.currentTimeMillis
    let found = known.get(provider.issuer)
    if (found === undefined || found.until < now) {
      const server = yield* Effect.tryPromise(async () => {
        const issuer = new URL(provider.issuer)
        return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options))
      })
      found = { server, until: now + rememberMs }
      known.set(provider.issuer, found)
    }
    const client: oauth.Client = { client_id: provider.clientId }
    return { auth, client, options, server: found.server }
  })

  const begin = Effect.fnUntraced(function* (request: Request, name: string) {
    const provider = yield* providerOf(name)
    const { server } = yield* clientOf(provider).pipe(
      Effect.tapError((error) => told(name, error.cause)),
      Effect.mapError(() => providerSilent)
    )
    const endpoint = server.authorization_endpoint
    if (endpoint === undefined || !ProviderFetch.mayAsk(provider.issuer, endpoint)) return yield* providerSilent
    const flow = {
      provider: `oidc ${name}`,
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
      redirectUri: `${flows.site(request)}/api/signin/oidc/${name}/callback`
    }
    const to = new URL(endpoint)
    const challenge = yield* Effect.promise(() => oauth.calculatePKCECodeChallenge(flow.verifier))
    const asked = {
      response_type: "code",
      client_id: provider.clientId,
      redirect_uri: flow.redirectUri,
      scope: ["openid", ...(provider.scopes ?? ["profile", "email"])].join(" "),
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: challenge,
      code_challenge_method: "S256"
    }
    for (const [key, value] of Object.entries(asked)) to.searchParams.set(key, value)
    return yield* flows.begin(request, flow, to)
  })

  /** What the provider says of whoever comes back with this answer. */
  const claimsOf = Effect.fnUntraced(function* (request: Request, name: string, provider: OpenIdProvider) {
    const flow = yield* flows.end(request, `oidc ${name}`)
    const { auth, client, options, server } = yield* clientOf(provider)
    return yield* Effect.tryPromise(async (): Promise<Claims & { readonly sub: string }> => {
      const answer = oauth.validateAuthResponse(server, client, queryOf(request), flow.state)
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        auth,
        answer,
        flow.redirectUri,
        flow.verifier,
        options
      )
      const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
        expectedNonce: flow.nonce,
        requireIdToken: true
      })
      await oauth.validateApplicationLevelSignature(server, response, options)
      const claims = oauth.getValidatedIdTokenClaims(tokens)!
      if (server.userinfo_endpoint === undefined) return claims
      const more = await oauth.userInfoRequest(server, client, tokens.access_token, options)
      return { ...(await oauth.processUserInfoResponse(server, client, claims.sub, more)), ...claims }
    })
  })

  const end = Effect.fnUntraced(function* (request: Request, name: string) {
    const provider = yield* providerOf(name)
    const way = `oidc ${name}`
    const address = addressOf(request)
    yield* Effect.mapError(attempts.begin({ address }), (problem) => refused(request, way, undefined, problem))
    const claims = yield* claimsOf(request, name, provider).pipe(
      Effect.catchTag("UnknownError", (error) => Effect.andThen(told(name, error.cause), Effect.fail(answerRefused))),
      Effect.mapError((problem) => refused(request, way, undefined, problem))
    )
    attempts.forgive({ address })
    const person = {
      issuer: provider.issuer,
      subject: claims.sub,
      username:
        textOf(claims, provider.usernameClaim ?? "preferred_username", 100) ??
        textOf(claims, "email", 100) ??
        claims.sub,
      displayName: textOf(claims, "name", 200),
      email: textOf(claims, "email", 255)
    }
    const user = yield* external.person(person, provider.newUsers === true).pipe(
      Effect.catchTags({
        DatabaseUnavailable: () => Effect.fail(databaseSilent),
        UserNotFound: () => Effect.fail(databaseSilent)
      }),
      Effect.mapError((problem) => refused(request, way, undefined, problem))
    )
    return yield* external.enter(request, user, { way, claims, rules: provider.rules ?? [] })
  })

  return {
    providers: () => Object.entries(providers()).map(([name, { title }]) => ({ name, title: title ?? name })),
    begin: (request: Request, name: string) => Effect.scoped(begin(request, name)),
    end: (request: Request, name: string) =>
      Effect.map(Effect.scoped(end(request, name)), (response) => flows.clear(response, request))
  }
})
