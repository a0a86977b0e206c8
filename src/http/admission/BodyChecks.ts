/**
 * Checks of large bodies, all in one queue: in each turn of the event loop one body is looked at for about a millisecond,
 * and users take turns. However many large bodies there are, a small request waits for no more than that.
 */
import type { UserId } from "../../domain/Ids.ts"
import { BodyScanner } from "../../domain/protocol/json/BodyScanner.ts"
import type { Pieces } from "../../domain/protocol/json/Pieces.ts"
import type { Wait } from "../wire/Guard.ts"
import type { WireReply } from "../wire/Wire.ts"

export interface BodyChecks {
  /** Resumes with the scanner once it has seen all of the body; never where the client has gone. */
  readonly check: (userId: UserId, pieces: Pieces, reply: WireReply) => Wait<BodyScanner>
}

/** Milliseconds of one turn of the event loop. */
const stepMs = 1

interface Check {
  readonly scanner: BodyScanner
  readonly reply: WireReply
  readonly resume: (scanner: BodyScanner) => void
}

export const make = (): BodyChecks => {
  /** Users whose turn it is next, first; each with the checks that wait, in order. */
  const users = new Map<UserId, Array<Check>>()

  const take = (): readonly [UserId, Check] | undefined => {
    for (const [userId, checks] of users) {
      users.delete(userId)
      const left = checks.filter(({ reply }) => !reply.isGone())
      const [first] = left
      if (first === undefined) continue
      users.set(userId, left)
      return [userId, first]
    }
    return undefined
  }

  const step = (userId: UserId, check: Check): void => {
    const until = performance.now() + stepMs
    // A check that dies of a defect is over, too.
    let isOver = true
    try {
      isOver = check.scanner.step(() => performance.now() < until)
    } finally {
      if (isOver) users.get(userId)?.shift()
    }
    if (isOver) check.resume(check.scanner)
  }

  let isRunning = false
  const next = (): void => {
    const taken = take()
    isRunning = taken !== undefined
    if (taken === undefined) return
    const [userId, check] = taken
    check.reply.guard.soon(() => {
      try {
        step(userId, check)
      } finally {
        next()
      }
    })
  }

  return {
    check: (userId, pieces, reply) => (resume) => {
      const checks = users.get(userId) ?? []
      checks.push({ scanner: new BodyScanner(pieces), reply, resume })
      users.set(userId, checks)
      if (!isRunning) next()
    }
  }
}
