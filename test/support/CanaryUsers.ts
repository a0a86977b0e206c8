/** The users of the canary matrices: each with a key, tokens and headers of their own, all of them planted. */
import type { Canaries } from "./Canaries.ts"
import { type Server, servers } from "./CanaryServers.ts"

/** Tokens that users have and that no server here is entitled to, three of them named after a server that takes none. */
const unclaimed = ["GITHUB_TOKEN", "DELTA_TOKEN", "EPSILON_TOKEN", "ALPHA_TOKENS"]

export const purposeOf = (token: string) => token.toLowerCase().replaceAll("_", "")

export interface CanaryUser {
  /** Their name, and whose canaries they are. */
  readonly owner: string
  readonly id: string
  readonly key: string
  readonly tokens: Readonly<Record<string, string>>
  /** Headers that would be somebody else's credentials upstream. */
  readonly headers: Readonly<Record<string, string>>
}

const numbers = Array.from({ length: 24 }, (_, index) => String(index + 10))

/** Every sixth user has no token for beta: their calls to it fail, and must not fall back on anybody's. */
export const canCall = (owner: string, server: Server) => server.name !== "beta" || Number(owner.slice(1)) % 6 !== 0

/** What of a user the server receives when they call it, as the names of canaries. */
export const cell = (owner: string, { name, token }: Server): ReadonlyArray<string> => [
  `${owner}-arg${name}`,
  ...(token === undefined ? [] : [`${owner}-${purposeOf(token)}`])
]

/** 24 of them, `u10` to `u33`. */
export const make = (canaries: Canaries): ReadonlyArray<CanaryUser> =>
  numbers.map((number) => {
    const owner = `u${number}`
    const claimed = servers.flatMap((server) =>
      server.token === undefined || !canCall(owner, server) ? [] : [server.token]
    )
    return {
      owner,
      id: `00000000-0000-4000-8000-0000000000${number}`,
      key: `mcphub_${canaries.plant(owner, "hubkey")}-and-more-of-it`,
      tokens: Object.fromEntries(
        [...claimed, ...unclaimed].map((name) => [name, canaries.plant(owner, purposeOf(name))])
      ),
      headers: {
        cookie: canaries.plant(owner, "cookie"),
        "proxy-authorization": canaries.plant(owner, "proxyauth"),
        "x-forwarded-user": canaries.plant(owner, "forwarded"),
        "x-mcphub-user-id": canaries.plant(owner, "spoofedid"),
        "x-mcphub-alpha-secret": canaries.plant(owner, "spoofedtoken"),
        "x-mcphub-github-token": canaries.plant(owner, "spoofedtoken")
      }
    }
  })

/** What a hub is provisioned with. */
export const provision = (users: ReadonlyArray<CanaryUser>) => ({
  users: users.map(({ id, key, owner, tokens }) => ({
    username: owner,
    id,
    keys: [{ name: "first", key }],
    serviceTokens: tokens
  }))
})

/** The environment of a hub whose own secrets are planted as well. */
export const hubEnvironment = (canaries: Canaries): Readonly<Record<string, string>> => {
  const secret = (purpose: string) => `${canaries.plant("hub", purpose)}-long-enough`
  return {
    JWT_SECRET: secret("jwtsecret"),
    CREDENTIAL_KEY: secret("credentialkey"),
    ADMIN_PASSWORD: secret("adminpassword"),
    LOG_LEVEL: "debug"
  }
}
