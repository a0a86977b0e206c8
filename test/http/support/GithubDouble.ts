/**
 * A double of a GitHub Enterprise Server that speaks GitHub's own protocol: `/login/oauth/authorize`, the token endpoint
 * whose errors come with status 200, and the part of the API that says who somebody is.
 */
import { createHash, randomUUID } from "node:crypto"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { Effect } from "effect"
import { listening } from "./OpenIdProvider.ts"

export const clientId = "Iv1.0123456789abcdef"
export const clientSecret = "a-secret-that-only-the-hub-and-github-know"

export interface Person {
  readonly id: number
  readonly login: string
  readonly organizations?: ReadonlyArray<string>
}

export interface GithubDouble {
  readonly url: string
  /** Does what the pages of GitHub do with somebody signed in there: the address to come back to. */
  readonly authorize: (at: string, person: Person) => Effect.Effect<string>
}

interface Grant {
  readonly person: Person
  readonly challenge: string | null
  readonly redirectUri: string | null
}

export const make = Effect.gen(function* () {
  const codes = new Map<string, Grant>()
  const tokens = new Map<string, Person>()

  const tokenFor = (form: URLSearchParams): Record<string, string> => {
    const grant = codes.get(form.get("code") ?? "")
    // Used up whether or not what comes with it is right.
    codes.delete(form.get("code") ?? "")
    if (form.get("client_id") !== clientId || form.get("client_secret") !== clientSecret) {
      return {
        error: "incorrect_client_credentials",
        error_description: "The client_id and/or client_secret are wrong."
      }
    }
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url")
    if (grant === undefined || grant.challenge !== challenge) {
      return { error: "bad_verification_code", error_description: "The code passed is incorrect or expired." }
    }
    if (grant.redirectUri !== form.get("redirect_uri")) {
      return { error: "redirect_uri_mismatch", error_description: "The redirect_uri does not match." }
    }
    const token = `gho_${randomUUID()}`
    tokens.set(token, grant.person)
    return { access_token: token, scope: "read:user,user:email", token_type: "bearer" }
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url!, "http://github")
    const json = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body))
    }
    if (request.method === "POST" && url.pathname === "/login/oauth/access_token") {
      void text(request).then((body) => {
        const answer = tokenFor(new URLSearchParams(body))
        if (request.headers.accept?.includes("application/json") === true) return json(200, answer)
        response.writeHead(200, { "content-type": "application/x-www-form-urlencoded" })
        response.end(new URLSearchParams(answer).toString())
      })
      return
    }
    const person = tokens.get(/^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "")
    if (request.headers["user-agent"] === undefined) return json(403, { message: "User-Agent is needed" })
    if (person === undefined) return json(401, { message: "Bad credentials" })
    if (url.pathname === "/api/v3/user") {
      const { id, login } = person
      return json(200, {
        id,
        login,
        name: `${login} of GitHub`,
        email: null,
        avatar_url: "",
        html_url: `http://github/${login}`
      })
    }
    if (url.pathname === "/api/v3/user/orgs") {
      return json(
        200,
        (person.organizations ?? []).map((login) => ({ login, id: 1 }))
      )
    }
    return json(404, { message: "Not Found" })
  })
  const url = yield* listening(server)

  return {
    url,
    authorize: (at, person) =>
      Effect.sync(() => {
        const asked = new URL(at)
        if (asked.origin !== url || asked.pathname !== "/login/oauth/authorize") throw new Error(`Not GitHub: ${at}`)
        if (asked.searchParams.get("client_id") !== clientId) throw new Error("Unknown client")
        const code = randomUUID()
        const redirectUri = asked.searchParams.get("redirect_uri")
        codes.set(code, { person, challenge: asked.searchParams.get("code_challenge"), redirectUri })
        const back = new URL(redirectUri!)
        back.searchParams.set("code", code)
        back.searchParams.set("state", asked.searchParams.get("state")!)
        return back.href
      })
  } satisfies GithubDouble
})
