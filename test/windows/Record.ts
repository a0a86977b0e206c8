/** The record of a run: what was done, and everything that should not have happened. */
import { metaOf, objectOrEmpty, textOrEmpty } from "../../src/domain/protocol/JsonObjects.ts"
import type { JsonObject } from "../../src/domain/protocol/JsonRpc.ts"
import type { Canaries } from "../support/Canaries.ts"
import type { Expected } from "./Expected.ts"

/** A window of a user, or a one-shot client; both of letters and digits. */
export interface Seat {
  readonly user: string
  readonly window: string
}

const zero = {
  sessions: 0,
  oneShots: 0,
  lists: 0,
  calls: 0,
  /** A process was another one, and the client was told. */
  restarts: 0,
  /** A list that was not whole and said so, before its user had ever seen a whole one. */
  honest: 0,
  /** Any error as an answer, or none. */
  refused: 0,
  empty: 0,
  /** Not whole: without a word, or after its user had seen a whole one. */
  incomplete: 0,
  /** It holds what is another's. */
  crossed: 0,
  /** An answer that does not fit what was told before, without a word that the process is another one. */
  wrong: 0
}

export type Counts = typeof zero

const bad = ["refused", "empty", "incomplete", "crossed", "wrong"] as const

interface Tools {
  readonly tools?: ReadonlyArray<{ readonly name: string }>
  readonly _meta?: { readonly "mcphub/missing"?: ReadonlyArray<{ readonly server: string; readonly why: string }> }
}

export class Record {
  readonly counts: Counts = { ...zero }
  /** The first of each kind, in words. */
  readonly problems: Array<string> = []
  private readonly canaries: Canaries
  private readonly expected: Expected
  private readonly seenWhole = new Set<string>()

  constructor(canaries: Canaries, expected: Expected) {
    this.canaries = canaries
    this.expected = expected
  }

  problem(kind: (typeof bad)[number], { user, window }: Seat, said: string): void {
    if (++this.counts[kind] <= 10) this.problems.push(`${kind}: ${user}/${window} ${said}`)
  }

  /** Whatever reached the client: it may hold the user's own only, and with `isOfUser` what other windows have said. */
  heard({ user, window }: Seat, what: string, message: unknown, isOfUser = true): void {
    const others = this.canaries
      .foundIn(JSON.stringify(message))
      .filter((found) => (isOfUser ? !found.startsWith(`${user}-`) : found !== `${user}-${window}`))
    if (others.length > 0) this.problem("crossed", { user, window }, `${what} holds ${others.join(", ")}`)
  }

  /** The servers of which the answer lacks a tool. */
  listed(seat: Seat, result: JsonObject): ReadonlyArray<string> {
    this.counts.lists++
    const { _meta, tools = [] } = result as Tools
    const names = new Set(tools.map(({ name }) => name))
    const lacking = [...this.expected].filter(([, tools]) => tools.some((name) => !names.has(name)))
    const servers = lacking.map(([server]) => server)
    if (servers.length === 0) {
      this.seenWhole.add(seat.user)
      const foreign = [...names].filter((name) => ![...this.expected.values()].flat().includes(name))
      if (foreign.length > 0) this.problem("incomplete", seat, `lists what no server has: ${foreign.join(", ")}`)
      return servers
    }
    const said = new Map(_meta?.["mcphub/missing"]?.map(({ server, why }) => [server, why]))
    const isHonest = servers.every((server) => said.has(server))
    if (names.size === 0) this.problem("empty", seat, "lists nothing")
    else if (!isHonest) this.problem("incomplete", seat, `lists without a word only part of ${servers.join(", ")}`)
    else if (this.seenWhole.has(seat.user)) {
      const words = servers.map((server) => `${server} (${said.get(server)})`)
      this.problem("incomplete", seat, `no longer lists ${words.join(", ")}`)
    } else this.counts.honest++
    return servers
  }

  get isSound(): boolean {
    return bad.every((kind) => this.counts[kind] === 0)
  }

  line(): string {
    return Object.entries(this.counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ")
  }
}

/** The server of which the answer says that its process is another one than before. */
export const restartedIn = (result: JsonObject): string | undefined => {
  const said = objectOrEmpty(metaOf(result)?.["mcphub/restarted"])["server"]
  return said === undefined ? undefined : textOrEmpty(said)
}
