/**
 * Finds the result of a JSON-RPC answer in its bytes without parsing them, chunk by chunk as they arrive, so that an
 * answer of any size costs each turn of the event loop no more than its chunk.
 *
 * The scanner checks every byte against the grammar of JSON and of UTF-8, strings and numbers included: it accepts only
 * what `JSON.parse` would accept. It understands an answer with exactly one `jsonrpc` "2.0", one `id` and one `result`
 * at the top, and nothing but null that would make it another kind of message. For everything else (errors, requests,
 * notifications, batches, one of these named twice, a name with an escape, more than 16 members, nesting deeper than
 * 256, text that is no JSON) it gives up at the byte that shows it, and the caller parses as usual.
 *
 * Source: RFC 8259; RFC 3629 §4 (well-formed UTF-8); JSON-RPC 2.0 §5.
 */
import { isUtf8 } from "node:buffer"
import { isId, type JsonRpcSuccess, success } from "../JsonRpc.ts"
import { joined, Pieces } from "./Pieces.ts"
import { RawJson } from "./RawJson.ts"

const maxDepth = 256
/** Members at the top; each costs a look at the chunks. */
const maxMembers = 16

const value = 0
const firstItem = 1
const firstKey = 2
const key = 3
const colon = 4
const after = 5
const text = 6
const escape = 7
const hex = 8
const word = 9
const minus = 10
const zero = 11
const integer = 12
const point = 13
const fraction = 14
const exponent = 15
const exponentSign = 16
const exponentDigits = 17
const lost = 18

const table = (has: (byte: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => (has(byte) ? 1 : 0))
/** Bytes a string may hold as they are; the UTF-8 check has already passed those beyond ASCII. */
const plain = table((byte) => byte >= 0x20 && byte !== 0x22 && byte !== 0x5c)
const escapable = table((byte) => '"\\/bfnrt'.includes(String.fromCharCode(byte)))
const words = new Map(["true", "false", "null"].map((spelling) => [spelling.charCodeAt(0), spelling]))

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39
const isHex = (byte: number): boolean => isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)
const isBlank = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** The number of bytes at the end that begin a character without ending it. */
const cutOff = (bytes: Uint8Array): number => {
  for (let back = 1; back <= 3; back++) {
    const byte = bytes[bytes.byteLength - back]
    if (byte === undefined || byte < 0x80) return 0
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0
  }
  return 0
}

type Member = "jsonrpc" | "id" | "result" | Other

/** A member of another kind of message, which some libraries write as null: it counts as absent then. */
type Other = "error" | "method"
const isOther = (member: string | undefined): member is Other => member === "error" || member === "method"

interface Extent {
  readonly from: number
  readonly to: number
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

/** Bytes from which on a message is scanned; below, parsing is faster and delays nobody. */
export const large = 64 * 1024

export class ResponseScanner {
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

  private readonly pieces: Pieces
  private state = value
  /** The open containers: true for an object. */
  private readonly open: Array<boolean> = []
  private inKey = false
  /** Digits of a `\u` still to come, or letters of a word already seen. */
  private count = 0
  /** The beginning of a character that the last chunk cut. */
  private cut: Uint8Array = new Uint8Array()
  private spelling = ""
  /** The offset at which the name or value of the top-level member began. */
  private from = 0
  private member: Member | undefined
  private members = 0
  private readonly found: Partial<Record<Member, Extent>> = {}

  constructor(pieces = new Pieces()) {
    this.pieces = pieces
  }

  /** Takes the next bytes of the message and keeps them. */
  push(chunk: Uint8Array): void {
    const start = this.pieces.byteLength
    this.pieces.push(chunk)
    this.read(chunk, start)
  }

  private read(chunk: Uint8Array, start: number): void {
    if (this.state === lost) return
    if (this.isText(chunk)) this.scan(chunk, start)
    else this.state = lost
  }

  /** The answer once all of it has been pushed; undefined when the caller has to parse it. */
  end(): JsonRpcSuccess | undefined {
    const { id, jsonrpc, result } = this.found
    if (this.state !== after || this.open.length > 0 || this.cut.byteLength > 0) return undefined
    if (id === undefined || jsonrpc === undefined || result === undefined) return undefined
    if (this.textOf(jsonrpc) !== '"2.0"') return undefined
    const read: unknown = JSON.parse(this.textOf(id))
    return isId(read) ? success(read, new RawJson(this.slice(result))) : undefined
  }

  /** Whether the chunk is UTF-8, except for a character cut at its end. */
  private isText(chunk: Uint8Array): boolean {
    const { cut } = this
    const bytes = cut.byteLength === 0 ? chunk : joined([cut, chunk], cut.byteLength + chunk.byteLength)
    const whole = bytes.byteLength - cutOff(bytes)
    this.cut = bytes.slice(whole)
    return isUtf8(bytes.subarray(0, whole))
  }

