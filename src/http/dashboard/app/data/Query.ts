/** Reading from the API, again every few seconds while the page can be seen. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import { call, Problem } from "./Api.ts"

export interface Query<A> {
  /** The latest answer, also while a newer one is awaited or has failed. */
  readonly data: A | undefined
  readonly etag: string | undefined
  readonly problem: Problem | undefined
  readonly reload: () => void
}

interface Seen<A> {
  readonly path: string | undefined
  readonly data?: A
  readonly etag?: string | undefined
  readonly problem?: Problem
}

/** `path` undefined: nothing is read. `everyMs` 0: once. */
export const useQuery = <A>(path: string | undefined, everyMs = 0): Query<A> => {
  const [seen, setSeen] = useState<Seen<A>>({ path })
  const latest = useRef<() => void>(() => {})

  useEffect(() => {
    if (path === undefined) return
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const later = (): void => {
      if (everyMs > 0 && !abort.signal.aborted) timer = setTimeout(read, everyMs)
    }
    const read = (): void => {
      clearTimeout(timer)
      if (document.hidden && everyMs > 0) return later()
      call<A>("GET", path, { signal: abort.signal }).then(
        ({ etag, value }) => {
          setSeen({ path, data: value, etag })
          later()
        },
        (error: unknown) => {
          if (abort.signal.aborted) return
          const problem = error instanceof Problem ? error : new Problem(0, String(error))
          setSeen((before) => ({ ...(before.path === path ? before : { path }), problem }))
          if (!problem.isMissing && problem.status !== 401) later()
        }
      )
    }
    latest.current = read
    read()
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }, [path, everyMs])

  const reload = useCallback(() => latest.current(), [])
  const now = seen.path === path ? seen : { path }
  return { data: now.data, etag: now.etag, problem: now.problem, reload }
}
