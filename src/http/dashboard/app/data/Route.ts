/**
 * The page being shown, as the part of the address behind `#`: the hub serves one page, and a link can be kept or sent
 * all the same. It holds names and ids alone.
 */
import { computed, signal } from "@preact/signals"

export interface Route {
  readonly page: string
  /** What of the page: an id or a name. */
  readonly item: string | undefined
  /** Filters. */
  readonly query: URLSearchParams
}

const parse = (hash: string): Route => {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2)
  const [page = "", item] = path.split("/")
  return {
    page,
    item: item === undefined || item === "" ? undefined : decoded(item),
    query: new URLSearchParams(query)
  }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const hash = signal(location.hash)
addEventListener("hashchange", () => (hash.value = location.hash))

export const route = computed(() => parse(hash.value))

export const href = (page: string, item?: string, query: Readonly<Record<string, string | undefined>> = {}): string => {
  const filters = new URLSearchParams(
    Object.entries(query).flatMap(([name, value]) => (value === undefined || value === "" ? [] : [[name, value]]))
  ).toString()
  return `#/${page}${item === undefined ? "" : `/${encodeURIComponent(item)}`}${filters === "" ? "" : `?${filters}`}`
}

export const go = (to: string): void => {
  location.hash = to
}

/** In place of the present address, so that the way back does not lead through every keystroke of a filter. */
export const replace = (to: string): void => {
  history.replaceState(null, "", to)
  hash.value = location.hash
}
