/**
 * A large part of a client's message as the client wrote it: the arguments of a call, or what it answers to a server's
 * question. `BodyScanner` has checked it, nothing has parsed it, and the hub writes the same bytes into its own message to
 * the server.
 *
 * It is the largest thing that a message has, so nobody holds the bytes but this one object, and it lets go of them as
 * soon as nobody needs them any more. Whoever asks for them after that has found a defect of the hub's.
 */
import { isJsonObject } from "../JsonObjects.ts"
import { isFailure, type JsonObject, type JsonRpcMessage, type JsonRpcResponse } from "../JsonRpc.ts"
import { RawJson } from "./RawJson.ts"

/** The member of `params` that may be carried. */
const field = "arguments"
/** The member of `params` in which a stateless server gets what clients answer. */
const answers = "inputResponses"

export class CarriedJson {
  private raw: RawJson | undefined
  private readonly onRelease: () => void
  /** Somebody holds it beyond the POST that brought it, and lets go of it. */
  isTaken = false

  constructor(pieces: ReadonlyArray<Uint8Array>, onRelease: () => void) {
    this.raw = new RawJson(pieces)
    this.onRelease = onRelease
  }

  get isReleased(): boolean {
    return this.raw === undefined
  }

  /** The bytes in order, as received. */
  get bytes(): RawJson {
    if (this.raw === undefined) throw new Error("Carried JSON was asked for after it had been let go of")
    return this.raw
  }

  value(): unknown {
    return this.bytes.value()
  }

  /** Code that serialises it unawares gets the value it stands for. */
  toJSON(): unknown {
    return this.value()
  }

  release(): void {
    if (this.raw === undefined) return
    this.raw = undefined
    this.onRelease()
  }
}

/** What of a request's parameters is carried, if anything. */
export const carriedIn = (params: JsonObject | undefined): CarriedJson | undefined => {
  const value = params?.[field]
  return value instanceof CarriedJson ? value : undefined
}

/** What of an answer is carried, if anything. */
export const carriedInAnswer = (response: JsonRpcResponse): CarriedJson | undefined => {
  const value = isFailure(response) ? response.error.data : response.result
  return value instanceof CarriedJson ? value : undefined
}

/** The arguments for whoever has to read them. */
export const argumentsIn = (params: JsonObject | undefined): unknown => carriedIn(params)?.value() ?? params?.[field]

type Part = string | CarriedJson

/** A message around what it carries. It can be written as long as that is there. */
export class CarryingMessage {
  readonly byteLength: number
  private readonly parts: ReadonlyArray<Uint8Array | CarriedJson>

  constructor(parts: ReadonlyArray<Part>) {
    this.parts = parts.map((part) => (typeof part === "string" ? encoder.encode(part) : part))
    this.byteLength = this.parts.reduce(
      (length, part) => length + (part instanceof CarriedJson ? part.bytes : part).byteLength,
      0
    )
  }

  get isThere(): boolean {
    return this.parts.every((part) => !(part instanceof CarriedJson) || !part.isReleased)
  }

  pieces(): ReadonlyArray<Uint8Array> {
    return this.parts.flatMap((part) => (part instanceof CarriedJson ? part.bytes.pieces : [part]))
  }

  /** It has been written for the last time. */
  release(): void {
    for (const part of this.parts) if (part instanceof CarriedJson) part.release()
  }
}

const encoder = new TextEncoder()

/** A message to a server as it is written: mostly a text. */
export type OutgoingMessage = string | CarryingMessage

/** Levels of objects in which something may be carried: the message, its parameters or its error, and the answers in it. */
const carrying = 3

const partsOf = (value: unknown, levels: number): Array<Part> => {
  if (value instanceof CarriedJson) return [value]
  if (levels === 0 || !isJsonObject(value)) return [JSON.stringify(value)]
  const parts: Array<Part> = []
  for (const [name, inner] of Object.entries(value)) {
    if (inner === undefined) continue
    append(parts, `${parts.length === 0 ? "{" : ","}${JSON.stringify(name)}:`)
    for (const part of partsOf(inner, levels - 1)) append(parts, part)
  }
  append(parts, parts.length === 0 ? "{}" : "}")
  return parts
}

/** Texts beside each other become one. */
const append = (parts: Array<Part>, part: Part): void => {
  const last = parts.length - 1
  const before = parts[last]
  if (typeof before === "string" && typeof part === "string") parts[last] = before + part
  else parts.push(part)
}

const carries = (message: JsonRpcMessage): boolean => {
  if (!("method" in message)) return carriedInAnswer(message) !== undefined
  const { params } = message
  if (carriedIn(params) !== undefined) return true
  const given = params?.[answers]
  return isJsonObject(given) && Object.values(given).some((value) => value instanceof CarriedJson)
}

export const encodeMessage = (message: JsonRpcMessage): OutgoingMessage =>
  carries(message) ? new CarryingMessage(partsOf(message, carrying)) : JSON.stringify(message)
