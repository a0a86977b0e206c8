/**
 * The way of log lines out of the process: collected for at most 100 ms or 512 lines, written as one chunk, in order,
 * flushed when the scope closes.
 *
 * A reader that is too slow costs lines and never memory or time: beyond 10 000 waiting lines new ones are dropped, and
 * a line saying how many follows. Lines about one user fill no more than a part of that (`SharedRoom`), so that they
 * take away neither the others' nor the hub's own.
 */
import { writeSync } from "node:fs"
import { Clock, Context, Effect, Latch, Layer, Semaphore } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { SharedRoom } from "../../domain/SharedRoom.ts"

const windowMs = 100
const batchLines = 512
const maxWaiting = 10_000
/** Users whose lost lines are told apart; those of more are told together. */
const mostTold = 20
/** How long the last lines may take to leave. */
const lastLimit = "2 seconds"

/**
 * A stream as a sink. A reader that has gone away ends nothing: what is written is lost, the hub runs on. The listener
 * must stay for that, since the stream reports the error after the write that met it.
 */
const toStream = (stream: NodeJS.WriteStream & { readonly fd: number }) =>
  Effect.gen(function* () {
    const ignore = () => {}
    yield* Effect.acquireRelease(
      Effect.sync(() => stream.on("error", ignore)),
      () => Effect.sync(() => stream.off("error", ignore))
    )
    // A file or device that refuses (a full disk) throws instead of calling back, and Deno's stream never calls back
    // again then: from there on it is written to without the stream, which for these does nothing else.
    let isDirect = false
    return LogSink.of({
      write: (chunk) =>
        Effect.callback<boolean>((resume) => {
          try {
            if (!isDirect) {
              return void stream.write(chunk, (error) => resume(Effect.succeed(error === null || error === undefined)))
            }
            writeSync(stream.fd, chunk)
            resume(Effect.succeed(true))
          } catch {
            isDirect = true
            resume(Effect.succeed(false))
          }
        })
    })
  })

/**
 * Writes one chunk of text; resolves when it was taken, which is what slows the writer down, or with false when it is
 * lost, e.g. because the disk is full.
 */
export class LogSink extends Context.Service<LogSink, { readonly write: (chunk: string) => Effect.Effect<unknown> }>()(
  "mcphub/actors/observing/LogOutput/LogSink"
) {
  /** The standard error stream: standard output stays for what a command prints. */
  static readonly layerStderr: Layer.Layer<LogSink> = Layer.effect(
    LogSink,
    Effect.suspend(() => toStream(process.stderr))
  )
  static readonly layerStdout: Layer.Layer<LogSink> = Layer.effect(
    LogSink,
    Effect.suspend(() => toStream(process.stdout))
  )
}

export class LogOutput extends Context.Service<
  LogOutput,
  {
    /** Takes one line, without its newline, and whose it is where it is about a user. Never blocks, never fails. */
    readonly line: (text: string, userId?: UserId) => void
    /** Writes what waits; resolves when the sink has it. */
    readonly flush: Effect.Effect<void>
    /** Lines lost since the start: dropped, or refused by the sink. */
    readonly lost: () => number
  }
>()("mcphub/actors/observing/LogOutput") {
  static readonly layer: Layer.Layer<LogOutput, never, LogSink> = Layer.effect(
    LogOutput,
    Effect.gen(function* () {
      const sink = yield* LogSink
      const clock = yield* Clock.Clock
      const oneAtATime = Semaphore.makeUnsafe(1)
      const filled = Latch.makeUnsafe(false)
      const full = Latch.makeUnsafe(false)
      const room = new SharedRoom(maxWaiting)
      let waiting: Array<string> = []
      /** Whose the waiting lines are. */
      let owners: Array<UserId | undefined> = []
      let dropped = new Map<UserId | undefined, number>()
      let lost = 0

      const drop = (userId: UserId | undefined, count: number): void => {
        const key = dropped.has(userId) || dropped.size < mostTold ? userId : undefined
        dropped.set(key, (dropped.get(key) ?? 0) + count)
      }

      const tellDropped = (): ReadonlyArray<string> => {
        const time = new Date(clock.currentTimeMillisUnsafe()).toISOString()
        const msg = "Log lines were lost: the reader is too slow, or what they are written to is full"
        return [...dropped].map(([userId, count]) =>
          JSON.stringify({ time, level: "warn", msg, dropped: count, userId })
        )
      }

      const flush = oneAtATime.withPermit(
        Effect.suspend(() => {
          filled.closeUnsafe()
          full.closeUnsafe()
          if (waiting.length === 0) return Effect.void
          const lines = waiting
          const written = lines.length
          const before = dropped
          for (const userId of owners) if (userId !== undefined) room.give(userId)
          lines.push(...tellDropped())
          waiting = []
          owners = []
          dropped = new Map()
          return Effect.map(sink.write(`${lines.join("\n")}\n`), (taken) => {
            if (taken !== false) return
            lost += written
            // What could not be written is told with the first lines that can.
            for (const [userId, count] of before) drop(userId, count)
            drop(undefined, written)
          })
        })
      )

      // A reader that stands still must not keep the hub from stopping.
      yield* Effect.addFinalizer(() => Effect.timeoutOption(Effect.interruptible(flush), lastLimit))
      yield* filled.await.pipe(
        Effect.andThen(Effect.raceFirst(Effect.sleep(windowMs), full.await)),
        Effect.andThen(flush),
        Effect.forever,
        Effect.forkScoped
      )

      return {
        line: (text, userId) => {
          if (waiting.length >= maxWaiting || (userId !== undefined && !room.take(userId))) {
            drop(userId, 1)
            lost++
            return
          }
          owners.push(userId)
          const length = waiting.push(text)
          if (length === 1) filled.openUnsafe()
          else if (length === batchLines) full.openUnsafe()
        },
        flush,
        lost: () => lost
      }
    })
  )

  static readonly layerStderr = LogOutput.layer.pipe(Layer.provide(LogSink.layerStderr))
  static readonly layerStdout = LogOutput.layer.pipe(Layer.provide(LogSink.layerStdout))
}
