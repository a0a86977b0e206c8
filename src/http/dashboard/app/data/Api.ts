/**
 * Calls to the hub's API, with the cookie of the sign-in. Nothing that comes back is stored in the browser: it lives as
 * long as the page that shows it.
 */
import { signal } from "@preact/signals"

/** Why a call failed, as the hub says it (RFC 9457), or that there was no answer at all (`status` 0). */
export class Problem extends Error {
  override readonly name = "Problem"
  readonly status: number
  /** Seconds to wait. */
  readonly retryAfter: number | undefined

  constructor(status: number, message: string, retryAfter?: number) {
    super(message)
    this.status = status
    this.retryAfter = retryAfter
  }

  /** This hub has no such part of the API, for everybody. */
  get isMissing(): boolean {
    return this.status === missing
  }
}

const missing = -404

/** What the hub proves with that a change comes from its own page; known after `GET me`. */
export const csrf = signal<string | undefined>(undefined)
/** Counts answers that say that the sign-in has ended. */
export const signedOut = signal(0)

const root = new URL("../api/", document.baseURI)

export const address = (path: string): string => new URL(path, root).href

export interface Answer<A> {
  readonly value: A
  /** Of what can be changed by two people at once. */
  readonly etag: string | undefined
}

export interface CallOptions {
  readonly body?: unknown
  readonly etag?: string | undefined
  readonly signal?: AbortSignal
  /** The type of the answer, if not JSON. */
  readonly accept?: string
}

const safe = new Set(["GET", "HEAD"])

const problemOf = async (response: Response): Promise<Problem> => {
  const text = await response.text().catch(() => "")
  let body: Readonly<Partial<Record<"detail" | "title" | "message" | "error" | "kind", string>>> = {}
  try {
    body = JSON.parse(text) as typeof body
  } catch {
    // A proxy's page, for instance; the status says enough.
  }
  // Where no route is served: by the API, or by the signposts for MCP clients.
  const isNowhere = body.error === "not_found" || body.kind === "NoSuchRoute"
  if (response.status === 404 && isNowhere) return new Problem(missing, "")
  const wait = Number(response.headers.get("retry-after") ?? Number.NaN)
  const message = body.detail ?? body.title ?? body.message ?? `${response.status} ${response.statusText}`
  return new Problem(response.status, message, Number.isNaN(wait) ? undefined : wait)
}

const send = async (method: string, path: string, options: CallOptions): Promise<Response> => {
  const headers: Record<string, string> = { accept: options.accept ?? "application/json" }
  if (options.body !== undefined) headers["content-type"] = "application/json"
  if (!safe.has(method) && csrf.value !== undefined) headers["x-mcphub-csrf"] = csrf.value
  if (options.etag !== undefined) headers["if-match"] = options.etag
  const response = await fetch(address(path), {
    method,
    headers,
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    referrerPolicy: "no-referrer",
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    ...(options.signal === undefined ? {} : { signal: options.signal })
  }).catch((error: unknown) => {
    if (options.signal?.aborted === true) throw error
    throw new Problem(0, "")
  })
  if (response.ok) return response
  if (response.status === 401 && !path.startsWith("signin/")) signedOut.value++
  throw await problemOf(response)
}

export const call = async <A>(method: string, path: string, options: CallOptions = {}): Promise<Answer<A>> => {
  const response = await send(method, path, options)
  const text = await response.text()
  const value = (text === "" ? undefined : JSON.parse(text)) as A
  return { value, etag: response.headers.get("etag") ?? undefined }
}

/** A list, of which there may be more. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | null
}

/** A path with a query of those values that are there. */
export const withQuery = (path: string, query: Readonly<Record<string, string | number | undefined>>): string => {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [[name, String(value)]]
  )
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs).toString()}`
}

/** A file of the answer, in the given type. */
export const download = async (path: string, type: string, file: string): Promise<void> => {
  const response = await send("GET", path, { accept: type })
  const link = document.createElement("a")
  link.href = URL.createObjectURL(await response.blob())
  link.download = file
  link.click()
  URL.revokeObjectURL(link.href)
}
