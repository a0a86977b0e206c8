/**
 * The guard of one request: `go` runs the way of a request from step to step, a generator that yields where something
 * has to be waited for, and goes through in one turn where nothing has. A throw at any step is the guard's.
 */
import type { Effect, Exit, Fiber, Result } from "effect"
import * as General from "../../domain/Guard.ts"

export type { Fork, Owner, Subject } from "../../domain/Guard.ts"

/** Waits for one thing: `resume` is called once, now or later. */
export type Wait<A> = (resume: (value: A) => void) => void

/** Steps of which some wait: `(yield ask) as A` gives what a `Wait<A>` resumes with. */
export type Way<A = void> = Generator<Wait<unknown>, A, unknown>

export class Guard extends General.Guard {
  protected override readonly what = "A request died of a defect at the edge of the hub"

  go(way: Way): void {
    new Walk(this, way).step(undefined)
  }

  /** The value or the error of an effect; a defect is thrown. */
  *resultOf<A, E>(effect: Effect.Effect<A, E>): Way<Result.Result<A, E>> {
    return yield* this.resultOfFiber(this.fork(effect))
  }

  *resultOfFiber<A, E>(fiber: Fiber.Fiber<A, E>): Way<Result.Result<A, E>> {
    return General.resultOf((yield (resume) => this.whenEnded(fiber, resume)) as Exit.Exit<A, E>)
  }

  /** The end of a fiber, however it ended. */
  *passed(fiber: Fiber.Fiber<unknown>): Way<unknown> {
    return yield (resume) => this.whenEnded(fiber, resume)
  }
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
