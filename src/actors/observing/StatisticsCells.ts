/**
 * Counts since they were last written: one cell for each hour of a user at a tool of a server.
 *
 * A user has a bounded number of cells in an hour; what is beyond it counts under `otherName`. All users share the room
 * for cells (`SharedRoom`); a request for which there is none is lost, and counted as such.
 */
import type { UserId } from "../../domain/Ids.ts"
import { bucketCount, bucketOf } from "../../domain/records/DurationHistogram.ts"
import { millisPerHour, otherName, type StatisticsRow } from "../../domain/records/Statistics.ts"
import { SharedRoom } from "../../domain/SharedRoom.ts"
import type { EndedRequest } from "../../domain/requests/RequestRecord.ts"
import { storedText } from "./StoredText.ts"

/** Cells of one user in one hour that have names of their own. */
export const mostNames = 500
/** A runaway variety of kinds would grow the map; there are about twenty. */
const mostKinds = 64

class Cell {
  readonly hour: number
  readonly userId: UserId
  readonly server: string
  readonly tool: string
  /** None: nothing was counted since it was last written. */
  requests = 0
  errors = 0
  totalMs = 0
  maxMs = 0
  buckets = new Uint32Array(bucketCount)
  kinds: Map<string, number> | undefined = undefined
  /** Its hour is over. */
  isPast = false

  constructor(hour: number, userId: UserId, server: string, tool: string) {
    this.hour = hour
    this.userId = userId
    this.server = server
    this.tool = tool
  }

  failed(errorKind: string): void {
    this.errors++
    const kinds = (this.kinds ??= new Map())
    const kind = kinds.size < mostKinds || kinds.has(errorKind) ? errorKind : otherName
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }

  /** The numbers, which begin anew. */
  take(): StatisticsRow {
    const { errors, hour, maxMs, requests, server, tool, totalMs, userId } = this
    const buckets = [...this.buckets]
    const errorsByKind = Object.fromEntries(this.kinds ?? [])
    this.requests = this.errors = this.totalMs = this.maxMs = 0
    this.buckets.fill(0)
    this.kinds = undefined
    return { hour, userId, server, tool, requests, errors, totalMs, maxMs, buckets, errorsByKind }
  }
}

/** The cells of one user in the present hour, by server and tool as requests have them. */
class UserCells {
  readonly servers = new Map<string, Map<string, Cell>>()
  names = 0
}

export class StatisticsCells {
  readonly #room: SharedRoom
  #users = new Map<UserId, UserCells>()
  #hour = 0
  #hourEnds = 0
  /** Cells in which something is counted, in the order in which that began. */
  readonly #waiting: Array<Cell> = []
  #lost = 0
  readonly #onFirst: () => void

  /** `onFirst`: something waits now that nothing did before. */
  constructor(capacity: number, onFirst: () => void) {
    this.#room = new SharedRoom(capacity)
    this.#onFirst = onFirst
  }

  /** Requests for which there was no room. */
  get lost(): number {
    return this.#lost
  }

  /** Cells that wait to be written. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** One ended request of a client: called for each of them, on the way of its answer. */
  count({ durationMs, endedAt, errorKind, record }: EndedRequest): void {
    if (endedAt >= this.#hourEnds || endedAt < this.#hourEnds - millisPerHour) this.#turn(endedAt)
    const server = record.server ?? ""
    const tool = record.tool ?? (record.method === "tools/call" ? otherName : "")
    const cell =
      this.#users.get(record.userId)?.servers.get(server)?.get(tool) ?? this.#open(record.userId, server, tool)
    if (cell === undefined) {
      this.#lost++
      return
    }
    if (cell.requests++ === 0 && this.#waiting.push(cell) === 1) this.#onFirst()
    cell.totalMs += durationMs
    if (durationMs > cell.maxMs) cell.maxMs = durationMs
    cell.buckets[bucketOf(durationMs)]!++
    if (errorKind !== undefined) cell.failed(errorKind)
  }

  /** What the oldest of the waiting cells hold. */
  take(most: number): ReadonlyArray<StatisticsRow> {
    return this.#waiting.splice(0, most).map((cell) => {
      if (cell.isPast) this.#room.give(cell.userId)
      return cell.take()
    })
  }

  /** Another hour has begun: what is written of the one before needs no cell any more. */
  #turn(now: number): void {
    for (const { servers } of this.#users.values()) {
      for (const tools of servers.values()) {
        for (const cell of tools.values()) {
          cell.isPast = true
          if (cell.requests === 0) this.#room.give(cell.userId)
        }
      }
    }
    this.#users = new Map()
    this.#hour = Math.floor(now / millisPerHour)
    this.#hourEnds = (this.#hour + 1) * millisPerHour
  }

  #open(userId: UserId, server: string, tool: string): Cell | undefined {
    let user = this.#users.get(userId)
    if (user === undefined) this.#users.set(userId, (user = new UserCells()))
    let tools = user.servers.get(server)
    // Servers are those of the settings; tools come from them, and they may list what they like.
    if (user.names >= mostNames && tool !== "" && tool !== otherName) {
      return tools?.get(otherName) ?? this.#open(userId, server, otherName)
    }
    if (!this.#room.take(userId)) return undefined
    if (tools === undefined) user.servers.set(server, (tools = new Map()))
    const cell = new Cell(this.#hour, userId, storedText(server), storedText(tool))
    tools.set(tool, cell)
    user.names++
    return cell
  }
}
