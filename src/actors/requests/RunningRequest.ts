/**
 * The record of one running request together with its clock: a plain mutable object, since it is made for every call.
 *
 * Times named `…Mono` are monotonic milliseconds. The deadline is the earliest of: the timeout counted from `baseMono`,
 * the total counted from `totalMono`, the hub's hard maximum counted from the start. Pausing moves the first two.
 */
import type { Exit, Fiber } from "effect"
import type { HubConfigShape } from "../../domain/config/HubConfig.ts"
import type { RequestId, SessionId, UserId } from "../../domain/Ids.ts"
import type { Deadlined, RequestDeadlines } from "./RequestDeadlines.ts"
import type { RequestRecord, TrackOptions } from "../../domain/requests/RequestRecord.ts"
import { type Wait, WaitStack } from "../../domain/requests/Waits.ts"
import type { Account } from "./RequestStatistics.ts"

const unanswered = (): void => {}

const positive = (value: number | undefined, otherwise: number): number =>
  value !== undefined && value > 0 ? value : otherwise

export class RunningRequest extends WaitStack implements RequestRecord, Deadlined {
  readonly requestId: RequestId
  readonly userId: UserId
  readonly username: string
  readonly keyId: string
  readonly sessionId: SessionId
  readonly method: string
  readonly kind: "request" | "notification"
  readonly hasAuditPlace: boolean
  readonly startedAt: number
  server: string | undefined = undefined
  target: string | undefined = undefined
  tool: string | undefined = undefined
  errorCode: number | undefined = undefined
  errorKind: string | undefined = undefined

  readonly startedMono: number
  /** When it may be due; read by `RequestDeadlines`. */
  deadline: number
  /** What runs the effect; none for a request tracked by hand. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  byHand = false
  account: Account | undefined = undefined
  /**
   * Resumes whoever waits for the outcome; the first call counts. Never assign a function written out in the assignment:
   * V8 makes such a function in the old generation, where it keeps all a request has made past every minor collection.
   */
  answer: (exit: Exit.Exit<unknown, unknown>) => void = unanswered

  #baseMono: number
  #totalMono: number
  #timeoutMs: number
  #totalMs: number
  #pausedMono = 0
  #pauses = 0
  readonly #hardMs: number
  readonly #deadlines: RequestDeadlines
  readonly #timeOut: (request: RunningRequest, timeoutMs: number) => void

  constructor(
    requestId: RequestId,
    options: TrackOptions,
    config: HubConfigShape,
    startedAt: number,
    deadlines: RequestDeadlines,
    timeOut: (request: RunningRequest, timeoutMs: number) => void
  ) {
    super()
    const { principal } = options
    this.requestId = requestId
    this.userId = principal.userId
    this.username = principal.username
    this.keyId = principal.keyId
    this.sessionId = options.sessionId
    this.method = options.method
    this.kind = options.kind
    this.hasAuditPlace = options.hasAuditPlace === true
    this.startedAt = startedAt
    this.startedMono = this.#baseMono = this.#totalMono = deadlines.now()
    this.#hardMs = config.maxRequestTimeout
    const { maxTotalMs, timeoutMs } = options
    this.#timeoutMs = timeoutMs === undefined ? config.requestTimeout : positive(timeoutMs, config.requestTimeout)
    this.#totalMs = maxTotalMs === undefined ? this.#hardMs : positive(maxTotalMs, this.#hardMs)
    this.#deadlines = deadlines
    this.#timeOut = timeOut
    this.deadline = this.#due()
  }

  #due(): number {
    const hard = this.startedMono + this.#hardMs
    if (this.#pauses > 0) return hard
    return Math.min(this.#baseMono + this.#timeoutMs, this.#totalMono + this.#totalMs, hard)
  }

  #update(): void {
    this.deadline = this.#due()
    this.#deadlines.arm(this.deadline)
  }

  /**
   * It has ended: lets go of all it led to. Tables it was listed in outlive it until a major collection, and with a
   * reference from there its HTTP exchange and fiber would outlive it too (a fifth of all that calls allocate).
   */
  release(): void {
    this.answer = unanswered
    this.fiber = undefined
  }

  expire(): void {
    let limit = this.#hardMs
    if (this.deadline < this.startedMono + this.#hardMs) {
      limit = this.#baseMono + this.#timeoutMs <= this.deadline ? this.#timeoutMs : this.#totalMs
    }
    this.#timeOut(this, limit)
  }

  touch(): void {
    this.#baseMono = this.#pauses > 0 ? this.#pausedMono : this.#deadlines.now()
    this.#update()
  }

  limit(timeoutMs: number, maxTotalMs?: number): void {
    this.#timeoutMs = positive(timeoutMs, this.#timeoutMs)
    this.#totalMs = positive(maxTotalMs, this.#totalMs)
    this.#update()
  }

  protected override now(): number {
    return this.#deadlines.now()
  }

  override waitsFor(): Wait | undefined {
    return this.#pauses > 0 ? { kind: "client-answer", since: this.#pausedMono } : super.waitsFor()
  }

  get isPaused(): boolean {
    return this.#pauses > 0
  }

  pause(): void {
    if (this.#pauses++ > 0) return
    this.#pausedMono = this.#deadlines.now()
    this.#update()
  }

  resume(): void {
    if (this.#pauses === 0 || --this.#pauses > 0) return
    const paused = this.#deadlines.now() - this.#pausedMono
    this.#baseMono += paused
    this.#totalMono += paused
    this.#update()
  }
}
