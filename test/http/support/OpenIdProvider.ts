/**
 * A real OpenID provider (`oidc-provider`) on loopback, with ada and bo among its people, and a browser that goes through
 * its pages by itself: sign in as somebody, consent, and back to the hub.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"
import type { RawHttp } from "../../../src/testkit/index.ts"
import type { Browser } from "./Visitors.ts"

export const clientId = "mcphub"
export const clientSecret = "a-secret-that-only-the-hub-and-the-provider-know"

/** The package has no types. */
const library: string = "oidc-provider"
type Library = new (
  issuer: string,
  configuration: Readonly<Record<string, unknown>>
) => { readonly callback: () => (request: IncomingMessage, response: ServerResponse) => Promise<void> }

const people: Readonly<Record<string, Record<string, unknown>>> = {
  ada: { preferred_username: "ada.oidc", name: "Ada", email: "ada@example.com", groups: ["staff", "operators"] },
  bo: { preferred_username: "bo.oidc", name: "Bo", email: "bo@example.com", groups: ["guests"] },
  imp: { preferred_username: "ada", name: "Impostor", email: "ada@example.com", groups: [] }
}

export interface OpenIdDouble {
  readonly issuer: string
  /** Follows the hub's redirect through the provider's pages; the address of the hub to come back to. */
  readonly signIn: (at: string, name: string) => Effect.Effect<string>
}

/** Another server at the address of a provider, for tests. */
export const listening = (server: ReturnType<typeof createServer>) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<string>((resolve) => {
          server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
        })
    ),
    () =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeAllConnections()
          })
      )
  )

const through = async (issuer: string, at: string, name: string): Promise<string> => {
  const jar = new Map<string, string>()
  const visit = async (url: string, form?: Record<string, string>): Promise<Response> => {
    const answer = await fetch(url, {
      method: form === undefined ? "GET" : "POST",
      redirect: "manual",
      headers: { cookie: [...jar].map(([key, value]) => `${key}=${value}`).join("; ") },
      ...(form === undefined ? {} : { body: new URLSearchParams(form) })
    })
    for (const line of answer.headers.getSetCookie()) {
      const [, key, value] = /^([^=]+)=([^;]*)/.exec(line)!
      if (value === "") jar.delete(key!)
      else jar.set(key!, value!)
    }
    return answer
  }
  let url = at
  for (let steps = 0; steps < 12; steps++) {
    const answer = await visit(url)
    const location = answer.headers.get("location")
    if (location !== null) {
      url = new URL(location, url).href
      if (!url.startsWith(issuer)) return url
      continue
    }
    const page = await answer.text()
    const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1]
    if (prompt === undefined) throw new Error(`The provider shows ${answer.status}: ${page.slice(0, 300)}`)
    const sent = await visit(url, prompt === "login" ? { prompt, login: name, password: "any" } : { prompt })
    url = new URL(sent.headers.get("location")!, url).href
  }
  throw new Error("The provider sends the browser in circles")
}

/** `redirectUris`: where the hub may be. */
export const make = Effect.fnUntraced(function* (redirectUris: () => ReadonlyArray<string>) {
  const { default: Provider } = yield* Effect.promise(() => import(library) as Promise<{ default: Library }>)
  let provider: InstanceType<Library> | undefined
  const server = createServer((request, response) => void provider!.callback()(request, response))
  const issuer = yield* listening(server)
  provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [...redirectUris()],
        grant_types: ["authorization_code"],
        response_types: ["code"]
      }
    ],
    claims: { openid: ["sub"], profile: ["preferred_username", "name"], email: ["email"], groups: ["groups"] },
    scopes: ["openid", "profile", "email", "groups"],
    cookies: { keys: ["a key for a test"] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, ...people[id] })
    })
  })
  return { issuer, signIn: (at, name) => Effect.promise(() => through(issuer, at, name)) } satisfies OpenIdDouble
})

/** The path and query of a whole address, as the browser asks the hub for it. */
export const pathOf = (address: string): string => {
  const { pathname, search } = new URL(address)
  return pathname + search
}

/** Goes the whole way from the hub to the provider and back. */
export const signInAt = (
  own: Browser,
  provider: OpenIdDouble,
  name: string,
  as: string
): Effect.Effect<RawHttp.RawAnswer> =>
  Effect.gen(function* () {
    const begun = yield* own.ask("GET", `/api/signin/oidc/${name}`)
    if (begun.status !== 302) return begun
    const back = yield* provider.signIn(begun.headers["location"]!, as)
    return yield* own.ask("GET", pathOf(back))
  })
