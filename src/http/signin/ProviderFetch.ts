/**
 * Requests to identity providers. They go the way of requests to servers: by the hub's proxy, and past the address guard,
 * so that a provider's metadata cannot lead the hub into its own network. An answer is small and comes in time.
 */
import { Effect, Scope } from "effect"
import type { UserPools } from "../../actors/upstream/http/UserPools.ts"
import { isOwnHost } from "../../domain/config/UpstreamAddresses.ts"
import { UserId } from "../../domain/Ids.ts"

const patienceMs = 10_000
const mostBytes = 1024 * 1024

/** The pools' owner: nobody is known yet. */
const nobody = UserId.make("00000000-0000-0000-0000-000000000000")

export interface FetchOptions {
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
}

export type ProviderFetch = (url: string, options: FetchOptions) => Promise<Response>

/** Whether the hub goes there for this provider: to its own host, or somewhere on the internet, and never in clear. */
export const mayAsk = (home: string, url: string): boolean => {
  const [from, to] = [URL.parse(home), URL.parse(url)]
  if (from === null || to === null) return false
  return to.origin === from.origin || (to.protocol === "https:" && !isOwnHost(to.hostname))
}

class Forbidden extends Error {
  override readonly name = "Forbidden"
}

const bounded = async (response: { readonly body: AsyncIterable<Uint8Array> | null }): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > mostBytes) throw new Forbidden("The provider's answer is too large")
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}

/** `home`: the address that the operator has written. For as long as the scope lives. */
export const make = Effect.fnUntraced(function* (pools: UserPools["Service"], home: string) {
  const scope = yield* Effect.scope
  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  // Loaded by the first sign-in that needs it.
  const { fetch } = yield* Effect.promise(() => import("undici"))

  const ask: ProviderFetch = async (url, options) => {
    if (!mayAsk(home, url)) throw new Forbidden("The provider names an address that is not its own")
    const { dispatch } = await run(
      Effect.provideService(pools.acquire(nobody, new URL(url).origin), Scope.Scope, scope)
    )
    const response = await fetch(url, {
      method: options.method ?? "GET",
      headers: { ...options.headers },
      body: (options.body ?? null) as string | null,
      redirect: "manual",
      signal: AbortSignal.timeout(patienceMs),
      dispatcher: { dispatch } as never
    })
    return new Response(await bounded(response as never), {
      status: response.status,
      headers: [...response.headers]
    })
  }
  return ask
})
