/**
 * One circuit of `UpstreamBreakers`: closed while its server works, open for a while when it has failed too often, then
 * half open: one attempt at a time, whose fate closes or opens it. Plain state; all times are monotonic milliseconds.
 */
import { Deferred, Effect } from "effect"

/** So many failures within the window open the circuit. */
const limit = 5
const windowMs = 60_000
/** Failures in a row count for longer: a server that is seldom asked fails seldom. */
const inARowMs = 10 * 60_000
/** Requests that find nobody there count once in this time, however many are sent at once. */
const absenceMs = 1_000
/** No more than `limit` failing attempts start within this time. */
const spanMs = 10_000
const firstPauseMs = 1_000
const longestPauseMs = 60_000

export interface CircuitView {
  readonly state: "open" | "half-open"
  /** What went wrong last. */
  readonly reason: string
  /** Milliseconds until the next attempt; 0 when one may be made or is under way. */
  readonly retryAfterMs: number
}

export interface CircuitOptions {
  readonly now: () => number
  /** At least 1: what pauses are multiplied by, so that not all come back at the same moment. */
  readonly jitter: () => number
  readonly onOpened: () => void
  /** After a pause an attempt begins. */
  readonly onTried: () => void
}

interface Loss {
  readonly at: number
  /** The session it happened to. */
  readonly source: string
}

export class Circuit {
  /** What the server was configured as. */
  readonly settings: string
  reason = ""
  private readonly options: CircuitOptions
  private failures: Array<number> = []
  private losses: Array<Loss> = []
  private absences: Array<number> = []
  private timeouts: Array<number> = []
  /** The latest requests have timed out. */
  hangs = false
  /** It was opened by requests over connections that stand, so these wait as well. */
  isAbsent = false
  /** When the next attempt may be made; undefined while closed. */
  private retryAt: number | undefined
  private pauseMs = firstPauseMs
  private openedAt = Number.NEGATIVE_INFINITY
  private running = 0
  /** An attempt has succeeded and none has failed since: nothing needs to be tried out. */
  private isProven = false
  private change = Deferred.makeUnsafe<void>()

  constructor(settings: string, options: CircuitOptions) {
    this.settings = settings
    this.options = options
  }

  /** Whether an attempt may start now; otherwise what to wait for before asking again. */
  admit(): "go" | "refused" | Effect.Effect<void> {
    if (this.remaining() > 0) return "refused"
    if (this.running >= this.places()) return Deferred.await(this.change)
    this.running++
    if (this.retryAt !== undefined) this.options.onTried()
    return "go"
  }

  /** How many attempts may be under way: before one has succeeded no more than may fail. */
  private places(): number {
    if (this.retryAt !== undefined) return 1
    return this.isProven ? Number.POSITIVE_INFINITY : Math.max(1, limit - this.recent(this.failures, inARowMs).length)
  }

  /** Milliseconds until the next attempt; 0 when it may be made. */
  remaining(): number {
    return this.retryAt === undefined ? 0 : Math.max(0, this.retryAt - this.options.now())
  }

  succeeded(): void {
    this.running--
    this.retryAt = undefined
    this.isProven = true
    this.isAbsent = false
    this.failures = []
    this.answered()
    this.tell()
  }

  failed(startedAt: number, reason: string): void {
    this.running--
    this.isProven = false
    this.reason = reason
    this.failures = [...this.recent(this.failures, inARowMs), startedAt]
    // A failed probe opens the circuit again; what began before it opened tells nothing new.
    const isProbe = this.retryAt !== undefined && startedAt >= this.retryAt
    if (isProbe || (this.retryAt === undefined && this.failures.length >= limit)) this.open(this.failures)
    this.tell()
  }

  /** Given up by whoever asked, or failed by what says nothing about the server. */
  abandoned(): void {
    this.running--
    this.tell()
  }

  /** A connection has ended by itself, or its session was forgotten. */
  lost(source: string, reason: string): void {
    const now = this.options.now()
    this.losses = [...this.losses.filter(({ at }) => now - at < windowMs), { at: now, source }]
    const sources = new Set(this.losses.map((loss) => loss.source)).size
    if (this.losses.length - (sources - 1) < limit) return
    this.reason = reason
    this.open(this.losses.map(({ at }) => at))
  }

  /** Nobody was there for a request over a connection that stands. */
  absent(reason: string): void {
    const now = this.options.now()
    if (this.retryAt !== undefined || now - (this.absences.at(-1) ?? Number.NEGATIVE_INFINITY) < absenceMs) return
    this.absences = [...this.recent(this.absences, inARowMs), now]
    if (this.absences.length < limit) return
    this.reason = reason
    this.isAbsent = true
    this.open([])
  }

  timedOut(reason: string): void {
    this.timeouts = [...this.recent(this.timeouts), this.options.now()]
    this.hangs = true
    if (this.timeouts.length < limit || this.retryAt !== undefined) return
    this.reason = reason
    this.open([])
  }

  /** A call was answered: it hangs no more. */
  answered(): void {
    this.timeouts = []
    this.absences = []
    this.hangs = false
  }

  /** Why the latest attempt failed, lately and with no success since. */
  get failing(): string | undefined {
    return !this.isProven && this.recent(this.failures).length > 0 ? this.reason : undefined
  }

  view(): CircuitView | undefined {
    if (this.retryAt === undefined) return undefined
    const retryAfterMs = Math.ceil(this.remaining())
    return { state: retryAfterMs > 0 ? "open" : "half-open", reason: this.reason, retryAfterMs }
  }

  /** Nothing is remembered here that could matter any more. */
  isSpent(): boolean {
    const inARow = Math.max(0, ...this.failures, ...this.absences)
    const latest = Math.max(0, ...this.timeouts, ...this.losses.map(({ at }) => at), this.retryAt ?? 0)
    const now = this.options.now()
    return this.running === 0 && now - latest > windowMs && now - inARow > inARowMs
  }

  private recent(times: ReadonlyArray<number>, within = windowMs): Array<number> {
    const now = this.options.now()
    return times.filter((at) => now - at < within)
  }

  private open(attempts: ReadonlyArray<number>): void {
    const now = this.options.now()
    // It grows from one opening to the next until the server has been well for a while.
    const isCalm = now - this.openedAt > 2 * windowMs
    this.pauseMs = isCalm ? firstPauseMs : Math.min(longestPauseMs, this.pauseMs * 2)
    this.openedAt = now
    const fifthLast = attempts.at(-limit)
    const spaced = fifthLast === undefined ? 0 : fifthLast + spanMs
    this.retryAt = Math.max(now + this.pauseMs * this.options.jitter(), spaced)
    this.options.onOpened()
  }

  private tell(): void {
    const change = this.change
    this.change = Deferred.makeUnsafe<void>()
    Deferred.doneUnsafe(change, Effect.void)
  }
}
