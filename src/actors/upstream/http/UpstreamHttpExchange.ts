/**
 * One HTTP request and its response on a user's pool: the lean part of the data path.
 *
 * `Effect.callback` around undici's `dispatch`, without fetch, web streams or Response objects. A body is collected up
 * to a limit; an event stream is decoded as it arrives and its messages are handed over one by one, until one of them
 * is the answer. A body that comes compressed is decoded on the way. What remains after that (or after an interruption)
 * is drained for a moment, so that the socket can be used again and a late answer is seen and counted, and then aborted.
 * Messages are delivered by a plain callback: each exchange is bounded in bytes, so nothing needs to be paused.
 */
import { Effect } from "effect"
import type { Dispatcher } from "undici"
import type { JsonRpcSuccess } from "../../../domain/protocol/JsonRpc.ts"
import { readFromServer } from "../../../domain/protocol/json/ServerMessages.ts"
import { Pieces } from "../../../domain/protocol/json/Pieces.ts"
import type { AnswerRoom } from "../../limits/AnswerBytes.ts"
import { unitsOfBytes } from "../../limits/FairShare.ts"
import { large, ResponseScanner } from "../../../domain/protocol/json/ResponseScanner.ts"
import { Guard } from "../../../domain/Guard.ts"
import { ContentDecoding, isDecodable } from "./ContentDecoding.ts"
import type { ExchangeEnd, ExchangeError, ExchangeRequest, RunningExchange, Unusable } from "./ExchangeRequest.ts"
import { LeavingMessage } from "./LeavingMessage.ts"
import { headOf, type ResponseHead } from "./ResponseHead.ts"
import * as SseDecoder from "./SseDecoder.ts"
import { type UpstreamFailed, protocolError } from "../../../domain/requests/UpstreamErrors.ts"
import { tooLarge } from "../connection/AnswerLimits.ts"
import { messageUnits, PacedReading } from "../connection/PacedReading.ts"
import { closedError, connectionGone, did, type Phase, tooMuch, transportError } from "./UpstreamHttpErrors.ts"

/** Bytes after which the pace is looked at: what has been read beyond a pause is put together again, and copied. */
const stepBytes = 256 * 1024
/** The bytes a chunk counts for at least: its arrival alone costs as much as that many. */
const leastChunk = 1_024

/** Milliseconds an exchange may take to end after nobody waits for it. */
const graceMs = 1_000

/** Succeeds when the response has ended or the answer is in; interruption gives the exchange up. */
export const exchange = (request: ExchangeRequest): Effect.Effect<ExchangeEnd, ExchangeError> =>
  Effect.callback((resume) => {
    const running = new Exchange(request, resume)
    running.start()
    return Effect.sync(() => running.giveUp())
  })

const utf8 = new TextDecoder("utf-8", { fatal: true })

class Exchange implements Dispatcher.DispatchHandler, RunningExchange {
  private readonly request: ExchangeRequest
  private readonly resume: (effect: Effect.Effect<ExchangeEnd, ExchangeError>) => void
  private controller: Dispatcher.DispatchController | undefined
  private phase: Phase = "queued"
  private head: ResponseHead | undefined
  private settled = false
  private aborted = false
  private bytes = 0
  private pieces: Pieces | undefined
  private scanner: ResponseScanner | undefined
  private decoding: ContentDecoding | undefined
  /** Bytes that have arrived to be decoded. */
  private packed = 0
  private events: SseDecoder.SseDecoder | undefined
  /** Bytes that what was read has cost, and those of it since the pace was looked at. */
  private cost = 0
  private uncounted = 0
  /** Of an event stream, or a large body. */
  private reading: PacedReading<SseDecoder.SseEvent> | undefined
  private room: AnswerRoom | undefined
  private noGrace: (() => void) | undefined
  /** The whole response has arrived, though not all of it may have been dealt with. */
  private hasEnded = false
  private ownGuard: Guard | undefined

  constructor(request: ExchangeRequest, resume: (effect: Effect.Effect<ExchangeEnd, ExchangeError>) => void) {
    this.request = request
    this.resume = resume
  }

  /** Made when there is a defect or something to wait for: mostly there is neither. */
  private get guard(): Guard {
    if (this.ownGuard !== undefined) return this.ownGuard
    const { context, fork, server } = this.request
    const { principal, requestId, sessionId } = context
    return (this.ownGuard = new Guard(fork, this, { server, userId: principal.userId, sessionId, requestId }))
  }

  private paced(): PacedReading<SseDecoder.SseEvent> {
    return (this.reading ??= new PacedReading({
      handle: (event) => this.onEvent(event),
      spend: (units, goOn) => this.request.spend(this.request.payer, units, () => this.guard.run(goOn)),
      // What is decoded has a source of its own, which lets the socket wait where it has to.
      pause: () => (this.decoding === undefined ? this.controller?.pause() : this.decoding.pause()),
      resume: () => (this.decoding === undefined ? this.resumeSocket() : this.decoding.resume())
    }))
  }

