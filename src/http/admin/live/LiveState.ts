/**
 * One audience, with what it was last told and what is new since: each thing is kept as the text it is sent as, so that a change
 * is one comparison and a snapshot is a join.
 */

/** The things of one kind as they are now: id and text. */
export type Texts = ReadonlyMap<string, string>

const parts = ["sessions", "requests", "servers"] as const
export type Part = (typeof parts)[number]

export interface LiveNow extends Readonly<Record<Part, Texts>> {
  readonly at: string
  /** JSON. */
  readonly counters: string
  readonly omitted: string
}

/** One event of `text/event-stream`. */
const event = (name: "snapshot" | "delta", members: ReadonlyArray<string>): string =>
  `event: ${name}\ndata: {${members.join(",")}}\n\n`

const rest = ({ at, counters, omitted }: LiveNow): ReadonlyArray<string> => [
  `"at":${JSON.stringify(at)}`,
  `"counters":${counters}`,
  `"omitted":${omitted}`
]

const changes = (before: Texts, now: Texts): string => {
  const set: Array<string> = []
  const gone: Array<string> = []
  for (const [id, text] of now) if (before.get(id) !== text) set.push(text)
  for (const id of before.keys()) if (!now.has(id)) gone.push(id)
  return `{"set":[${set.join(",")}],"gone":${JSON.stringify(gone)}}`
}

export class LiveState {
  private latest: LiveNow

  constructor(now: LiveNow) {
    this.latest = now
  }

  /** What is new, for whoever has been told everything before. */
  advance(now: LiveNow): string {
    const before = this.latest
    this.latest = now
    return event("delta", [...parts.map((part) => `"${part}":${changes(before[part], now[part])}`), ...rest(now)])
  }

  snapshot(): string {
    const now = this.latest
    const all = parts.map((part) => `"${part}":[${[...now[part].values()].join(",")}]`)
    return event("snapshot", [...all, ...rest(now)])
  }
}
