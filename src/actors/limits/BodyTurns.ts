/**
 * Turns of large bodies: N bytes of them at a time, for one user and for all, from the moment in which they go on being
 * read until nobody holds them any more. Bodies beyond that wait in the sockets of their clients.
 *
 * Nobody waits for somebody else for ever: one body of each user may always be read. And nobody waits for themselves: a
 * call can be waiting for its client's answer, so an answer goes beside the turns, one at a time.
 */
import type { UserId } from "../../domain/Ids.ts"

export interface Turn {
  /** It goes beside the turns, which only an answer may. */
  readonly isBeside: boolean
  /** Nothing of the body is held any more, or it is not waited for. Once is enough. */
  readonly end: () => void
}

interface Waiting {
  readonly bytes: number
  readonly goOn: () => void
}

interface Account {
  held: number
  isBeside: boolean
  /** In order. */
  readonly waiting: Set<Waiting>
}

/** Bodies of one user that may wait: each keeps a socket, and what has arrived of it. */
const mostWaiting = 128

export class BodyTurns {
  private readonly perUser: number
  private readonly atOnce: number
  private readonly accounts = new Map<UserId, Account>()
  private held = 0

  constructor(perUser: number, atOnce: number) {
    this.perUser = perUser
    this.atOnce = atOnce
  }

  /** Bodies that wait now, over all users. */
  get waiting(): number {
    let count = 0
    for (const { waiting } of this.accounts.values()) count += waiting.size
    return count
  }

  /** Calls `goOn` when it is its turn, now or later. Undefined: too many of the user's wait already. */
  take(userId: UserId, bytes: number, isAnswer: boolean, goOn: () => void): Turn | undefined {
    let account = this.accounts.get(userId)
    if (account === undefined) this.accounts.set(userId, (account = { held: 0, isBeside: false, waiting: new Set() }))
    const isFree = account.waiting.size === 0 && this.hasRoom(account, bytes)
    if (!isFree && isAnswer && !account.isBeside) return this.beside(userId, account, goOn)
    if (!isFree && account.waiting.size >= mostWaiting) return undefined
    return this.inTurn(userId, account, { bytes, goOn }, isFree)
  }

  private beside(userId: UserId, account: Account, goOn: () => void): Turn {
    account.isBeside = true
    goOn()
    let hasEnded = false
    const end = (): void => {
      if (hasEnded) return
      hasEnded = true
      account.isBeside = false
      this.forget(userId, account)
    }
    return { isBeside: true, end }
  }

  private inTurn(userId: UserId, account: Account, one: Waiting, isFree: boolean): Turn {
    if (isFree) this.start(account, one)
    else account.waiting.add(one)
    let hasEnded = false
    const end = (): void => {
      if (hasEnded) return
      hasEnded = true
      if (!account.waiting.delete(one)) {
        account.held -= one.bytes
        this.held -= one.bytes
      }
      this.forget(userId, account)
      this.next()
    }
    return { isBeside: false, end }
  }

  private hasRoom({ held }: Account, bytes: number): boolean {
    return held === 0 || (held + bytes <= this.perUser && this.held + bytes <= this.atOnce)
  }

  private start(account: Account, one: Waiting): void {
    account.held += one.bytes
    this.held += one.bytes
    one.goOn()
  }

  /** Lets one body of each user go on at a time, until there is no room for any. */
  private next(): void {
    for (let isDone = false; !isDone;) {
      isDone = true
      for (const account of this.accounts.values()) {
        const [first] = account.waiting
        if (first === undefined || !this.hasRoom(account, first.bytes)) continue
        account.waiting.delete(first)
        this.start(account, first)
        isDone = false
      }
    }
  }

  private forget(userId: UserId, account: Account): void {
    if (account.held === 0 && !account.isBeside && account.waiting.size === 0) this.accounts.delete(userId)
  }
}
