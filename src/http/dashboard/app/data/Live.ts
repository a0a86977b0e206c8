/**
 * The hub's event stream as a page reads it: everything first, then what has changed, once a second. It is open while a
 * page that shows it can be seen; a browser whose stream breaks asks for another by itself.
 */
import { useEffect, useState } from "preact/hooks"
import type {
  LiveChanges,
  LiveCounters,
  LiveDelta,
  LiveRequest,
  LiveServer,
  LiveSession,
  LiveSnapshot
} from "../../../admin/live/LiveMessages.ts"
import { address, call, Problem } from "./Api.ts"
import type { Query } from "./Query.ts"
import type { RequestRow } from "./Shapes.ts"

export interface Live {
  /** The hub's clock, ISO 8601. */
  readonly at: string
  readonly sessions: ReadonlyMap<string, LiveSession>
  readonly requests: ReadonlyMap<string, LiveRequest>
  readonly servers: ReadonlyMap<string, LiveServer>
  readonly counters: LiveCounters
}

const sessionId = (session: LiveSession): string => session.sessionId
const requestId = (request: LiveRequest): string => request.requestId
const serverName = (server: LiveServer): string => server.name

const byId = <A>(all: ReadonlyArray<A>, idOf: (one: A) => string): ReadonlyMap<string, A> =>
  new Map(all.map((one) => [idOf(one), one]))

const changed = <A>(before: ReadonlyMap<string, A>, { gone, set }: LiveChanges<A>, idOf: (one: A) => string) => {
  if (gone.length === 0 && set.length === 0) return before
  const after = new Map(before)
  for (const id of gone) after.delete(id)
  for (const one of set) after.set(idOf(one), one)
  return after
}

const begun = ({ at, counters, requests, servers, sessions }: LiveSnapshot): Live => ({
  at,
  counters,
  sessions: byId(sessions, sessionId),
  requests: byId(requests, requestId),
  servers: byId(servers, serverName)
})

const after = (before: Live, { at, counters, requests, servers, sessions }: LiveDelta): Live => ({
  at,
  counters,
  sessions: changed(before.sessions, sessions, sessionId),
  requests: changed(before.requests, requests, requestId),
  servers: changed(before.servers, servers, serverName)
})

/** Milliseconds until a stream that was refused is asked for again. */
const againMs = 5000

/** `admin`: of everybody; `me`: of the viewer. */
export const useLive = (scope: "admin" | "me"): Query<Live> => {
  const [data, setData] = useState<Live>()
  const [problem, setProblem] = useState<Problem>()

  useEffect(() => {
    let source: EventSource | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    const close = (): void => {
      clearTimeout(timer)
      source?.close()
      source = undefined
    }
    const failed = (): void => {
      setProblem(new Problem(0, ""))
      if (source?.readyState !== EventSource.CLOSED) return
      // Refused, and a stream does not say why: whoever is not signed in any more is shown so by this.
      void call("GET", "me").catch(() => undefined)
      timer = setTimeout(open, againMs)
    }
    const open = (): void => {
      close()
      if (document.hidden) return
      source = new EventSource(address(`${scope}/events`))
      source.addEventListener("snapshot", ({ data: text }: MessageEvent<string>) => {
        setProblem(undefined)
        setData(begun(JSON.parse(text) as LiveSnapshot))
      })
      source.addEventListener("delta", ({ data: text }: MessageEvent<string>) => {
        const delta = JSON.parse(text) as LiveDelta
        setData((before) => (before === undefined ? undefined : after(before, delta)))
      })
      source.addEventListener("error", failed)
    }
    open()
    document.addEventListener("visibilitychange", open)
    return () => {
      document.removeEventListener("visibilitychange", open)
      close()
    }
  }, [scope])

  return { data, etag: undefined, problem, reload: () => {} }
}

/** The requests as the lists of the API have them, their ages by the hub's clock. */
export const requestRows = ({ at, requests }: Live): ReadonlyArray<RequestRow> => {
  const now = Date.parse(at)
  const since = (time: string): number => Math.max(0, now - Date.parse(time))
  return [...requests.values()].map(({ why, ...request }) => ({
    ...request,
    ageMs: since(request.startedAt),
    why: {
      kind: why.kind,
      server: why.server,
      stage: why.stage,
      forMs: since(why.since),
      until: why.until,
      heardMs: why.heardAt === null ? null : since(why.heardAt)
    }
  }))
}
