/**
 * Room that all users share, and of which none takes what the others need: a user may have as much as is still free.
 * Alone that is half of the room; the more users fill it, the smaller is the part of each, and whoever comes next finds
 * some left.
 */
import type { UserId } from "./Ids.ts"

export class SharedRoom {
  readonly #capacity: number
  readonly #users = new Map<UserId, number>()
  #used = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  has(userId: UserId): boolean {
    return (this.#users.get(userId) ?? 0) < this.#capacity - this.#used
  }

  /** Takes one place; false when the user has as many as may be. */
  take(userId: UserId): boolean {
    const taken = this.#users.get(userId) ?? 0
    if (taken >= this.#capacity - this.#used) return false
    this.#used++
    this.#users.set(userId, taken + 1)
    return true
  }

  /** Returns one of the user's places. */
  give(userId: UserId): void {
    const taken = this.#users.get(userId)
    if (taken === undefined) return
    this.#used--
    if (taken === 1) this.#users.delete(userId)
    else this.#users.set(userId, taken - 1)
  }
}
