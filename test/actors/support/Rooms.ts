/** A room of a user's memory for tests: so many bytes, and what is held of them. */
import type { Claim, Room } from "../../../src/actors/limits/Retained.ts"

export const roomOf = (max: number = Infinity): Room & { readonly held: () => number } => {
  let held = 0
  return {
    hold: (bytes, inPlaceOf = 0) => {
      if (held + bytes - inPlaceOf > max) return false
      held += bytes
      return true
    },
    release: (bytes) => void (held -= bytes),
    held: () => held
  }
}

export const claimOf = (max?: number): Claim & { readonly held: () => number } => {
  const room = roomOf(max)
  let hasEnded = false
  return {
    held: room.held,
    hold: (bytes) => !hasEnded && room.hold(bytes),
    count: (bytes) => room.release(-bytes),
    release: (bytes) => hasEnded || room.release(bytes),
    set: (bytes) => hasEnded || room.hold(bytes - room.held()),
    end: () => {
      hasEnded = true
      room.release(room.held())
    }
  }
}
