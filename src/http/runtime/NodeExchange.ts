/**
 * One exchange of `node:http` as a `Wire`, the same under Node and Deno. What of a body is refused is thrown away, so that
 * nobody can make the hub hold more than the limit.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { type JsonBody, sizeOf } from "../../domain/protocol/json/RawJson.ts"
import { large } from "../../domain/protocol/json/ResponseScanner.ts"
import { type Fork, Guard } from "../wire/Guard.ts"
import { broken } from "../wire/Refusals.ts"
import {
  type BodyLimits,
  type Charge,
  maxUnreadBytes,
  type Peer,
  type WireBody,
  type WireHeaders,
  type WireReply,
  type WireRequest,
  type WireStream
} from "../wire/Wire.ts"
import { NodeBody } from "./NodeBody.ts"
import { type Leaving, nodeStream, unreadMs, writeAll } from "./NodeStream.ts"
import { discardRest, hasRest } from "./UnreadBody.ts"
import { nothing, UnsentBytes } from "./UnsentBytes.ts"

/** The milliseconds for which, and the bytes up to which, a body beyond all bounds is taken in behind the answer. */
const lingerMs = 100
const lingerBytes = 256 * 1024

const isNamed = (header: string, name: string): boolean =>
  header.length === name.length && header.toLowerCase() === name

const emptyQuery = new URLSearchParams()

/** The connections of the listener, as far as an exchange tells of its own. */
export interface Connections {
  /** A key was recognized on it. */
  readonly known: (socket: Socket) => void
  readonly ended: (exchange: NodeExchange) => void
}

