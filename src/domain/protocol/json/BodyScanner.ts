/**
 * Reads a large body of a client without holding up anybody else: its bytes are checked against the limits for clients a
 * step at a time, and of a `tools/call` only what stands around `params.arguments` is parsed. The arguments themselves
 * stay as they came (`CarriedJson`).
 *
 * What cannot be carried is parsed in one go, as small bodies are; so it may have no more members and values than are
 * parsed within some milliseconds. The verdict is that of `readBytes` otherwise, and the value the one that `JSON.parse`
 * gives: the last of several members of one name counts, however it is spelt.
 */
import { Buffer } from "node:buffer"
import { isJsonObject } from "../JsonObjects.ts"
import { clientLimits, namesPrototype, notJson, type ReadJson, tooMany } from "./JsonLimits.ts"
import { type Extent, JsonScanner } from "./JsonScanner.ts"
import { parseJson } from "./JsonText.ts"
import { joined, type Pieces } from "./Pieces.ts"

/** Bytes of arguments from which on they are carried: for less it is no use. */
const leastCarried = 16 * 1024

/** What may be parsed without a pause. */
const parsedLimits = { members: 25_000, values: 150_000 }

/** The one method whose arguments the hub carries: nothing else brings large ones, and it is never sent twice. */
const carrying = "tools/call"

/** Bytes that are scanned between two looks at the clock. */
const stepBytes = 32 * 1024

const params = "params"
const carriedName = "arguments"
const prototype = "__proto__"
/** Letters of the longest name that is looked for, each spelt as an escape. */
const longestEscaped = 6 * prototype.length

/** The first member that tells a request from an answer. */
const telling = /"(result|error|method|params)"\s*:/

/** By its first bytes a body may be an answer of the client's. */
export const looksLikeAnswer = (bytes: Uint8Array): boolean => {
  const begin = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 512)).toString("latin1")
  const first = /^\s*\{/.test(begin) ? telling.exec(begin)?.[1] : undefined
  return first === "result" || first === "error"
}

/** A value at a watched place, and how much is in it. */
interface Found extends Extent {
  readonly members: number
  readonly values: number
}

export class BodyScanner extends JsonScanner {
  private readonly chunks: ReadonlyArray<Uint8Array>
  /** The chunk that is read, how far, and the offset in the message that comes next. */
  private chunk = 0
  private within: number
  private at: number
  /** The body without the mark that some put before UTF-8. */
  private readonly first: number
  private isInParams = false
  private isCarried = false
  /** Members and values before the arguments. */
  private before = { members: 0, values: 0 }
  private found: Found | undefined

  constructor(pieces: Pieces) {
    super(pieces, clientLimits, 2)
    this.chunks = pieces.all()
    this.first = hasMark(joined(this.slice({ from: 0, to: 3 }), 3)) ? 3 : 0
    this.within = this.at = this.first
  }

  /** Scans the next bytes for as long as `goesOn`; whether there are no more. */
  step(goesOn: () => boolean): boolean {
    do {
      const chunk = this.chunks[this.chunk]
      if (chunk === undefined || this.hasGivenUp) return true
      const part = chunk.subarray(this.within, this.within + stepBytes)
      this.read(part, this.at)
      this.at += part.byteLength
      this.within += part.byteLength
      if (this.within >= chunk.byteLength) {
        this.within -= chunk.byteLength
        this.chunk++
      }
    } while (goesOn())
    return false
  }

  /** Members that have been found, for what the body costs. */
  get weight(): number {
    return this.members
  }

  /** The value once all has been scanned; `carry` makes what stands for the arguments out of their bytes. */
  end(carry: (pieces: ReadonlyArray<Uint8Array>) => unknown): ReadJson {
    if (this.problem !== undefined) return { ok: false, reason: this.problem }
    if (!this.isWhole) return { ok: false, reason: notJson }
    const { first, found } = this
    const end = this.pieces.byteLength
    if (found !== undefined && found.to - found.from >= leastCarried) {
      const excess = excessOf(this.members - found.members, this.values - found.values)
      if (excess !== undefined) return excess
      const around = `${this.textOf({ from: first, to: found.from })}0${this.textOf({ from: found.to, to: end })}`
      const value = parseJson(around)
      if (isJsonObject(value) && value["method"] === carrying && isJsonObject(value[params])) {
        const holder = value[params] as { [carriedName]: unknown }
        holder[carriedName] = carry(this.slice(found))
        return { ok: true, value }
      }
    }
    return excessOf(this.members, this.values) ?? { ok: true, value: parseJson(this.textOf({ from: first, to: end })) }
  }

  protected override named(level: number, at: number): string | undefined {
    const name = this.nameTo(level, at)
    if (name === prototype) return namesPrototype
    if (level === 1) {
      this.isInParams = name === params
      // The last of several counts.
      if (this.isInParams) this.found = undefined
    } else if (level === 2) this.isCarried = this.isInParams && name === carriedName
    return undefined
  }

  /** The name that ends here, if it may be one that is looked for. */
  private nameTo(level: number, at: number): string | undefined {
    const length = at - this.nameAt - 1
    if (this.isEscaped) return length > longestEscaped ? undefined : (JSON.parse(`"${this.nameText(at)}"`) as string)
    const isLong = length === prototype.length || length === carriedName.length
    return isLong || (level === 1 && length === params.length) ? this.nameText(at) : undefined
  }

  protected override began(level: number): undefined {
    if (level === 2 && this.isCarried) this.before = { members: this.members, values: this.values }
  }

  protected override ended(level: number, from: number, to: number): void {
    if (level !== 2 || !this.isCarried) return
    this.isCarried = false
    const { members, values } = this.before
    this.found = { from, to, members: this.members - members, values: this.values - values }
  }
}

const hasMark = (bytes: Uint8Array): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf

const excessOf = (members: number, values: number): ReadJson | undefined => {
  if (members > parsedLimits.members) return refused(tooMany(parsedLimits.members, "members"))
  return values > parsedLimits.values ? refused(tooMany(parsedLimits.values, "values")) : undefined
}

const refused = (excess: string): ReadJson => ({
  ok: false,
  reason: `${excess} beside the arguments of a tool`
})
