/**
 * The body of one request of `node:http`, taken in within limits of size, number of chunks, time and its user's room.
 * A body beyond one of them is given up at once and read no further. The two last limits begin to count only where a body
 * does not arrive in one piece, as most do.
 *
 * A large one is read on when it is its turn. Until then it waits in its socket, and that time does not count as its own.
 */
import type { IncomingMessage } from "node:http"
import type { BodyRoom } from "../../actors/limits/BodyBytes.ts"
import { looksLikeAnswer } from "../../domain/protocol/json/BodyScanner.ts"
import { Pieces } from "../../domain/protocol/json/Pieces.ts"
import { large } from "../../domain/protocol/json/ResponseScanner.ts"
import type { Guard } from "../wire/Guard.ts"
import { maxBodyPieces, type BodyLimits, type WireBody } from "../wire/Wire.ts"

/** The slowest that a body may be on the whole: bytes per millisecond, beyond the time it has anyway. */
const leastRate = (64 * 1024) / 1_000

export class NodeBody {
  private readonly incoming: IncomingMessage
  private readonly guard: Guard
  private readonly limits: BodyLimits
  private readonly done: (body: WireBody) => void
  private readonly pieces = new Pieces()
  private count = 0
  isFinished = false
  /** From here on those of a body that does not arrive in one piece. */
  private room: BodyRoom | undefined
  private since = 0
  private takenAt = 0
  private stopTimer: (() => void) | undefined
  /** It is a large one, and has asked for its turn. */
  private isLarge = false
  private stopWaiting: (() => void) | undefined

  constructor(incoming: IncomingMessage, guard: Guard, limits: BodyLimits, done: (body: WireBody) => void) {
    this.incoming = incoming
    this.guard = guard
    this.limits = limits
    this.done = done
  }

  take(): void {
    const { guard, incoming, limits } = this
    const declared = Number(incoming.headers["content-length"] ?? 0)
    if (declared > limits.bytes) return this.finish("too-large")
    guard.on(incoming, "data", (chunk: Buffer) => this.push(chunk))
    guard.on(incoming, "end", () => {
      const { isLarge, pieces, room } = this
      this.finish(isLarge && room !== undefined ? { pieces, room } : pieces.whole())
    })
    guard.on(incoming, "error", () => this.abort())
    guard.soon(() => this.watch())
  }

  abort(): void {
    this.finish("aborted")
  }

  private push(chunk: Buffer): void {
    if (this.isFinished) return
    const { limits, pieces, room } = this
    if (pieces.byteLength + chunk.length > limits.bytes) return this.giveUp("too-large")
    if (++this.count > maxBodyPieces) return this.giveUp("too-many-pieces")
    if (room !== undefined) {
      this.takenAt = performance.now()
      if (!room.hold(pieces.byteLength + chunk.length)) return this.giveUp("no-room")
    }
    pieces.push(chunk)
    if (!this.isLarge && pieces.byteLength > large) this.askTurn()
  }

  private askTurn(): void {
    const { guard, incoming, limits, pieces } = this
    this.isLarge = true
    this.room ??= limits.room()
    const bytes = Number(incoming.headers["content-length"] ?? limits.bytes)
    let isWaiting = true
    const goOn = (hasRoom: boolean): void => {
      isWaiting = false
      this.stopWaiting?.()
      if (this.isFinished) return
      if (!hasRoom) return this.giveUp("no-room")
      this.since = this.takenAt = performance.now()
      if (this.stopWaiting === undefined) return
      this.stopWaiting = undefined
      incoming.resume()
    }
    const isAnswer = looksLikeAnswer(pieces.all()[0]!)
    if (!this.room.turn(bytes, isAnswer, (hasRoom) => guard.run(goOn, hasRoom))) return this.giveUp("no-room")
    if (!isWaiting || this.isFinished) return
    incoming.pause()
    this.stopWaiting = guard.after(limits.milliseconds, () => this.giveUp("no-room"))
  }

  /** Not all of it was there with its headers. */
  private watch(): void {
    if (this.isFinished) return
    this.since = this.takenAt = performance.now()
    this.room ??= this.limits.room()
    if (!this.room.hold(this.pieces.byteLength)) return this.giveUp("no-room")
    this.look(false)
  }

  /** Looks twice before it gives up: what arrived while the process stood still is read in between. */
  private look(isSecond: boolean): void {
    if (this.isFinished) return
    const { guard, pieces, since, stopWaiting, takenAt } = this
    if (stopWaiting !== undefined) {
      this.stopTimer = guard.after(this.limits.milliseconds, () => this.look(false))
      return
    }
    const { milliseconds } = this.limits
    const left = milliseconds + Math.min(takenAt, since + pieces.byteLength / leastRate) - performance.now()
    if (left > 0) this.stopTimer = guard.after(Math.ceil(left), () => this.look(false))
    else if (isSecond) this.giveUp("too-slow")
    else guard.soon(() => this.look(true))
  }

  private giveUp(problem: WireBody): void {
    this.incoming.pause()
    this.finish(problem)
  }

  private finish(result: WireBody): void {
    if (this.isFinished) return
    this.isFinished = true
    this.stopTimer?.()
    this.stopWaiting?.()
    // Of a large body that has come, whoever takes it over says when.
    if (typeof result === "string" || result instanceof Uint8Array) this.room?.end()
    this.done(result)
  }
}
