/**
 * The result of an answer as the server wrote it, for results that the hub carries without reading them: neither parsed
 * nor serialised again, so a large one delays nobody.
 *
 * `ResponseScanner` has checked that it is one JSON value in UTF-8, so it can stand inside an answer of the hub's own.
 * The hub checked nothing else: members named twice, numbers no double can hold and escapes arrive at the client as
 * they are.
 */
import type { JsonRpcMessage, JsonRpcSuccess } from "../JsonRpc.ts"
import { joined } from "./Pieces.ts"
import { parseJson } from "./JsonText.ts"

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

export class RawJson {
  /** The bytes in order, as received. */
  readonly pieces: ReadonlyArray<Uint8Array>
  readonly byteLength: number

  constructor(pieces: ReadonlyArray<Uint8Array>) {
    this.pieces = pieces
    this.byteLength = lengthOf(pieces)
  }

  text(): string {
    return utf8.decode(this.pieces.length === 1 ? this.pieces[0] : joined(this.pieces, this.byteLength))
  }

  value(): unknown {
    return parseJson(this.text())
  }

  /** Code that serialises it unawares gets the value it stands for. */
  toJSON(): unknown {
    return this.value()
  }
}

/** JSON text, whole or in pieces of UTF-8. */
export type JsonBody = string | ReadonlyArray<Uint8Array>

const isRaw = (message: JsonRpcMessage): message is JsonRpcSuccess & { readonly result: RawJson } =>
  "result" in message && message.result instanceof RawJson

const hasLineEnd = (bytes: Uint8Array): boolean => bytes.includes(0x0a) || bytes.includes(0x0d)

/**
 * A piece of JSON without line ends, as an event stream needs it. JSON allows them only between tokens, where they mean
 * no more than a space.
 */
export const onOneLine = (piece: Uint8Array): Uint8Array => {
  if (!hasLineEnd(piece)) return piece
  const line = piece.slice()
  for (let at = 0; at < line.byteLength; at++) if (line[at] === 0x0a || line[at] === 0x0d) line[at] = 0x20
  return line
}

const opening = ({ id }: JsonRpcSuccess): string => `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":`

/** The message as one text, for transports that cannot take pieces. */
export const encode = (message: JsonRpcMessage): string =>
  isRaw(message) ? `${opening(message)}${message.result.text()}}` : JSON.stringify(message)

/** The message as a body of its own; an unread result stays in the pieces it came in. */
export const encodeBody = (message: JsonRpcMessage): JsonBody =>
  isRaw(message)
    ? [encoder.encode(opening(message)), ...message.result.pieces, encoder.encode("}")]
    : JSON.stringify(message)

/** Several messages as one array. */
export const encodeBatch = (messages: ReadonlyArray<JsonRpcMessage>): JsonBody => {
  if (!messages.some(isRaw)) return JSON.stringify(messages)
  const bytes = (text: string): ReadonlyArray<Uint8Array> => [encoder.encode(text)]
  const pieces = messages.flatMap((message, index) => {
    const body = encodeBody(message)
    return [...bytes(index === 0 ? "[" : ","), ...(typeof body === "string" ? bytes(body) : body)]
  })
  return [...pieces, ...bytes("]")]
}

export const sizeOf = (body: JsonBody): number => (typeof body === "string" ? Buffer.byteLength(body) : lengthOf(body))

const lengthOf = (pieces: ReadonlyArray<Uint8Array>): number => {
  let length = 0
  for (const piece of pieces) length += piece.byteLength
  return length
}
