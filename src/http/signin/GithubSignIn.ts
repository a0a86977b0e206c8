/**
 * Sign-in with GitHub, or a GitHub Enterprise Server: OAuth 2.0 with PKCE and state. GitHub is no OpenID provider; who
 * somebody is says its API, and its number for a person, not the name, is what counts.
 */
import { Effect, Redacted } from "effect"
import type { HttpServerRequest } from "effect/http"
import * as oauth from "oauth4webapi"
import { UserPools } from "../../actors/upstream/http/UserPools.ts"
import { type Claims, signInSettings } from "../../domain/access/SignInSettings.ts"
import { HubSecrets } from "../../domain/config/HubSecrets.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import type { ExternalSignIn } from "./ExternalSignIn.ts"
import { answerRefused, queryOf, told } from "./OpenIdSignIn.ts"
import { databaseSilent, Refused } from "./Problems.ts"
import * as ProviderFetch from "./ProviderFetch.ts"
import { addressOf, SignInDoor } from "./SignInDoor.ts"
import type { SignInFlow } from "./SignInFlow.ts"

type Request = HttpServerRequest.HttpServerRequest

const way = "github"
const publicSite = "https://github.com"

const notSetUp = new Refused({
  status: 404,
  kind: "NoProvider",
  detail: "Nobody signs in with GitHub here: GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET are not set"
})

/** An answer of GitHub's API that is none. */
class Unusable extends Error {
  override readonly name = "Unusable"
}

const textOf = (value: unknown, most: number): string | undefined =>
  typeof value === "string" && value !== "" && value.length <= most && value.isWellFormed() && !/\p{Cc}/u.test(value)
    ? value
    : undefined

export const make = Effect.fnUntraced(function* (flows: SignInFlow, external: ExternalSignIn) {
  const door = yield* SignInDoor
  const settings = yield* Settings
  const { githubCallbackUrl, githubClientId, githubClientSecret, githubUrl } = yield* HubSecrets
  const pools = yield* UserPools
  const { attempts, refused } = door
  const site = githubUrl === undefined ? publicSite : new URL(githubUrl).origin
  const api = site === publicSite ? "https://api.github.com" : `${site}/api/v3`
  const server: oauth.AuthorizationServer = {
    issuer: site,
    authorization_endpoint: `${site}/login/oauth/authorize`,
    token_endpoint: `${site}/login/oauth/access_token`
  }

  const rulesInForce = () => signInSettings(settings.current()).github ?? {}
  /** Asked for only where a rule needs it. */
  const wantsOrganizations = (): boolean => (rulesInForce().rules ?? []).some(({ claim }) => claim === "organizations")

  const begin = Effect.fnUntraced(function* (request: Request) {
    if (githubClientId === undefined || githubClientSecret === undefined) return yield* notSetUp
    const flow = {
      provider: way,
      state: oauth.generateRandomState(),
      nonce: "",
      verifier: oauth.generateRandomCodeVerifier(),
      redirectUri: githubCallbackUrl ?? `${flows.site(request)}/api/signin/github/callback`
    }
    const challenge = yield* Effect.promise(() => oauth.calculatePKCECodeChallenge(flow.verifier))
    const to = new URL(server.authorization_endpoint!)
    const asked = {
      client_id: githubClientId,
      redirect_uri: flow.redirectUri,
      scope: ["read:user", "user:email", ...(wantsOrganizations() ? ["read:org"] : [])].join(" "),
      state: flow.state,
      code_challenge: challenge,
      code_challenge_method: "S256"
    }
    for (const [key, value] of Object.entries(asked)) to.searchParams.set(key, value)
    return yield* flows.begin(request, flow, to)
  })

  const profileOf = Effect.fnUntraced(function* (request: Request, clientId: string, clientSecret: string) {
    const flow = yield* flows.end(request, way)
    const ask = yield* ProviderFetch.make(pools, site)
    const options = {
      [oauth.customFetch]: (url: string, given: ProviderFetch.FetchOptions) => ask(url, given),
      [oauth.allowInsecureRequests]: site.startsWith("http:")
    } as const
    const client: oauth.Client = { client_id: clientId }
    return yield* Effect.tryPromise(async () => {
      const answer = oauth.validateAuthResponse(server, client, queryOf(request), flow.state)
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        oauth.ClientSecretPost(clientSecret),
        answer,
        flow.redirectUri,
        flow.verifier,
        options
      )
      const { access_token } = await oauth.processAuthorizationCodeResponse(server, client, response)
      const get = async (path: string): Promise<unknown> => {
        const headers = {
          accept: "application/vnd.github+json",
          authorization: `Bearer ${access_token}`,
          "user-agent": "mcphub",
          "x-github-api-version": "2022-11-28"
        }
        const found = await ask(`${api}${path}`, { headers })
        if (found.status !== 200) throw new Unusable(`GitHub answered ${found.status}`)
        return found.json()
      }
      const person = (await get("/user")) as Claims
      const orgs = wantsOrganizations() ? ((await get("/user/orgs?per_page=100")) as ReadonlyArray<Claims>) : []
      const { avatar_url, email, html_url, id, login, name } = person
      if (typeof id !== "number" || !Number.isSafeInteger(id) || typeof login !== "string") {
        throw new Unusable("GitHub's answer names nobody")
      }
      return {
        profile: {
          githubId: String(id),
          login,
          displayName: textOf(name, 200),
          email: textOf(email, 255),
          avatarUrl: textOf(avatar_url, 500),
          profileUrl: textOf(html_url, 500)
        },
        claims: { id, login, email, organizations: orgs.map((one) => one["login"]) } satisfies Claims
      }
    })
  })

  const end = Effect.fnUntraced(function* (request: Request) {
    if (githubClientId === undefined || githubClientSecret === undefined) return yield* notSetUp
    const address = addressOf(request)
    yield* Effect.mapError(attempts.begin({ address }), (problem) => refused(request, way, undefined, problem))
    const { claims, profile } = yield* profileOf(request, githubClientId, Redacted.value(githubClientSecret)).pipe(
      Effect.catchTag("UnknownError", (error) => Effect.andThen(told(way, error.cause), Effect.fail(answerRefused))),
      Effect.mapError((problem) => refused(request, way, undefined, problem))
    )
    attempts.forgive({ address })
    const { newUsers, rules = [] } = rulesInForce()
    const user = yield* external.githubPerson(profile, newUsers === true).pipe(
      Effect.catchTag("DatabaseUnavailable", () => Effect.fail(databaseSilent)),
      Effect.mapError((problem) => refused(request, way, undefined, problem))
    )
    return yield* external.enter(request, user, { way, claims, rules })
  })

  return {
    isSetUp: githubClientId !== undefined && githubClientSecret !== undefined,
    begin,
    end: (request: Request) => Effect.map(Effect.scoped(end(request)), (response) => flows.clear(response, request))
  }
})