/** One request and its answer. */
export class NodeExchange implements WireRequest, WireReply {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly guard: Guard
  readonly method: string
  path = ""
  query = emptyQuery
  readonly headers: WireRequest["headers"]
  readonly peer: Peer
  private readonly leaving: Leaving | undefined
  private readonly sockets: Connections | undefined
  private extra: WireHeaders | undefined
  private charged: Charge | undefined
  private unsent: UnsentBytes | undefined
  private taking: NodeBody | undefined
  private ends: Array<() => void> | undefined
  private aborts: Array<() => void> | undefined
  private isWatching = false
  private isAnswered = false

  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    fork: Fork,
    leaving?: Leaving,
    sockets?: Connections,
    peer: Peer = { isStranger: false, admittedHost: undefined, posted: undefined }
  ) {
    this.incoming = incoming
    this.outgoing = outgoing
    this.leaving = leaving
    this.sockets = sockets
    this.method = incoming.method ?? "GET"
    // The only one that comes as a list is Set-Cookie, which no client sends.
    this.headers = incoming.headers as WireRequest["headers"]
    this.peer = peer
    this.guard = new Guard(fork, this)
    this.guard.subject.method = this.method
    if (sockets !== undefined) this.watchEnd()
  }

  get header(): WireRequest["header"] {
    const { headers } = this
    return (name) => headers[name.toLowerCase()]
  }

  recognized(): void {
    this.sockets?.known(this.incoming.socket)
  }

  /** The address below the base path. */
  at(path: string, query: string): void {
    this.path = path
    if (query !== "") this.query = new URLSearchParams(query)
  }

  get address(): string {
    return this.incoming.socket.remoteAddress ?? ""
  }

  disagrees(name: string): boolean {
    const { rawHeaders } = this.incoming
    let first: string | undefined
    for (let at = 0; at < rawHeaders.length; at += 2) {
      if (!isNamed(rawHeaders[at]!, name)) continue
      const value = rawHeaders[at + 1]!
      if (first !== undefined && value !== first) return true
      first = value
    }
    return false
  }

  values(name: string): ReadonlyArray<string> {
    return this.incoming.rawHeaders.filter((_, at, all) => at % 2 === 1 && isNamed(all[at - 1]!, name))
  }

  body(limits: BodyLimits, done: (body: WireBody) => void): void {
    const body = new NodeBody(this.incoming, this.guard, limits, done)
    this.taking = body
    body.take()
    if (!this.isWatching) this.watchEnd()
    if (this.isGone()) this.guard.run(() => body.abort())
  }

  always(headers: WireHeaders): void {
    this.extra = { ...this.extra, ...headers }
  }

  charge(charge: Charge): void {
    this.charged = charge
  }

  send(status: number, body: JsonBody | undefined, headers?: WireHeaders): void {
    const { guard, incoming, outgoing } = this
    if (this.isAnswered || outgoing.headersSent || outgoing.destroyed) return
    this.isAnswered = true
    // What has failed is called back by nobody.
    if (guard.hasFailed || incoming.complete || !hasRest(incoming)) return this.answer(status, body, headers)
    discardRest(incoming, guard, () => this.answer(status, body, headers))
  }

  private answer(status: number, body: JsonBody | undefined, headers: WireHeaders | undefined): void {
    const { incoming, leaving, outgoing } = this
    if (outgoing.headersSent || outgoing.destroyed) return
    const length = body === undefined ? 0 : sizeOf(body)
    const unread = !incoming.complete && hasRest(incoming)
    const all: Record<string, string | number> = { ...headers, ...this.extra }
    if (status !== 204) all["content-length"] = length
    if (unread) all["connection"] = "close"
    outgoing.writeHead(status, all)
    if (length >= large) this.count(length)
    if (body === undefined || typeof body === "string") outgoing.end(body)
    else writeAll(outgoing, this.guard, body.values(), () => outgoing.end())
    if (leaving !== undefined && outgoing.writableLength > 0) {
      leaving.add(outgoing)
      this.onEnd(() => leaving.delete(outgoing))
    }
    // A large answer that nobody reads would be held for ever.
    const isLarge = outgoing.writableLength > maxUnreadBytes || (body !== undefined && typeof body !== "string")
    if (isLarge) {
      outgoing.setTimeout(unreadMs)
      this.guard.on(outgoing, "timeout", () => outgoing.destroy())
    }
    if (unread) this.linger()
  }

  stream(headers?: WireHeaders): WireStream {
    const { guard, leaving, outgoing } = this
    outgoing.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      ...headers,
      ...this.extra
    })
    outgoing.flushHeaders()
    const count = (bytes: number): (() => void) => this.count(bytes)
    return nodeStream({ outgoing, guard, count, leaving })
  }

  isGone(): boolean {
    return this.guard.hasFailed || (this.outgoing.destroyed && !this.outgoing.writableFinished)
  }

  onEnd(run: () => void): void {
    if (this.outgoing.destroyed) return this.guard.run(run)
    // An empty array would make room for sixteen.
    if (this.ends === undefined) this.ends = [run]
    else this.ends.push(run)
    if (!this.isWatching) this.watchEnd()
  }

  onAbort(run: () => void): void {
    if (this.outgoing.destroyed) return this.isGone() ? this.guard.run(run) : undefined
    if (this.aborts === undefined) this.aborts = [run]
    else this.aborts.push(run)
    if (!this.isWatching) this.watchEnd()
  }

  /** Counts a message of N bytes for its user until it has left; the result says that it has. */
  count(bytes: number): () => void {
    if (bytes < large || this.charged === undefined || this.outgoing.destroyed) return nothing
    if (this.unsent === undefined) {
      const unsent = new UnsentBytes()
      this.unsent = unsent
      this.onEnd(() => unsent.end())
    }
    return this.unsent.add(this.charged(bytes))
  }

  /** At the end of the connection; a client can go while its key is looked up, and nobody is told of it again. */
  private watchEnd(): void {
    this.isWatching = true
    this.guard.on(this.outgoing, "close", () => {
      const { aborts, ends, guard, sockets, taking } = this
      sockets?.ended(this)
      // Each for itself: what one holds is given back though another fails.
      if (taking?.isFinished === false && this.isGone()) guard.run(() => taking.abort())
      if (aborts !== undefined && this.isGone()) for (const run of aborts) guard.run(run)
      if (ends !== undefined) for (const run of ends) guard.run(run)
    })
  }

  private linger(): void {
    const { guard, incoming } = this
    let left = lingerBytes
    guard.on(incoming, "data", (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) incoming.pause()
    })
    incoming.resume()
    guard.once(
      incoming,
      "close",
      guard.after(lingerMs, () => incoming.destroy())
    )
  }

  /** An answer that has begun cannot become another one; one that is complete may leave. */
  breakOff(): void {
    const { outgoing } = this
    if (outgoing.writableEnded || outgoing.destroyed) return
    if (outgoing.headersSent) return void outgoing.destroy()
    this.isAnswered = false
    try {
      broken(this)
    } catch {
      outgoing.destroy()
    }
  }
}
