/**
 * Calls of a stateless client to a stateful upstream that asks back (elicitation, sampling, roots): the call stays open
 * in a fiber of the session while the client is answered `input_required`, and the client's retry goes on with that very
 * fiber. Nothing is executed twice.
 *
 * A round is the time a client's POST waits. Interrupting it (the client disconnected, the deadline passed) ends the
 * call; between rounds nobody waits and only the park limit, the session's end or the key's end it. Progress and log
 * messages that arrive between rounds wait for the next one, a bounded number of them. Questions, such messages and an
 * answer that nobody waited for are in the user's memory meanwhile.
 */
import { randomUUID } from "node:crypto"
import { Cause, Deferred, Effect, Exit, Fiber, FiberSet, Predicate } from "effect"
import type { JsonObject, JsonRpcMessage, JsonRpcRequest, JsonRpcResponse } from "../../domain/protocol/JsonRpc.ts"
import { failure, isSameId, success } from "../../domain/protocol/JsonRpc.ts"
import { weightOf } from "../../domain/protocol/json/JsonWeight.ts"
import { RawJson } from "../../domain/protocol/json/RawJson.ts"
import { rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import type { ClientExchange } from "./ClientExchange.ts"
import { AnswerLost, InvalidParams, type RequestError } from "../../domain/requests/RequestErrors.ts"
import type { Claim } from "../limits/Retained.ts"
import { waiting, type Waits } from "../../domain/requests/Waits.ts"
import { stateLifeMs } from "./RequestStates.ts"

/** What a round came to. */
export type Outcome =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "asked"; readonly inputRequests: JsonObject; readonly job: string }

export interface Ask {
  /** A request of the upstream that only the client can answer. */
  readonly question: (message: JsonRpcRequest, reply: (response: JsonRpcResponse) => void) => void
  readonly withdraw: (upstreamId: unknown) => void
  /** To whoever waits at the moment. */
  readonly send: (message: JsonRpcMessage) => boolean
}

export interface ParkedCalls {
  /** Starts a call and waits for its first outcome. */
  readonly start: (
    server: string,
    exchange: ClientExchange,
    run: (ask: Ask) => Effect.Effect<unknown, RequestError>,
    waits?: Waits | undefined
  ) => Effect.Effect<Outcome, RequestError>
  /** Hands the client's answers to a parked call and waits for its next outcome. */
  readonly resume: (
    job: string,
    exchange: ClientExchange,
    inputResponses: JsonObject,
    waits?: Waits | undefined
  ) => Effect.Effect<Outcome, RequestError>
  /** Ends the calls at a server; what comes back for one of them finds it gone. */
  readonly end: (server: string) => Effect.Effect<void>
  /** Calls that are open, whether a POST waits for them or not. */
  readonly parked: () => number
}

interface Question {
  readonly bytes: number
  readonly message: JsonRpcRequest
  readonly reply: (response: JsonRpcResponse) => void
}

interface Job {
  readonly id: string
  readonly server: string
  /** Of the request that began it: where the call waits, whoever waits for it. */
  readonly waits: Waits | undefined
  /** Of the user's memory: for its questions, its backlog and its exit. */
  readonly claim: Claim
  readonly questions: Map<string, Question>
  fiber: Fiber.Fiber<unknown, RequestError> | undefined
  /** The waiting POST, if any. */
  exchange: ClientExchange | undefined
  waiter: Deferred.Deferred<Outcome, RequestError> | undefined
  /** The call's end, when nobody waited for it. */
  exit: Exit.Exit<unknown, RequestError> | undefined
  asked: number
  /** What came while no POST waited. */
  backlog: Array<JsonRpcMessage>
  backlogBytes: number
  parkedUntil: Fiber.Fiber<void> | undefined
}

/** Of one call at a time: more is no question but a flood. */
const maxQuestions = 100

/** How long is waited for more questions after one. */
const breath = "20 millis"

