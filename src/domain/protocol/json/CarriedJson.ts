/**
 * Large arguments of a client's request as the client wrote them: `BodyScanner` has checked them, nothing has parsed
 * them, and the hub writes the same bytes into its own request to the server.
 *
 * They are the largest thing that a call has, so nobody holds the bytes but this one object, and it lets go of them as
 * soon as nobody needs them any more. Whoever asks for them after that has found a defect of the hub's.
 */
import type { JsonObject, JsonRpcRequest } from "../JsonRpc.ts"
import { RawJson } from "./RawJson.ts"

/** The member of `params` that may be carried. */
const field = "arguments"

export class CarriedJson {
  private raw: RawJson | undefined
  private readonly onRelease: () => void
  /** A call has them: that it ends lets go of them. */
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
    if (this.raw === undefined) throw new Error("Arguments were asked for after they had been let go of")
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

/** The arguments for whoever has to read them. */
export const argumentsIn = (params: JsonObject | undefined): unknown => carriedIn(params)?.value() ?? params?.[field]

/** A message around the arguments that it carries. It can be written as long as they are there. */
export class CarryingMessage {
  readonly carried: CarriedJson
  readonly byteLength: number
  private readonly head: Uint8Array
  private readonly tail: Uint8Array

  constructor(head: string, carried: CarriedJson, tail: string) {
    this.head = encoder.encode(head)
    this.carried = carried
    this.tail = encoder.encode(tail)
    this.byteLength = this.head.byteLength + carried.bytes.byteLength + this.tail.byteLength
  }

  pieces(): ReadonlyArray<Uint8Array> {
    return [this.head, ...this.carried.bytes.pieces, this.tail]
  }
}

const encoder = new TextEncoder()

/** A request to a server as it is written: mostly a text. */
export type OutgoingMessage = string | CarryingMessage

export const encodeRequest = (message: JsonRpcRequest): OutgoingMessage => {
  const { id, method, params } = message
  const carried = carriedIn(params)
  if (carried === undefined) return JSON.stringify(message)
  const { [field]: _, ...rest } = params!
  const others = JSON.stringify(rest).slice(1)
  const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)},"params":{"${field}":`
  return new CarryingMessage(head, carried, `${others === "}" ? "" : ","}${others}}`)
}
