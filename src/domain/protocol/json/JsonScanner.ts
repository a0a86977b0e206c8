/**
 * The grammars of JSON and of UTF-8, checked byte by byte as the bytes arrive. The scanner accepts only what `JSON.parse`
 * would accept, strings and numbers included, and decodes and builds nothing, so a message of any size costs a turn of
 * the event loop no more than the bytes that are scanned in it. It gives up at the byte that is wrong or beyond a limit.
 *
 * Subclasses say what they look for: they hear of each name, and of each value down to the level they watch.
 *
 * Source: RFC 8259; RFC 3629 §4 (well-formed UTF-8).
 */
import { isUtf8 } from "node:buffer"
import { type JsonLimits, notJson, notUtf8, tooDeep, tooMany } from "./JsonLimits.ts"
import { joined, type Pieces } from "./Pieces.ts"

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

/** A value may end with the message in these; a number shows its end by nothing else. */
const ends = new Set([after, zero, integer, fraction, exponentDigits])

/** Offsets in the message. */
export interface Extent {
  readonly from: number
  readonly to: number
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

export abstract class JsonScanner {
  protected readonly pieces: Pieces
  /** Why the scanner gave up; it follows a subject, as in `ReadJson`. */
  protected problem: string | undefined
  /** Members of objects, and the objects and arrays themselves. */
  protected members = 0
  /** The offset at which the last name began. */
  protected nameAt = 0
  /** The last name is spelt with escapes. */
  protected isEscaped = false
  private readonly limits: JsonLimits
  /** The level down to which values are told of: 0 is the whole, 1 its members. */
  private readonly watched: number
  /** The offsets at which the values at the watched levels began. */
  private readonly starts: Array<number> = [0]
  private state = value
  /** The open containers: true for an object. */
  private readonly open: Array<boolean> = []
  private inKey = false
  /** Escapes in texts and names. */
  protected escapes = 0
  /** Commas. */
  protected values = 0
  /** Digits of a `\u` still to come, or letters of a word already seen. */
  private count = 0
  /** The beginning of a character that the last chunk cut. */
  private cut: Uint8Array = new Uint8Array()
  private spelling = ""
  /** The chunk that is read, and its offset. */
  private current: Uint8Array = this.cut
  private currentAt = 0

  constructor(pieces: Pieces, limits: JsonLimits, watched: number) {
    this.pieces = pieces
    this.limits = limits
    this.watched = watched
  }

  /** A name has ended at the quotation mark at this offset. A reason: the scanner gives up. */
  protected abstract named(level: number, at: number): string | undefined
  /** A value at a watched level begins with this byte; level 0 is the whole. A reason: the scanner gives up. */
  protected abstract began(level: number, byte: number): string | undefined
  /** A value at a watched level has ended. */
  protected abstract ended(level: number, from: number, to: number): void

  protected get hasGivenUp(): boolean {
    return this.state === lost
  }

  /** All that has been read is one value. */
  protected get isWhole(): boolean {
    return ends.has(this.state) && this.open.length === 0 && this.cut.byteLength === 0
  }

  /** Reads the next bytes, which begin at this offset. */
  protected read(chunk: Uint8Array, start: number): void {
    if (this.state === lost) return
    this.current = chunk
    this.currentAt = start
    if (this.isText(chunk)) this.scan(chunk, start)
    else this.giveUp(notUtf8)
  }

  protected textOf(extent: Extent): string {
    return utf8.decode(joined(this.slice(extent), extent.to - extent.from))
  }

  protected slice({ from, to }: Extent): Array<Uint8Array> {
    const pieces: Array<Uint8Array> = []
    let start = 0
    for (const chunk of this.pieces.all()) {
      const end = start + chunk.byteLength
      if (end > from && start < to) pieces.push(chunk.subarray(Math.max(from - start, 0), Math.min(to, end) - start))
      start = end
    }
    return pieces
  }

  /** The name that ends at this offset, as it is spelt. */
  protected nameText(at: number): string {
    const { current, currentAt, nameAt } = this
    if (nameAt < currentAt) return this.textOf({ from: nameAt + 1, to: at })
    return utf8.decode(current.subarray(nameAt + 1 - currentAt, at - currentAt))
  }

  private giveUp(problem: string): number {
    this.problem ??= problem
    this.state = lost
    return lost
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
          this.escapes++
          at += 2
        }
        if (at >= length) return
      }
      this.state = this.next(chunk[at]!, start + at)
      if (this.state === lost) return void (this.problem ??= notJson)
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
        this.count = 4
        return byte === 0x75 ? hex : escapable[byte] === 1 ? text : lost
      case hex:
        return isHex(byte) ? (--this.count === 0 ? text : hex) : lost
      case word:
        if (byte !== this.spelling.charCodeAt(this.count)) return lost
        return ++this.count === this.spelling.length ? this.finish(at + 1) : word
      default:
        return this.inNumber(byte, at)
    }
  }

  private begin(byte: number, at: number): number {
    const level = this.open.length
    if (level <= this.watched) {
      this.starts[level] = at
      const problem = this.began(level, byte)
      if (problem !== undefined) return this.giveUp(problem)
    }
    if (byte === 0x22) {
      this.inKey = false
      return text
    }
    if (byte === 0x7b) return this.enter(true)
    if (byte === 0x5b) return this.enter(false)
    if (byte === 0x2d) return minus
    if (byte === 0x30) return zero
    if (isDigit(byte)) return integer
    this.spelling = words.get(byte) ?? ""
    this.count = 1
    return this.spelling === "" ? lost : word
  }

  private enter(object: boolean): number {
    const { depth, members } = this.limits
    if (this.open.push(object) > depth) return this.giveUp(tooDeep(depth))
    if (++this.members > members) return this.giveUp(tooMany(members, "members"))
    return object ? firstKey : firstItem
  }

  private close(object: boolean, at: number): number {
    return this.open.pop() === object ? this.finish(at + 1) : lost
  }

  /** A value has ended. */
  private finish(to: number): number {
    const level = this.open.length
    if (level <= this.watched) this.ended(level, this.starts[level]!, to)
    return after
  }

  private behind(byte: number, at: number): number {
    if (isBlank(byte)) return after
    const object = this.open.at(-1)
    if (object === undefined) return lost
    if (byte === 0x2c) {
      if (++this.values > this.limits.values) return this.giveUp(tooMany(this.limits.values, "values"))
      return object ? key : value
    }
    return byte === (object ? 0x7d : 0x5d) ? this.close(object, at) : lost
  }

  private name(byte: number, at: number): number {
    if (byte !== 0x22) return lost
    this.inKey = true
    this.isEscaped = false
    this.nameAt = at
    return text
  }

  private inText(byte: number, at: number): number {
    if (byte === 0x5c) {
      this.escapes++
      this.isEscaped = true
      return escape
    }
    if (byte !== 0x22) return lost
    if (!this.inKey) return this.finish(at + 1)
    if (++this.members > this.limits.members) return this.giveUp(tooMany(this.limits.members, "members"))
    const problem = this.named(this.open.length, at)
    return problem === undefined ? colon : this.giveUp(problem)
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
    this.finish(at)
    return this.behind(byte, at)
  }
}