const maxBacklog = 256

/** Of a call that has ended and waits to be fetched, beside its exit. */
const callBytes = 1_024

const tooMany = {
  code: rpcCodes.internal,
  message: "Too many questions of this call wait for an answer"
}

const noRoom = {
  code: rpcCodes.internal,
  message:
    "There is no room for more that calls of this user keep until their clients ask for it (an eighth of MAX_MEMORY_PER_USER)"
}

/** In place of an answer that there was no room for. */
const notKept = (server: string): AnswerLost =>
  new AnswerLost({
    server,
    message: `Server ${server} answered while no request waited for it, and there was no room to keep the answer (an eighth of MAX_MEMORY_PER_USER is for calls that wait for their clients); what the call did is done`
  })

const weightOfExit = (exit: Exit.Exit<unknown, RequestError>): number => {
  if (Exit.isFailure(exit)) {
    const error = Cause.squash(exit.cause)
    return Predicate.isTagged(error, "UpstreamErrorResponse")
      ? weightOf((error as { readonly data?: unknown }).data)
      : 0
  }
  return exit.value instanceof RawJson ? exit.value.byteLength : weightOf(exit.value)
}

const lost = new InvalidParams({
  message: "The call this requestState belongs to has ended; send the request anew without it"
})

export interface ParkedOptions {
  /** Makes room for one call in its user's memory. */
  readonly claim: () => Claim
}