  /** A socket whose response has ended is another one's already. */
  private resumeSocket(): void {
    if (!this.hasEnded) this.controller?.resume()
  }

  /** A defect of the hub's own, found while it read the answer. */
  breakOff(): void {
    try {
      this.settle(
        Effect.fail(
          closedError(this.request.server, this.failedPhase(), "was disconnected after a defect of the hub's")
        )
      )
    } finally {
      this.abort()
    }
  }

  start(): void {
    this.request.running.add(this)
    const { body, headers, method, path, pool, raw } = this.request
    if (body === null || typeof body === "string") return pool.dispatch({ method, path, headers, body }, this)
    headers.push("content-length", String(body.byteLength))
    pool.dispatch({ method, path, headers, body: new LeavingMessage(body, raw === true) as never }, this)
  }

  /** Nobody waits any more: what still comes is late. Before anything was sent, nothing will be. */
  giveUp(): void {
    if (this.settled) return
    this.settled = true
    const { abrupt, endless } = this.request
    if (this.phase === "queued" || endless === true || abrupt === true) this.abort()
    else this.drain()
  }

  get brief(): boolean {
    return this.request.headOnly === true
  }

  close(): void {
    const { server } = this.request
    this.settle(
      Effect.fail(
        this.phase === "queued"
          ? connectionGone(server)
          : closedError(server, this.phase, "was disconnected because the session ended")
      )
    )
    this.abort()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.aborted) controller.abort(new Error("Given up before it was sent"))
    else this.phase = "send"
  }

  onRequestSent(): void {
    if (this.phase === "send") this.phase = "headers"
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | Array<string> | undefined>
  ): void {
    try {
      this.begin(status, headers)
    } catch (defect) {
      this.guard.fail(defect)
    }
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    try {
      if (this.decoding === undefined) this.read(chunk)
      else this.unpack(this.decoding, chunk)
    } catch (defect) {
      this.guard.fail(defect)
    }
  }

  onResponseEnd(): void {
    this.hasEnded = true
    if (this.decoding !== undefined || this.reading !== undefined) return this.whenDecoded(() => this.end())
    try {
      this.end()
    } catch (defect) {
      this.guard.fail(defect)
    }
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.hasEnded = true
    // Of an answer that broke off, nothing needs to be decoded any more.
    if (this.events === undefined) this.decoding?.stop()
    this.whenDecoded(() => this.broken(error))
  }

  /** Runs the step once all that has arrived has been decoded and dealt with. */
  private whenDecoded(step: () => void): void {
    const { decoding } = this
    if (decoding === undefined) this.afterAll(step)
    else this.guard.run(() => decoding.end(() => this.afterAll(step)))
  }

  /** Runs the step once all that has arrived has been dealt with. */
  private afterAll(step: () => void): void {
    try {
      if (this.reading === undefined) step()
      else this.reading.afterAll(step)
    } catch (defect) {
      this.guard.fail(defect)
    }
  }

  private begin(status: number, headers: Record<string, string | Array<string> | undefined>): void {
    // 1xx responses announce themselves and are followed by the real one.
    if (status < 200) return
    this.head = headOf(status, headers)
    this.request.onHead?.(this.head)
    this.phase = "body"
    if (this.request.headOnly === true) return this.answered()
    const { coding } = this.head
    const isStream = this.head.contentType === "text/event-stream" && status < 300
    // A refusal is known by its status, an event by its own end.
    if (coding !== "" && isDecodable(coding)) this.decoding = this.decoded(coding, isStream || status >= 300)
    else if (coding !== "") return this.refuse(did.compressUnasked(coding))
    if (isStream) {
      this.phase = "stream"
      const reading = this.paced()
      this.events = SseDecoder.make(this.request.maxBytes, (event) => reading.push(event), this.request.raw)
    }
  }

  private decoded(coding: string, mayBeCut: boolean): ContentDecoding {
    return new ContentDecoding({
      coding,
      guard: this.guard,
      mayBeCut,
      onData: (chunk) => this.read(chunk),
      onBroken: (why) => this.refuse(why === "cut" ? did.cutCompressed(coding) : did.compressWrongly),
      onFull: () => this.controller?.pause(),
      onDrain: () => this.resumeSocket()
    })
  }

  /** Compressed bytes count as well: they need not stand for any others. */
  private unpack(decoding: ContentDecoding, chunk: Buffer): void {
    this.packed += chunk.length
    if (this.packed > this.request.maxBytes && this.request.endless !== true) return this.overflow()
    this.charge(chunk.length)
    decoding.push(chunk)
  }

  private read(chunk: Buffer): void {
    this.bytes += chunk.length
    this.take(chunk)
    this.charge(chunk.length)
  }

  private charge(length: number): void {
    const cost = Math.max(length, leastChunk)
    this.cost += cost
    this.uncounted += cost
    if (this.cost <= large || this.uncounted < stepBytes || this.aborted) return
    const bytes = this.uncounted
    this.uncounted = 0
    this.paced().owe(unitsOfBytes(bytes))
  }

  private take(chunk: Buffer): void {
    if (this.bytes > this.request.maxBytes && this.request.endless !== true) return this.overflow()
    if (this.events !== undefined) {
      const problem = this.events.push(chunk)
      if (problem === "too-large") this.overflow()
      else if (problem === "encoding") this.refuse("sent an event stream that is not UTF-8; report this to its author")
      else this.hold(this.events.unfinished())
    } else if (!this.settled) this.collect(chunk)
  }

  private end(): void {
    const head = this.head!
    this.finish()
    if (this.events !== undefined) return this.streamEnd(head, false)
    if (this.settled) {
      if (this.bytes > 0 && this.request.headOnly !== true && head.status < 300) this.request.onLate()
      return
    }
    let body: string | JsonRpcSuccess | undefined
    try {
      body = this.scanner?.end() ?? utf8.decode(this.pieces?.whole())
    } catch {
      return this.refuse("sent an answer that is not UTF-8; report this to its author")
    }
    this.settle(Effect.succeed({ kind: "body", head, body }))
  }

  private broken(error: Error): void {
    this.finish()
    if (this.events !== undefined) return this.streamEnd(this.head!, true)
    this.settle(Effect.fail(transportError(this.request.server, error, this.phase)))
  }

  /** A large body is looked through while it arrives rather than parsed when it is there. */
  private collect(chunk: Buffer): void {
    // What is not large takes no room.
    if ((this.bytes >= large || this.decoding !== undefined) && !this.hold(this.bytes)) return
    if (this.scanner !== undefined) return this.scanner.push(chunk)
    const pieces = (this.pieces ??= new Pieces())
    pieces.push(chunk)
    if (this.request.raw === true && this.bytes >= large) this.scanner = ResponseScanner.over(pieces)
  }

  /** Counts what is in memory of the answer; false when that is too much, and the exchange has been ended for it. */
  private hold(bytes: number): boolean {
    const all = bytes + (this.decoding?.memory ?? 0)
    if (this.room === undefined && all >= large && !this.aborted) this.room = this.request.room?.(this.request.payer)
    if (this.room === undefined || this.room.hold(all)) return true
    this.settle(Effect.fail(tooMuch(this.request.server, this.failedPhase())))
    this.abort()
    return false
  }

  /** The units it costs. */
  private onEvent(event: SseDecoder.SseEvent): number {
    // Priming events have no data; other event names are not MCP's.
    if (event.data === "" || event.event !== "message" || this.aborted) return messageUnits
    const read = event.answer === undefined ? readFromServer(event.data) : ({ ok: true, value: event.answer } as const)
    const verdict = read.ok ? this.request.onMessage(read.value) : this.unreadable(event.data)
    if (verdict === true) {
      this.answered()
      return 0
    }
    if (verdict === "noise") this.request.onNoise()
    else if (verdict === "invalid") this.refuse(did.sendEvent(read.ok ? "is not a JSON-RPC message" : read.reason))
    return messageUnits
  }

  private unreadable(text: string): Unusable {
    return this.request.wasAwaited?.(text) === true ? "invalid" : "noise"
  }

  private answered(): void {
    this.settle(Effect.succeed({ kind: "answered", head: this.head! }))
    this.drain()
  }

  private streamEnd(head: ResponseHead, broken: boolean): void {
    const events = this.events!
    this.settle(
      Effect.succeed({ kind: "stream", head, lastEventId: events.lastEventId(), retryMs: events.retryMs(), broken })
    )
  }

  private overflow(): void {
    this.settle(Effect.fail(tooLarge(this.request.server, this.failedPhase(), this.request.maxBytes)))
    this.abort()
  }

  private refuse(what: string): void {
    this.settle(Effect.fail(protocolError(this.request.server, this.failedPhase(), what)))
    this.abort()
  }

  private failedPhase(): UpstreamFailed["phase"] {
    return this.phase === "queued" ? "send" : this.phase
  }

  private settle(effect: Effect.Effect<ExchangeEnd, ExchangeError>): void {
    if (this.settled) return
    this.settled = true
    this.forget()
    this.resume(effect)
  }

  private forget(): void {
    this.pieces = undefined
    this.scanner = undefined
    this.room?.hold(0)
  }

  private drain(): void {
    this.forget()
    this.noGrace ??= this.guard.after(graceMs, () => this.abort())
  }

  private abort(): void {
    this.aborted = true
    this.forget()
    this.decoding?.stop()
    this.reading?.stop()
    if (this.controller === undefined) this.finish()
    else this.controller.abort(new Error("Given up"))
  }

  private finish(): void {
    this.noGrace?.()
    this.decoding?.stop()
    this.reading?.stop()
    this.room?.end()
    this.request.running.delete(this)
  }
}
