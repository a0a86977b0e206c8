/**
 * Reads a large body of a client without holding up anybody else: its bytes are checked against the limits for clients a
 * step at a time, and only what stands around its largest part is parsed: around `params.arguments` of a `tools/call`,
 * around `result` or `error.data` of an answer. That part itself stays as it came (`CarriedJson`).
 *
 * What cannot be carried is parsed in one go, as small bodies are; so it may have no more members, values and escapes than
 * are parsed within some milliseconds. The verdict is that of `readBytes` otherwise, and the value the one that
 * `JSON.parse` gives: the last of several members of one name counts, however it is spelt.
 */
import { Buffer } from "node:buffer"
import { isJsonObject } from "../JsonObjects.ts"
import type { JsonObject } from "../JsonRpc.ts"
import { clientLimits, namesPrototype, notJson, type ReadJson, tooMany } from "./JsonLimits.ts"
import { type Extent, JsonScanner } from "./JsonScanner.ts"
import { parseJson } from "./JsonText.ts"
import { joined, type Pieces } from "./Pieces.ts"

/** Bytes from which on a part is carried: for less it is no use. */
const leastCarried = 16 * 1024

/** What may be parsed without a pause. */
const parsedLimits: Amount = { members: 25_000, values: 150_000, escapes: 500_000 }

/** The one method whose arguments the hub carries: nothing else brings large ones, and it is never sent twice. */
const carrying = "tools/call"

/** A part that may be carried, by its name and that of the member it is in. */
type Place = "params.arguments" | "error.data" | "result"

/** The object that holds the part in a message of the right kind. */
const holders: Readonly<Record<Place, (message: JsonObject) => unknown>> = {
  "params.arguments": ({ method, params }) => (method === carrying ? params : undefined),
  result: (message) => (isAnswer(message) ? message : undefined),
  "error.data": (message) => (isAnswer(message) ? message["error"] : undefined)
}
const isAnswer = ({ method = null }: JsonObject): boolean => method === null

/** Bytes that are scanned between two looks at the clock. */
const stepBytes = 32 * 1024

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

interface Amount {
  readonly members: number
  readonly values: number
  readonly escapes: number
}

/** A value at a place, and how much is in it. */
interface Found extends Extent, Amount {}

const nothing: Amount = { members: 0, values: 0, escapes: 0 }

const without = (all: Amount, part: Amount): Amount => ({
  members: all.members - part.members,
  values: all.values - part.values,
  escapes: all.escapes - part.escapes
})

export class BodyScanner extends JsonScanner {
  private readonly chunks: ReadonlyArray<Uint8Array>
  /** The chunk that is read, how far, and the offset in the message that comes next. */
  private chunk = 0
  private within: number
  private at: number
  /** The body without the mark that some put before UTF-8. */
  private readonly first: number
  /** The member of the message that is read, where something in it may be carried. */
  private around: "params" | "error" | undefined
  /** The place of the value that is read. */
  private place: Place | undefined
  /** What there was before it. */
  private before = nothing
  private readonly found: Partial<Record<Place, Found>> = {}

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

  /** The value once all has been scanned; `carry` makes what stands for the part out of its bytes. */
  end(carry: (pieces: ReadonlyArray<Uint8Array>) => unknown): ReadJson {
    if (this.problem !== undefined) return { ok: false, reason: this.problem }
    if (!this.isWhole) return { ok: false, reason: notJson }
    return (
      this.carried("params.arguments", carry) ??
      this.carried("result", carry) ??
      this.carried("error.data", carry) ??
      excessOf(this.amount) ?? {
        ok: true,
        value: parseJson(this.textOf({ from: this.first, to: this.pieces.byteLength }))
      }
    )
  }

  /** The value with what is at the place as it came. Undefined: there is nothing large, or it is no message for that. */
  private carried(place: Place, carry: (pieces: ReadonlyArray<Uint8Array>) => unknown): ReadJson | undefined {
    const found = this.found[place]
    if (found === undefined || found.to - found.from < leastCarried) return undefined
    const excess = excessOf(without(this.amount, found))
    if (excess !== undefined) return excess
    const { first, pieces } = this
    const around = `${this.textOf({ from: first, to: found.from })}0${this.textOf({ from: found.to, to: pieces.byteLength })}`
    const value = parseJson(around)
    const holder = isJsonObject(value) ? holders[place](value) : undefined
    if (!isJsonObject(holder)) return undefined
    ;(holder as Record<string, unknown>)[place.slice(place.indexOf(".") + 1)] = carry(this.slice(found))
    return { ok: true, value }
  }

  private get amount(): Amount {
    const { escapes, members, values } = this
    return { members, values, escapes }
  }

  protected override named(level: number, at: number): string | undefined {
    const name = this.nameTo(level, at)
    if (name === prototype) return namesPrototype
    if (level === 1) this.begins(name)
    else if (level === 2 && this.around !== undefined) this.place = placeIn(this.around, name)
    return undefined
  }

  /** A member of the message begins; the last of several of one name counts. */
  private begins(name: string | undefined): void {
    this.around = name === "params" || name === "error" ? name : undefined
    this.place = name === "result" ? "result" : undefined
    if (name === "params") delete this.found["params.arguments"]
    else if (name === "error") delete this.found["error.data"]
  }

  /** The name that ends here, if it may be one that is looked for. */
  private nameTo(level: number, at: number): string | undefined {
    const length = at - this.nameAt - 1
    if (this.isEscaped) return length > longestEscaped ? undefined : (JSON.parse(`"${this.nameText(at)}"`) as string)
    return lengths[Math.min(level, 3)]!.has(length) ? this.nameText(at) : undefined
  }

  protected override began(level: number): undefined {
    if (level === this.levelOfPlace()) this.before = this.amount
  }

  protected override ended(level: number, from: number, to: number): void {
    const { place } = this
    if (place === undefined || level !== this.levelOfPlace()) return
    this.place = undefined
    this.found[place] = { from, to, ...without(this.amount, this.before) }
  }

  private levelOfPlace(): number {
    return this.place === undefined ? -1 : this.place === "result" ? 1 : 2
  }
}

const placeIn = (member: "params" | "error", name: string | undefined): Place | undefined => {
  if (member === "params" && name === "arguments") return "params.arguments"
  return member === "error" && name === "data" ? "error.data" : undefined
}

/** Lengths of the names that are looked for, by level; the prototype's everywhere. */
const lengths: ReadonlyArray<ReadonlySet<number>> = [[], ["result", "error", "params"], ["arguments", "data"], []].map(
  (names) => new Set([...names, prototype].map(({ length }) => length))
)

const hasMark = (bytes: Uint8Array): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf

const excessOf = (parsed: Amount): ReadJson | undefined => {
  for (const what of ["members", "values", "escapes"] as const) {
    const limit = parsedLimits[what]
    if (parsed[what] > limit) return { ok: false, reason: `${tooMany(limit, what)} ${beside}` }
  }
  return undefined
}

/** Where there may be more. */
const beside = "beside the arguments of a tool or what an answer holds"