export const make = Effect.fnUntraced(function* ({ claim }: ParkedOptions) {
  const session = yield* Effect.scope
  const runFork = yield* FiberSet.makeRuntime<never, void>()
  const jobs = new Map<string, Job>()

  /** Nothing of it is found or held any more. */
  const drop = (job: Job): void => {
    jobs.delete(job.id)
    job.claim.end()
  }

  const finish = (job: Job, exit: Exit.Exit<unknown, RequestError>): void => {
    const { waiter } = job
    if (waiter === undefined) {
      job.exit = job.claim.hold(callBytes + weightOfExit(exit)) ? exit : Exit.fail(notKept(job.server))
      return
    }
    job.waiter = undefined
    drop(job)
    Deferred.doneUnsafe(
      waiter,
      Exit.map(exit, (result): Outcome => ({ kind: "result", result }))
    )
  }

  const tell = (job: Job): void => {
    const waiter = job.waiter
    if (waiter === undefined || job.questions.size === 0 || job.exit !== undefined) return
    job.waiter = undefined
    const inputRequests: Record<string, unknown> = {}
    for (const [key, { message }] of job.questions) {
      inputRequests[key] =
        message.params === undefined ? { method: message.method } : { method: message.method, params: message.params }
    }
    Deferred.doneUnsafe(waiter, Exit.succeed<Outcome>({ kind: "asked", inputRequests, job: job.id }))
  }

  const kill = (job: Job): Effect.Effect<void> =>
    Effect.suspend(() => {
      drop(job)
      return job.fiber === undefined ? Effect.void : Fiber.interrupt(job.fiber)
    })

  /** One round: the POST waits for the next outcome. */
  const round = Effect.fnUntraced(function* (job: Job, exchange: ClientExchange) {
    const waiter = Deferred.makeUnsafe<Outcome, RequestError>()
    job.exchange = exchange
    job.waiter = waiter
    for (const message of job.backlog) exchange.send(message)
    job.claim.release(job.backlogBytes)
    job.backlog = []
    job.backlogBytes = 0
    const exit = job.exit
    if (exit !== undefined) finish(job, exit)
    else tell(job)
    const outcome = yield* Deferred.await(waiter)
    job.exchange = undefined
    if (outcome.kind === "asked") {
      job.parkedUntil = yield* kill(job).pipe(Effect.delay(stateLifeMs), Effect.forkIn(session))
    }
    return outcome
  })

  /** Whatever moment the POST is interrupted in, it takes its call with it: nobody else waits for it. */
  const owned = <A>(job: Job, effect: Effect.Effect<A, RequestError>) => Effect.onInterrupt(effect, () => kill(job))

  /** The question is answered or taken back. */
  const settle = (job: Job, key: string): void => {
    job.claim.release(job.questions.get(key)?.bytes ?? 0)
    job.questions.delete(key)
  }

  const asking = (job: Job): Ask => ({
    question: (message, reply) => {
      if (job.questions.size >= maxQuestions) return reply(failure(message.id, tooMany))
      const bytes = weightOf(message.params)
      if (!job.claim.hold(bytes)) return reply(failure(message.id, noRoom))
      const key = `${message.method.split("/")[0]}-${++job.asked}`
      job.questions.set(key, { bytes, message, reply })
      // Questions asked in one breath go out together; they may come in several packets.
      runFork(
        Effect.delay(
          Effect.sync(() => tell(job)),
          breath
        )
      )
    },
    withdraw: (upstreamId) => {
      for (const [key, { message }] of job.questions) if (isSameId(message.id, upstreamId)) settle(job, key)
    },
    send: (message) => {
      if (job.exchange !== undefined) return job.exchange.send(message)
      const bytes = weightOf(message)
      if (job.backlog.length >= maxBacklog || !job.claim.hold(bytes)) return false
      job.backlog.push(message)
      job.backlogBytes += bytes
      return true
    }
  })

  const start: ParkedCalls["start"] = (server, exchange, run, waits) =>
    Effect.suspend(() => {
      const job: Job = {
        id: randomUUID(),
        server,
        waits,
        claim: claim(),
        questions: new Map(),
        fiber: undefined,
        exchange,
        waiter: undefined,
        exit: undefined,
        asked: 0,
        backlog: [],
        backlogBytes: 0,
        parkedUntil: undefined
      }
      jobs.set(job.id, job)
      const started = run(asking(job)).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            // The fiber's end between rounds waits here for the retry, up to the park limit.
            if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) drop(job)
            finish(job, exit)
          })
        ),
        Effect.forkIn(session),
        Effect.flatMap((fiber) => {
          job.fiber = fiber
          return round(job, exchange)
        })
      )
      return owned(job, started)
    })

  const resume: ParkedCalls["resume"] = (id, exchange, inputResponses, waits) =>
    Effect.suspend(() => {
      const job = jobs.get(id)
      // A second retry while the first one still waits is not the one the state was given to.
      if (job === undefined || job.waiter !== undefined) return lost
      const stopClock = job.parkedUntil === undefined ? Effect.void : Fiber.interrupt(job.parkedUntil)
      job.parkedUntil = undefined
      for (const [key, answer] of Object.entries(inputResponses)) {
        const question = job.questions.get(key)
        if (question === undefined) continue
        settle(job, key)
        question.reply(response(question.message, answer))
      }
      const next = Effect.andThen(stopClock, round(job, exchange))
      const wait = { kind: "server", server: job.server, via: () => job.waits } as const
      return owned(job, waiting(waits, wait, next))
    })

  yield* Effect.addFinalizer(() => Effect.forEach([...jobs.values()], kill, { discard: true }))

  const end: ParkedCalls["end"] = (server) =>
    Effect.suspend(() =>
      Effect.forEach(
        [...jobs.values()].filter((job) => job.server === server),
        kill,
        { concurrency: "unbounded", discard: true }
      )
    )

  return { start, resume, end, parked: () => jobs.size } satisfies ParkedCalls
})

/** A client's answer is the result object itself; anything else is told to the upstream as the error it is. */
const response = (asked: JsonRpcRequest, answer: unknown): JsonRpcResponse =>
  Predicate.isObject(answer)
    ? success(asked.id, answer)
    : failure(asked.id, {
        code: rpcCodes.invalidParams,
        message: "The client answered with something else than an object"
      })
