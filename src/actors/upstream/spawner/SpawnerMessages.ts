/** Messages between the hub and its spawner, over the channel that Node makes for a child. */
import type { ChildCommand } from "./ChildCommand.ts"

export interface StartChild extends ChildCommand {
  /** Random: whoever knows it may bring the child's streams. */
  readonly id: string
  /** Address of the Unix socket to which the streams connect, each with `streamHead` as its first bytes. */
  readonly address: string
}

export type FromSpawner =
  | { readonly id: string; readonly pid: number }
  /** It could not be started. */
  | { readonly id: string; readonly error: string }
  | { readonly id: string; readonly code: number | null; readonly signal: string | null }

/** Of a stream: which child's it is, and whether stdin (0), stdout or stderr. */
export const streamHead = (id: string, place: number): string => `${id}${place}`

/** Characters of a UUID, and one. */
export const streamHeadBytes = 37
