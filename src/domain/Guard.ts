/**
 * The guard of one owner (a request, a stream, a connection): everything that the platform or a fiber calls back for the
 * owner runs inside it.
 *
 * No fiber stands around an event of a socket or a process, a timer or an observer: a throw there would end the process,
 * and with it every user's sessions. The guard ends its owner instead, once, and the log gets one line that says whose it
 * was. The linter refuses callbacks outside of a guard in `src/actors` and `src/http`.
 */
import { Cause, Effect, Exit, type Fiber, Result } from "effect"
import type { EventEmitter } from "node:events"
import type { RequestId, SessionId, UserId } from "./Ids.ts"

/** Whose it is, as far as that is known. */
export interface Subject {
  method?: string
  server?: string
  userId?: UserId
  sessionId?: SessionId
  requestId?: RequestId | undefined
}

/** Whatever is guarded; it can be broken off at any time, once. */
export interface Owner {
  readonly breakOff: () => void
}

export type Fork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

export class Guard {
  readonly subject: Subject
  readonly fork: Fork
  private readonly owner: Owner
  /** The message of the log line. */
  protected readonly what: string = "A defect of the hub ended what it was called for"
  hasFailed = false

  constructor(fork: Fork, owner: Owner, subject: Subject = {}) {
    this.fork = fork
    this.owner = owner
    this.subject = subject
  }

  run<A>(step: (value: A) => void, value: A): void
  run(step: () => void): void
  run<A>(step: (value?: A) => void, value?: A): void {
    try {
      step(value)
    } catch (defect) {
      this.fail(defect)
    }
  }

  attempt<A>(step: () => A, otherwise: A): A {
    try {
      return step()
    } catch (defect) {
      this.fail(defect)
      return otherwise
    }
  }

  on<A>(emitter: EventEmitter, event: string, step: (value: A) => void): void {
    emitter.on(event, (value: A) => {
      try {
        step(value)
      } catch (defect) {
        this.fail(defect)
      }
    })
  }

  once<A>(emitter: EventEmitter, event: string, step: (value: A) => void): void {
    emitter.once(event, (value: A) => this.run(step, value))
  }

  /** Keeps no process alive; the result takes it back. */
  after(milliseconds: number, step: () => void): () => void {
    const timer = setTimeout(() => this.run(step), milliseconds).unref()
    return () => clearTimeout(timer)
  }

  /** In a turn of the event loop of its own. */
  soon(step: () => void): void {
    setImmediate(() => this.run(step))
  }

  /** Runs beside the way; an error is `then`'s, a defect is the guard's. */
  observe<A, E>(fiber: Fiber.Fiber<A, E>, then: (result: Result.Result<A, E>) => void): void {
    fiber.addObserver((exit) => this.run(() => then(resultOf(exit))))
  }

  /** Runs beside the way, and nobody waits for it. */
  background(effect: Effect.Effect<unknown>): void {
    this.observe(this.fork(effect), nothing)
  }

  /** However it ended. */
  whenEnded<A, E>(fiber: Fiber.Fiber<A, E>, then: (exit: Exit.Exit<A, E>) => void): void {
    fiber.addObserver((exit) => this.run(then, exit))
  }

  /** Ends the owner. Once is enough, and nothing that happens to it afterwards is news. */
  fail(defect: unknown): void {
    if (this.hasFailed) return
    this.hasFailed = true
    try {
      this.fork(report(this.subject, defect, this.what))
    } finally {
      this.breakOff()
    }
  }

  /** An owner that cannot even be broken off is left as it is. */
  private breakOff(): void {
    try {
      this.owner.breakOff()
    } catch (defect) {
      this.fork(report(this.subject, defect, this.what))
    }
  }
}

const nothing = (): void => {}

export const resultOf = <A, E>(exit: Exit.Exit<A, E>): Result.Result<A, E> => {
  if (Exit.isSuccess(exit)) return Result.succeed(exit.value)
  const error = Exit.findErrorOption(exit)
  if (error._tag === "Some") return Result.fail(error.value)
  throw Cause.squash(exit.cause)
}

/** A text in it may be the client's, a token's or a server's: the kind of the error and where it was thrown are not. */
export const report = (subject: Subject, defect: unknown, what: string): Effect.Effect<void> => {
  const stack = defect instanceof Error ? (defect.stack ?? "") : ""
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line))
  const kind = defect instanceof Error ? defect.name : typeof defect
  return Effect.logError(what).pipe(
    Effect.annotateLogs({ ...subject, defect: kind, frames: frames.map((line) => line.trim()).slice(0, 12) })
  )
}
