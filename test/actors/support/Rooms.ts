/** A room of a user's memory for tests: so many bytes, and what is held of them. */
import type { Room } from "../../../src/actors/limits/Retained.ts"

export const roomOf = (max: number = Infinity): Room & { readonly held: () => number } => {
  let held = 0
  return {
    hold: (bytes) => {
      if (held + bytes > max) return false
      held += bytes
      return true
    },
    release: (bytes) => void (held -= bytes),
    held: () => held
  }
}
