/**
 * Bytes in, lines out: the framing of MCP over stdio (MCP `basic/transports`, stdio: messages are delimited by
 * newlines and contain none). A line longer than the limit is dropped up to its newline and reported once, so one
 * oversized message costs neither memory nor the rest of the stream.
 */
import type { AnswerRoom } from "../../limits/AnswerBytes.ts"
import type { JsonRpcSuccess } from "../../../domain/protocol/JsonRpc.ts"
import { Pieces } from "../../../domain/protocol/json/Pieces.ts"
import { large, ResponseScanner } from "../../../domain/protocol/json/ResponseScanner.ts"

export interface NdjsonOptions {
  /** Bytes of the longest line that is delivered. */
  readonly maxLineBytes: number
  /** One line without its newline, never blank; bytes that are no UTF-8 arrive as U+FFFD. */
  readonly onLine: (line: string) => void
  /** In place of `onLine`, a large line that is an answer; its result was not read. */
  readonly onAnswer?: ((answer: JsonRpcSuccess) => void) | undefined
  /** What of its user's memory a large line takes; absent: not counted. */
  readonly room?: AnswerRoom | undefined
  /** A line exceeded its own limit, or its user's. Called when that is seen, before the line ends. */
  readonly onOverflow: (whose: "line" | "user") => void
}

export interface NdjsonDecoder {
  readonly push: (chunk: Uint8Array) => void
  /** The stream has ended: what stands in the buffer is the last line. */
  readonly end: () => void
}

const newline = 10

export const make = (options: NdjsonOptions): NdjsonDecoder => {
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })
  let line = new Pieces()
  let size = 0
  let scanner: ResponseScanner | undefined
  let skipping = false

  const reset = () => {
    if (size >= large) options.room?.hold(0)
    line = new Pieces()
    size = 0
    scanner = undefined
  }

  const skip = (whose: "line" | "user") => {
    skipping = true
    reset()
    options.onOverflow(whose)
  }

  const hold = (bytes: Uint8Array) => {
    if (skipping || bytes.length === 0) return
    size += bytes.length
    if (size > options.maxLineBytes) skip("line")
    else if (size >= large && options.room?.hold(size) === false) skip("user")
    else {
      if (scanner !== undefined) return scanner.push(bytes)
      line.push(bytes)
      if (size >= large && options.onAnswer !== undefined) scanner = ResponseScanner.over(line)
    }
  }

  const deliver = () => {
    if (line.byteLength === 0) return
    const answer = scanner?.end()
    if (answer !== undefined) {
      reset()
      return options.onAnswer?.(answer)
    }
    const text = utf8.decode(line.whole())
    reset()
    if (text.trim() !== "") options.onLine(text)
  }

  return {
    push: (chunk) => {
      let from = 0
      for (;;) {
        const at = chunk.indexOf(newline, from)
        if (at === -1) break
        hold(chunk.subarray(from, at))
        deliver()
        skipping = false
        from = at + 1
      }
      hold(chunk.subarray(from))
    },
    end: () => {
      deliver()
      skipping = false
    }
  }
}
