/**
 * Finds the result of a JSON-RPC answer in its bytes without parsing them, chunk by chunk as they arrive, so that an
 * answer of any size costs each turn of the event loop no more than its chunk.
 *
 * The scanner understands an answer with exactly one `jsonrpc` "2.0", one `id` and one `result` at the top, and nothing
 * but null that would make it another kind of message. For everything else (errors, requests, notifications, batches, one of these
 * named twice, a name with an escape, more than 16 members, nesting deeper than 256, text that is no JSON) it gives up at
 * the byte that shows it, and the caller parses as usual.
 *
 * Source: JSON-RPC 2.0 §5.
 */
import { isId, type JsonRpcSuccess, success } from "../JsonRpc.ts"
import { type Extent, JsonScanner } from "./JsonScanner.ts"
import { Pieces } from "./Pieces.ts"
import { RawJson } from "./RawJson.ts"

/** Members at the top; each costs a look at the chunks. */
const maxMembers = 16

const limits = { depth: 256, members: Number.POSITIVE_INFINITY, values: Number.POSITIVE_INFINITY }

type Member = "jsonrpc" | "id" | "result" | Other

/** A member of another kind of message, which some libraries write as null: it counts as absent then. */
type Other = "error" | "method"
const isOther = (member: string | undefined): member is Other => member === "error" || member === "method"

/** The caller parses, and says what is wrong if anything is. */
const otherwise = "is no answer with a result"

/** Bytes from which on a message is scanned; below, parsing is faster and delays nobody. */
export const large = 64 * 1024

export class ResponseScanner extends JsonScanner {
  /** Scans the bytes so far; the caller then pushes further bytes to both. */
  static over(pieces: Pieces): ResponseScanner {
    const scanner = new ResponseScanner(pieces)
    let start = 0
    for (const piece of pieces.all()) {
      scanner.read(piece, start)
      start += piece.byteLength
    }
    return scanner
  }

  private member: Member | undefined
  private atTop = 0
  private readonly found: Partial<Record<Member, Extent>> = {}

  constructor(pieces = new Pieces()) {
    super(pieces, limits, 1)
  }

  /** Takes the next bytes of the message and keeps them. */
  push(chunk: Uint8Array): void {
    const start = this.pieces.byteLength
    this.pieces.push(chunk)
    this.read(chunk, start)
  }

  /** The answer once all of it has been pushed; undefined when the caller has to parse it. */
  end(): JsonRpcSuccess | undefined {
    const { id, jsonrpc, result } = this.found
    if (!this.isWhole || id === undefined || jsonrpc === undefined || result === undefined) return undefined
    if (this.textOf(jsonrpc) !== '"2.0"') return undefined
    const read: unknown = JSON.parse(this.textOf(id))
    return isId(read) ? success(read, new RawJson(this.slice(result))) : undefined
  }

  protected override began(level: number, byte: number): string | undefined {
    if (level === 0) return byte === 0x7b ? undefined : otherwise
    return isOther(this.member) && byte !== 0x6e ? otherwise : undefined
  }

  protected override ended(level: number, from: number, to: number): void {
    if (level === 1 && this.member !== undefined) this.found[this.member] = { from, to }
  }

  protected override named(level: number, at: number): string | undefined {
    if (level > 1) return undefined
    this.member = undefined
    // A name that is spelt with escapes may be any name.
    if (this.isEscaped || ++this.atTop > maxMembers) return otherwise
    const length = at - this.nameAt - 1
    if (length > "jsonrpc".length) return undefined
    const name = this.nameText(at)
    if (name !== "jsonrpc" && name !== "id" && name !== "result" && !isOther(name)) return undefined
    this.member = name
    return this.found[name] === undefined ? undefined : otherwise
  }
}
