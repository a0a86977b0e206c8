/**
 * One HTTP exchange as the MCP endpoint sees it, apart from any runtime; `NodeExchange` adapts `node:http`, on Node and Deno.
 * Callbacks and not effects, because this is the data path. Every callback runs inside the exchange's guard.
 */
import type { BodyRoom } from "../../actors/limits/BodyBytes.ts"
import type { Pieces } from "../../domain/protocol/json/Pieces.ts"
import type { JsonBody } from "../../domain/protocol/json/RawJson.ts"
import type { Guard } from "./Guard.ts"

/** A body in the pieces it came in. It counts for its user until the room is told that nobody holds it any more. */
export interface LargeBody {
  readonly pieces: Pieces
  readonly room: BodyRoom
}

/** A whole body, or why there is none. */
export type WireBody = Uint8Array | LargeBody | "too-large" | "too-many-pieces" | "too-slow" | "no-room" | "aborted"

export const isLarge = (body: WireBody): body is LargeBody => typeof body === "object" && "pieces" in body

/** Chunks a body may come in: each costs as much time as a thousand bytes of it, however little it is. */
export const maxBodyPieces = 100_000

export interface BodyLimits {
  readonly bytes: number
  /** How long it may be silent; on the whole it has as much, and a second more for each 64 KiB that have arrived. */
  readonly milliseconds: number
  /** Its user's room, asked for only where a body does not arrive in one piece. */
  readonly room: () => BodyRoom
}

/** What is known of a connection from one request to the next. */
export interface Peer {
  /** Nobody who has come by it has had a key that opens the hub. */
  isStranger: boolean
  /** The Host under which requests without an Origin were admitted (`Sites`). */
  admittedHost: string | undefined
  /**
   * The latest POST on it that is not answered yet. Kept here and not in a map of connections: V8 copies the table of a
   * map that entries come to and leave, an outlived table keeps what stood in it and the next table alive, and every
   * exchange would outlive the young generation.
   */
  posted: WireReply | undefined
}

export interface WireRequest {
  readonly method: string
  /** Below the base path, decoded no further than the URL parser does; no query. */
  readonly path: string
  readonly query: URLSearchParams
  /** By name in lower case; several of one name joined by a comma. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The same for a name in any case. */
  readonly header: (name: string) => string | undefined
  /** Whether a header that may stand once came with several values; `name` in lower case. Node keeps the first alone. */
  readonly disagrees: (name: string) => boolean
  /** Every value of such a header. */
  readonly values: (name: string) => ReadonlyArray<string>
  readonly peer: Peer
  /** The address of whoever holds the other end of the connection: the client, or a proxy before it. */
  readonly address: string
  /** Calls back once. */
  readonly body: (limits: BodyLimits, done: (body: WireBody) => void) => void
}

export type WireHeaders = Readonly<Record<string, string>>

/** A large message, in pieces that are made as they leave. */
export interface WirePieces extends Iterable<Uint8Array> {
  readonly byteLength: number
}

export interface WireStream {
  /** Pieces leave as the client reads them. False: the client is gone, or reads so slowly that the stream was closed. */
  readonly write: (body: string | WirePieces) => boolean
  readonly end: () => void
}

/** Counts bytes that wait to leave, until the result is called. */
export type Charge = (bytes: number) => () => void

export interface WireReply {
  readonly guard: Guard
  /** The key of the request opens the hub: whoever holds its connection is no stranger. */
  readonly recognized: () => void
  /** Every answer from here on gets these headers, too. */
  readonly always: (headers: WireHeaders) => void
  /** The client has gone before the answer was complete, or the guard has ended it. */
  readonly isGone: () => boolean
  /** From here on large messages are counted until they have left, or cannot any more: once it is known whose they are. */
  readonly charge: (charge: Charge) => void
  readonly send: (status: number, body: JsonBody | undefined, headers?: WireHeaders) => void
  readonly stream: (headers?: WireHeaders) => WireStream
  /** The exchange is over: the answer has left, or the client has gone. Calls back at once if it is over already. */
  readonly onEnd: (run: () => void) => void
  /** The same where it `isGone`. */
  readonly onAbort: (run: () => void) => void
}

export const jsonType: WireHeaders = { "content-type": "application/json" }

/** Bytes a client may leave unread before its stream is closed. */
export const maxUnreadBytes = 4 * 1024 * 1024
