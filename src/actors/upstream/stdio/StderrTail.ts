/**
 * The last lines a child wrote to stderr: enough to say why it died, bounded whatever it writes (64 lines, 16 kB).
 * A flood is read and forgotten, because an unread pipe would block the child.
 */
import * as NdjsonDecoder from "./NdjsonDecoder.ts"

const maxLines = 64
/** Of what is pushed at once, more need not be looked at. */
export const maxBytes = 16 * 1024

export interface StderrTail {
  readonly push: (chunk: Uint8Array) => void
  /** The last lines, oldest first, the unfinished one included. */
  readonly lines: () => ReadonlyArray<string>
}

export const make = (): StderrTail => {
  const kept: Array<string> = []
  let size = 0

  const keep = (line: string) => {
    kept.push(line)
    size += line.length
    while (kept.length > maxLines || size > maxBytes) size -= kept.shift()!.length
  }

  const decoder = NdjsonDecoder.make({
    maxLineBytes: maxBytes / 2,
    onLine: keep,
    onOverflow: () => keep("(a line too long to keep)")
  })

  return {
    push: decoder.push,
    lines: () => {
      decoder.end()
      return kept.slice()
    }
  }
}
