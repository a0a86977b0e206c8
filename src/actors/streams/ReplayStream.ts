/**
 * One event stream towards a client that outlives the connections it is read by: its messages are numbered and the
 * latest are kept, so that whoever reads it next goes on after the last event it has seen.
 *
 * At any time there is one reader; a new one takes over. What is sent while nobody reads waits. When room is short the
 * oldest messages go, whether they were read or not.
 *
 * Source: MCP `basic/transports`, "Resumability and Redelivery".
 */
import type { JsonRpcMessage } from "../../domain/protocol/JsonRpc.ts"
import { encodeBody, type JsonBody, sizeOf } from "../../domain/protocol/json/RawJson.ts"
import type { EventWriter } from "../calls/ClientExchange.ts"

/** Of one stream. */
export const maxStreamEvents = 256
export const maxStreamBytes = 2 * 1024 * 1024

/** The room that all streams of a session share. */
export interface ReplayRoom {
  /** Takes room for one more event; false when there is none to be had. `shrink` gives back the asker's oldest event. */
  readonly take: (bytes: number, shrink: () => boolean) => boolean
  readonly give: (events: number, bytes: number) => void
}

export interface ReplayStreamOptions {
  /** Unique within the session; event ids begin with it. */
  readonly name: string
  readonly room: ReplayRoom
  /** A reader of a new stream gets an event without data first, so that it can come back before there is a message. */
  readonly primes: boolean
  /** The last message has been sent. */
  readonly onEnd?: ((stream: ReplayStream) => void) | undefined
}

interface KeptEvent {
  readonly position: number
  readonly json: JsonBody
  readonly bytes: number
  readonly method: string | undefined
}

const eventOf = (position: number, message: JsonRpcMessage): KeptEvent => {
  const json = encodeBody(message)
  return { position, json, bytes: sizeOf(json), method: "method" in message ? message.method : undefined }
}

export class ReplayStream {
  readonly name: string
  private readonly options: ReplayStreamOptions
  private kept: Array<KeptEvent> = []
  private bytes = 0
  /** The position of the newest message, and of the newest that was handed to a reader. */
  private last = 0
  private read = 0
  private reader: EventWriter | undefined
  private ended = false
  private lost = 0

  constructor(options: ReplayStreamOptions) {
    this.name = options.name
    this.options = options
  }

  /**
   * Hands the message to the reader and keeps it; where it is too large for that, `instead`, for who loses the
   * connection in the middle of it. False: it was neither read nor kept.
   */
  send(message: JsonRpcMessage, instead?: () => JsonRpcMessage): boolean {
    if (this.ended) return false
    const event = eventOf(++this.last, message)
    const kept = this.keep(event) || (instead !== undefined && this.keep(eventOf(event.position, instead())))
    const taken = this.reader !== undefined && this.write(event)
    if (!kept && !taken) this.lost++
    return kept || taken
  }

  /** Nothing will follow: whoever reads it, now or later, comes to an end after the last message. */
  end(): void {
    if (this.ended) return
    this.ended = true
    this.dismiss()
    this.options.onEnd?.(this)
  }

  /** Begins reading at the first message. The result leaves the stream, and does nothing once another has taken over. */
  begin(writer: EventWriter): () => void {
    if (this.options.primes && !writer.event(this.idOf(0), "")) return nothing
    return this.resume(writer, 0)
  }

  /** Reads on after this position: first what is kept, then what comes. */
  resume(writer: EventWriter, after: number): () => void {
    this.dismiss()
    for (const event of this.kept) {
      if (event.position <= after) continue
      if (!writer.event(this.idOf(event.position), event.json)) return nothing
      this.read = Math.max(this.read, event.position)
    }
    if (this.ended) {
      writer.end()
      return nothing
    }
    this.reader = writer
    return () => {
      if (this.reader === writer) this.reader = undefined
    }
  }

  /** Whether an event of this position can have been sent. */
  knows(position: number): boolean {
    return position <= this.last
  }

  /** Whether somebody who has read this far has nothing more to expect. */
  isOverAfter(position: number): boolean {
    return this.ended && !this.kept.some((event) => event.position > position)
  }

  hasReader(): boolean {
    return this.reader !== undefined
  }

  /** Whether a message of this method waits that nobody has read yet. */
  holds(method: string): boolean {
    return this.kept.some((event) => event.position > this.read && event.method === method)
  }

  /** Messages that went before anybody had read them. */
  dropped(): number {
    return this.lost
  }

  /** Ends the connection of the reader, and takes over what nobody has read from this stream, which then is empty. */
  moveUnread(to: ReplayStream): void {
    this.dismiss()
    const unread = this.kept.filter((event) => event.position > this.read)
    this.clear()
    to.lost += this.lost
    for (const event of unread) if (!to.keep({ ...event, position: ++to.last })) to.lost++
  }

  /** Gives back all room. */
  clear(): void {
    this.options.room.give(this.kept.length, this.bytes)
    this.kept = []
    this.bytes = 0
  }

  private idOf(position: number): string {
    return `${this.name}.${position}`
  }

  private dismiss(): void {
    const { reader } = this
    this.reader = undefined
    reader?.end()
  }

  private write(event: KeptEvent): boolean {
    if (this.reader?.event(this.idOf(event.position), event.json) !== true) {
      this.reader = undefined
      return false
    }
    this.read = event.position
    return true
  }

  private keep(event: KeptEvent): boolean {
    if (event.bytes > maxStreamBytes) return false
    while (this.kept.length >= maxStreamEvents || this.bytes + event.bytes > maxStreamBytes) this.shrink()
    if (!this.options.room.take(event.bytes, this.shrink)) return false
    this.kept.push(event)
    this.bytes += event.bytes
    return true
  }

  private readonly shrink = (): boolean => {
    const oldest = this.kept.shift()
    if (oldest === undefined) return false
    if (oldest.position > this.read) this.lost++
    this.bytes -= oldest.bytes
    this.options.room.give(1, oldest.bytes)
    return true
  }
}

const nothing = (): void => {}