  private scan(chunk: Uint8Array, start: number): void {
    const length = chunk.byteLength
    for (let at = 0; at < length; at++) {
      if (this.state === text) {
        for (;;) {
          while (at < length && plain[chunk[at]!] === 1) at++
          if (this.inKey || chunk[at] !== 0x5c || at + 1 >= length || escapable[chunk[at + 1]!] === 0) break
          at += 2
        }
        if (at >= length) return
      }
      this.state = this.next(chunk[at]!, start + at)
      if (this.state === lost) return
    }
  }

  private next(byte: number, at: number): number {
    switch (this.state) {
      case text:
        return this.inText(byte, at)
      case after:
        return this.behind(byte, at)
      case firstItem:
        if (byte === 0x5d) return this.close(false, at)
        if (isBlank(byte)) return firstItem
        return this.begin(byte, at)
      case value:
        return isBlank(byte) ? value : this.begin(byte, at)
      case firstKey:
        if (byte === 0x7d) return this.close(true, at)
        return isBlank(byte) ? firstKey : this.name(byte, at)
      case key:
        return isBlank(byte) ? key : this.name(byte, at)
      case colon:
        return byte === 0x3a ? value : isBlank(byte) ? colon : lost
      case escape:
        // A name at the top that is spelt with escapes may be any name.
        if (this.inKey && this.open.length === 1) return lost
        this.count = 4
        return byte === 0x75 ? hex : escapable[byte] === 1 ? text : lost
      case hex:
        return isHex(byte) ? (--this.count === 0 ? text : hex) : lost
      case word:
        if (byte !== this.spelling.charCodeAt(this.count)) return lost
        return ++this.count === this.spelling.length ? this.ended(at + 1) : word
      default:
        return this.inNumber(byte, at)
    }
  }

  private begin(byte: number, at: number): number {
    if (this.open.length === 1) {
      this.from = at
      if (isOther(this.member) && byte !== 0x6e) return lost
    }
    if (byte === 0x7b) return this.enter(true)
    if (this.open.length === 0) return lost
    if (byte === 0x22) {
      this.inKey = false
      return text
    }
    if (byte === 0x5b) return this.enter(false)
    if (byte === 0x2d) return minus
    if (byte === 0x30) return zero
    if (isDigit(byte)) return integer
    this.spelling = words.get(byte) ?? ""
    this.count = 1
    return this.spelling === "" ? lost : word
  }

  private enter(object: boolean): number {
    return this.open.push(object) > maxDepth ? lost : object ? firstKey : firstItem
  }

  private close(object: boolean, at: number): number {
    return this.open.pop() === object ? this.ended(at + 1) : lost
  }

  /** A value has ended. */
  private ended(to: number): number {
    if (this.open.length === 1 && this.member !== undefined) this.found[this.member] = { from: this.from, to }
    return after
  }

  private behind(byte: number, at: number): number {
    if (isBlank(byte)) return after
    const object = this.open.at(-1)
    if (object === undefined) return lost
    if (byte === 0x2c) return object ? key : value
    return byte === (object ? 0x7d : 0x5d) ? this.close(object, at) : lost
  }

  private name(byte: number, at: number): number {
    if (byte !== 0x22) return lost
    this.inKey = true
    if (this.open.length === 1) this.from = at
    return text
  }

  private inText(byte: number, at: number): number {
    if (byte === 0x22) return this.inKey ? this.named(at) : this.ended(at + 1)
    return byte === 0x5c ? escape : lost
  }

  private named(at: number): number {
    if (this.open.length > 1) return colon
    this.member = undefined
    if (++this.members > maxMembers) return lost
    const length = at - this.from - 1
    if (length > "jsonrpc".length) return colon
    const name = this.textOf({ from: this.from + 1, to: at })
    if (name !== "jsonrpc" && name !== "id" && name !== "result" && !isOther(name)) return colon
    this.member = name
    return this.found[name] === undefined ? colon : lost
  }

  private inNumber(byte: number, at: number): number {
    const digit = isDigit(byte)
    const isExponent = (byte | 0x20) === 0x65
    switch (this.state) {
      case minus:
        return byte === 0x30 ? zero : digit ? integer : lost
      case point:
        return digit ? fraction : lost
      case exponent:
        return digit ? exponentDigits : byte === 0x2b || byte === 0x2d ? exponentSign : lost
      case exponentSign:
        return digit ? exponentDigits : lost
      case zero:
      case integer:
        if (digit && this.state === integer) return integer
        if (byte === 0x2e) return point
        if (isExponent) return exponent
        break
      case fraction:
        if (digit) return fraction
        if (isExponent) return exponent
        break
      case exponentDigits:
        if (digit) return exponentDigits
    }
    // A number ends at the first byte that does not belong to it.
    this.ended(at)
    return this.behind(byte, at)
  }

  private textOf(extent: Extent): string {
    return utf8.decode(joined(this.slice(extent), extent.to - extent.from))
  }

  private slice({ from, to }: Extent): Array<Uint8Array> {
    const pieces: Array<Uint8Array> = []
    let start = 0
    for (const chunk of this.pieces.all()) {
      const end = start + chunk.byteLength
      if (end > from && start < to) pieces.push(chunk.subarray(Math.max(from - start, 0), Math.min(to, end) - start))
      start = end
    }
    return pieces
  }
}
