/**
 * The guard of one request, stream or connection: everything that the platform or a fiber calls back for it runs inside.
 *
 * No fiber stands around an event of a socket, a timer or an observer: a throw there would end the process, and with it
 * every user's sessions. The guard ends its owner instead (a request is answered 500, or its stream breaks off), and the
 * log gets one line that names user and session. The owner gives back all that it held, as at any other end.
 *
 * `go` runs the way of a request from step to step: a generator that yields where something has to be waited for, and
 * goes through in one turn where nothing has. The linter refuses callbacks elsewhere in `src/http`.
 */
import { Cause, Effect, Exit, type Fiber, Result } from "effect"
import type { EventEmitter } from "node:events"
import type { RequestId, SessionId, UserId } from "../../domain/Ids.ts"

/** Waits for one thing: `resume` is called once, now or later. */
export type Wait<A> = (resume: (value: A) => void) => void

/** Steps of which some wait: `(yield ask) as A` gives what a `Wait<A>` resumes with. */
export type Way<A = void> = Generator<Wait<unknown>, A, unknown>

/** Whose it is, as far as that is known. */
export interface Subject {
  method?: string
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
  readonly subject: Subject = {}
  readonly fork: Fork
  private readonly owner: Owner
  private failed = false

  constructor(fork: Fork, owner: Owner) {
    this.fork = fork
    this.owner = owner
  }

  get hasFailed(): boolean {
    return this.failed
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

  /** The result takes it back. */
  after(milliseconds: number, step: () => void): () => void {
    const timer = setTimeout(() => this.run(step), milliseconds)
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

  go(way: Way): void {
    new Walk(this, way).step(undefined)
  }

  /** The value or the error of an effect; a defect is thrown. */
  *resultOf<A, E>(effect: Effect.Effect<A, E>): Way<Result.Result<A, E>> {
    return yield* this.resultOfFiber(this.fork(effect))
  }

  *resultOfFiber<A, E>(fiber: Fiber.Fiber<A, E>): Way<Result.Result<A, E>> {
    return resultOf((yield (resume) => void fiber.addObserver(resume)) as Exit.Exit<A, E>)
  }

  /** The end of a fiber, however it ended. */
  *passed(fiber: Fiber.Fiber<unknown>): Way<unknown> {
    return yield (resume) => void fiber.addObserver(resume)
  }

  /** Ends the owner. Once is enough, and nothing that happens to it afterwards is news. */
  fail(defect: unknown): void {
    if (this.failed) return
    this.failed = true
    try {
      this.fork(report(this.subject, defect))
    } finally {
      this.owner.breakOff()
    }
  }
}

const nothing = (): void => {}

const resultOf = <A, E>(exit: Exit.Exit<A, E>): Result.Result<A, E> => {
  if (Exit.isSuccess(exit)) return Result.succeed(exit.value)
  const error = Exit.findErrorOption(exit)
  if (error._tag === "Some") return Result.fail(error.value)
  throw Cause.squash(exit.cause)
}

/** One way on its way: it is walked on by whatever it waited for, which may answer before it has been asked to the end. */
class Walk {
  private readonly guard: Guard
  private readonly way: Way
  private readonly resume: (value: unknown) => void
  private isAsking = false
  private hasAnswer = false
  private answer: unknown

  constructor(guard: Guard, way: Way) {
    this.guard = guard
    this.way = way
    const resume = (value: unknown): void => {
      if (!this.isAsking) return this.step(value)
      this.hasAnswer = true
      this.answer = value
    }
    this.resume = resume
  }

  step(value: unknown): void {
    try {
      for (let given = value; ; given = this.answer) {
        const next = this.way.next(given)
        if (next.done === true) return
        this.hasAnswer = false
        this.isAsking = true
        next.value(this.resume)
        this.isAsking = false
        if (!this.hasAnswer) return
      }
    } catch (defect) {
      this.isAsking = false
      this.guard.fail(defect)
    }
  }
}

/** A text in it may be the client's, a token's or a server's: the kind of the error and where it was thrown are not. */
const report = (subject: Subject, defect: unknown): Effect.Effect<void> => {
  const stack = defect instanceof Error ? (defect.stack ?? "") : ""
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line))
  const kind = defect instanceof Error ? defect.name : typeof defect
  return Effect.logError("A request died of a defect at the edge of the hub").pipe(
    Effect.annotateLogs({ ...subject, defect: kind, frames: frames.map((line) => line.trim()).slice(0, 12) })
  )
}
