/**
 * Keeps the unfinished line of an event stream back from its parser. When the line turns out to be one large answer, the
 * parser gets a few bytes in its place, and the answer joins its event again when the parser has the whole of it.
 */
import type { JsonRpcSuccess } from "../../../domain/protocol/JsonRpc.ts"
import { Pieces } from "../../../domain/protocol/json/Pieces.ts"
import { large, ResponseScanner } from "../../../domain/protocol/json/ResponseScanner.ts"

export interface SseLongLines<Problem extends string> {
  readonly push: (chunk: Uint8Array) => Problem | "too-large" | undefined
  /** The answer that belongs to an event with this data. */
  readonly takeAnswer: (data: string) => JsonRpcSuccess | undefined
}

const encoder = new TextEncoder()
const lf = 10
const cr = 13
const step = large / 2
const data = encoder.encode("data:")

/**
 * Stands for the answer. An event has it as its whole data only if its one line of data (beside empty ones) is the line
 * that was taken out: an object and anything else are no JSON together, and neither is this.
 */
const standIn = "<answer>"
const standInLine = encoder.encode(`data:${standIn}`)

const lineEnd = (chunk: Uint8Array): number => {
  const first = chunk.indexOf(lf)
  const other = (first === -1 ? chunk : chunk.subarray(0, first)).indexOf(cr)
  return other === -1 ? first : other
}

/** `feed` decodes; what it reports ends the stream. A line may have `maxBytes`. */
export const make = <Problem extends string>(
  maxBytes: number,
  feed: (chunk: Uint8Array) => Problem | undefined
): SseLongLines<Problem> => {
  let size = 0
  /** The line; of one that is scanned what is before the answer. */
  let line = new Pieces()
  let value = new Pieces()
  let scanner: ResponseScanner | undefined
  let answer: JsonRpcSuccess | undefined

  const hold = (bytes: Uint8Array): "too-large" | undefined => {
    if (bytes.byteLength === 0) return undefined
    const before = size
    size += bytes.byteLength
    if (size > maxBytes) return "too-large"
    if (scanner !== undefined) scanner.push(bytes)
    else {
      line.push(bytes)
      if (before < large && size >= large) beginScan()
    }
    return undefined
  }

  const beginScan = (): void => {
    const whole = line.whole()
    if (!data.every((byte, at) => whole[at] === byte)) return
    line = new Pieces()
    line.push(data)
    value.push(whole.subarray(data.byteLength))
    scanner = ResponseScanner.over(value)
  }

  /** The line is complete, but for what ends it. */
  const release = (): Problem | undefined => {
    const found = scanner?.end()
    const held = found === undefined ? [...line.all(), ...value.all()] : [standInLine]
    answer = found ?? answer
    size = 0
    line = new Pieces()
    value = new Pieces()
    scanner = undefined
    for (const bytes of held) {
      const problem = feed(bytes)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  const take = (chunk: Uint8Array): Problem | "too-large" | undefined => {
    let rest = chunk
    if (size > 0) {
      const first = lineEnd(chunk)
      if (first === -1) return hold(chunk)
      const problem = hold(chunk.subarray(0, first)) ?? release()
      if (problem !== undefined) return problem
      rest = chunk.subarray(first)
    }
    const complete = Math.max(rest.lastIndexOf(lf), rest.lastIndexOf(cr)) + 1
    if (complete > 0) {
      const problem = feed(rest.subarray(0, complete))
      if (problem !== undefined) return problem
    }
    return hold(rest.subarray(complete))
  }

  return {
    push: (chunk) => {
      // So that no large line is whole in what is looked at.
      for (let at = 0; at < chunk.byteLength; at += step) {
        const problem = take(chunk.subarray(at, at + step))
        if (problem !== undefined) return problem
      }
      return undefined
    },
    takeAnswer: (text) => {
      const taken = text.trim() === standIn ? answer : undefined
      answer = undefined
      return taken
    }
  }
}
