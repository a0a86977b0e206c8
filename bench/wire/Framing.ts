/**
 * The framing of HTTP/1.1, as much as upstream and load client need: heads, and bodies with a length, in chunks, or up to
 * the end of the connection. Far cheaper than `node:http`, so that the hub is what the bench measures.
 */

export type Headers = Readonly<Record<string, string>>

export const noBytes: Buffer = Buffer.alloc(0)
const endOfHead = Buffer.from("\r\n\r\n")

export interface Head {
  readonly first: string
  readonly headers: Headers
  /** Length of the head on the wire, its empty line included. */
  readonly bytes: number
}

/** The head at the beginning of a buffer, once it is complete. */
export const takeHead = (buffer: Buffer): { readonly head: Head; readonly rest: Buffer } | undefined => {
  const end = buffer.indexOf(endOfHead)
  if (end < 0) return undefined
  const [first = "", ...lines] = buffer.toString("latin1", 0, end).split("\r\n")
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const colon = line.indexOf(":")
    if (colon < 1) continue
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value
  }
  const bytes = end + endOfHead.length
  return { head: { first, headers, bytes }, rest: buffer.subarray(bytes) }
}

type Mode = "none" | "length" | "chunked" | "untilEnd"
type ChunkPart = "size" | "data" | "lineEnd" | "trailer"

/** Reads one body piece by piece. */
export class BodyReader {
  readonly mode: Mode
  size = 0
  readonly #onData: ((piece: Buffer) => void) | undefined
  readonly #pieces: Array<Buffer> = []
  #left = 0
  #part: ChunkPart = "size"
  #pending = noBytes

  constructor(headers: Headers, isResponse: boolean, onData?: (piece: Buffer) => void) {
    this.#onData = onData
    const length = headers["content-length"]
    if (headers["transfer-encoding"]?.toLowerCase().includes("chunked") === true) this.mode = "chunked"
    else if (length !== undefined) {
      this.#left = Number(length)
      this.mode = this.#left > 0 ? "length" : "none"
    } else this.mode = isResponse ? "untilEnd" : "none"
  }

  /** Takes bytes; the unused rest once the body is complete. */
  feed(buffer: Buffer): Buffer | undefined {
    if (this.mode === "none") return buffer
    if (this.mode === "chunked") return this.#feedChunks(buffer)
    if (this.mode === "untilEnd") {
      this.#push(buffer)
      return undefined
    }
    const taken = Math.min(buffer.length, this.#left)
    this.#push(buffer.subarray(0, taken))
    this.#left -= taken
    return this.#left === 0 ? buffer.subarray(taken) : undefined
  }

  text(): string {
    const [first] = this.#pieces
    if (first === undefined) return ""
    return this.#pieces.length === 1 ? first.toString() : Buffer.concat(this.#pieces).toString()
  }

  #push(piece: Buffer): void {
    if (piece.length === 0) return
    this.size += piece.length
    if (this.#onData === undefined) this.#pieces.push(piece)
    else this.#onData(piece)
  }

  #feedChunks(incoming: Buffer): Buffer | undefined {
    let buffer = this.#pending.length === 0 ? incoming : Buffer.concat([this.#pending, incoming])
    this.#pending = noBytes
    for (;;) {
      if (this.#part === "data") {
        const taken = Math.min(buffer.length, this.#left)
        this.#push(buffer.subarray(0, taken))
        this.#left -= taken
        buffer = buffer.subarray(taken)
        if (this.#left > 0) return undefined
        this.#part = "lineEnd"
      }
      const end = buffer.indexOf("\r\n")
      if (end < 0) {
        this.#pending = buffer
        return undefined
      }
      const line = buffer.toString("latin1", 0, end)
      buffer = buffer.subarray(end + 2)
      if (this.#part === "lineEnd") this.#part = "size"
      else if (this.#part === "trailer") {
        if (line === "") return buffer
      } else {
        this.#left = Number.parseInt(line, 16)
        if (!(this.#left >= 0)) throw new Error("A chunk has no size")
        this.#part = this.#left === 0 ? "trailer" : "data"
      }
    }
  }
}
