/**
 * One list of one server as it was read, and what it takes of its user's memory. Several keep it, the user's sessions and
 * what the hub knows of the server; it counts once, until the last of them has let it go.
 */
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import type { UnusableItem } from "../../domain/protocol/json/ListItems.ts"
import type { Era } from "../../domain/protocol/Versions.ts"

/** Of the list that a session shows of a server now. */
export interface ListOrigin {
  readonly era: Era
  readonly ttlMs: number
  /** Why it may not be the server's whole list of today. */
  readonly incomplete?: string | undefined
  /** Entries that are left out; not more than can be read. */
  readonly unusable: ReadonlyArray<UnusableItem>
}

export type Item = JsonObject

/** One server's items by their own key (name or URI). */
export type Items = ReadonlyMap<string, Item>

export interface ReadList {
  readonly items: Items
  /** The era in whose words it is. */
  readonly era: Era
  /** Milliseconds, as a stateless server says; the least of all pages. */
  readonly ttlMs: number | undefined
  /** Why it may not be the server's whole list of today. */
  readonly incomplete?: string | undefined
  /** Entries that are left out; not more than can be read. */
  readonly unusable: ReadonlyArray<UnusableItem>
}

export class KeptList {
  readonly read: ReadList
  readonly #free: () => void
  #keepers = 0

  readonly bytes: number

  /** `free` gives back the bytes, which are held already. */
  constructor(read: ReadList, bytes: number, free: () => void) {
    this.read = read
    this.bytes = bytes
    this.#free = free
  }

  /** What comes free when a session and what is known let it go for another. */
  get replaceable(): number {
    return this.#keepers > 2 ? 0 : this.bytes
  }

  keep(): this {
    this.#keepers++
    return this
  }

  drop(): void {
    this.#keepers--
    if (this.#keepers === 0) this.#free()
  }

  /** Whether somebody besides the one who asks keeps it. */
  get isShared(): boolean {
    return this.#keepers > 1
  }

  says(other: KeptList): boolean {
    if (this === other) return true
    const [mine, theirs] = [this.read.items, other.read.items]
    if (mine.size !== theirs.size || this.read.era !== other.read.era) return false
    return [...mine].every(([key, item]) => {
      const its = theirs.get(key)
      return its !== undefined && JSON.stringify(its) === JSON.stringify(item)
    })
  }
}
