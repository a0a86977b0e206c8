/**
 * Where log lines leave the process: collected for at most 100 ms or 512 lines, written as one chunk, in order, flushed
 * when the scope closes.
 *
 * A reader that is too slow costs lines and never memory or time: beyond 10 000 waiting lines new ones are dropped, and
 * a line saying how many follows.
 */
import { Clock, Context, Effect, Latch, Layer, Semaphore } from "effect"

const windowMs = 100
const batchLines = 512
const maxWaiting = 10_000

/** Writes one chunk of text; resolves when it was taken, which is what slows the writer down. */
export class LogSink extends Context.Service<LogSink, { readonly write: (chunk: string) => Effect.Effect<void> }>()(
  "mcphub/actors/LogOutput/LogSink"
) {
  /** The standard error stream: standard output stays for what a command prints. */
  static readonly layerStderr = Layer.sync(LogSink, () => LogSink.of({ write: (chunk) => writeTo(process.stderr, chunk) }))
  static readonly layerStdout = Layer.sync(LogSink, () => LogSink.of({ write: (chunk) => writeTo(process.stdout, chunk) }))
}

/** A closed pipe ends nothing: the chunk is lost, the hub runs on. */
const writeTo = (stream: NodeJS.WriteStream, chunk: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const failed = () => resume(Effect.void)
    stream.once("error", failed)
    stream.write(chunk, () => {
      stream.off("error", failed)
      resume(Effect.void)
    })
  })

export class LogOutput extends Context.Service<
  LogOutput,
  {
    /** Takes one line, without its newline. Never blocks, never fails. */
    readonly line: (text: string) => void
    /** Writes what waits; resolves when the sink has it. */
    readonly flush: Effect.Effect<void>
  }
>()("mcphub/actors/LogOutput") {
  static readonly layer: Layer.Layer<LogOutput, never, LogSink> = Layer.effect(
    LogOutput,
    Effect.gen(function* () {
      const sink = yield* LogSink
      const clock = yield* Clock.Clock
      const oneAtATime = Semaphore.makeUnsafe(1)
      const filled = Latch.makeUnsafe(false)
      const full = Latch.makeUnsafe(false)
      let waiting: Array<string> = []
      let dropped = 0

      const flush = oneAtATime.withPermit(
        Effect.suspend(() => {
          filled.closeUnsafe()
          full.closeUnsafe()
          if (waiting.length === 0) return Effect.void
          const lines = waiting
          waiting = []
          if (dropped > 0) {
            const time = new Date(clock.currentTimeMillisUnsafe()).toISOString()
            lines.push(JSON.stringify({ time, level: "warn", msg: "Log lines were dropped, the reader is too slow", dropped }))
            dropped = 0
          }
          return sink.write(`${lines.join("\n")}\n`)
        })
      )

      yield* Effect.addFinalizer(() => flush)
      yield* filled.await.pipe(
        Effect.andThen(Effect.raceFirst(Effect.sleep(windowMs), full.await)),
        Effect.andThen(flush),
        Effect.forever,
        Effect.forkScoped
      )

      return {
        line: (text) => {
          if (waiting.length >= maxWaiting) {
            dropped++
            return
          }
          const length = waiting.push(text)
          if (length === 1) filled.openUnsafe()
          else if (length === batchLines) full.openUnsafe()
        },
        flush
      }
    })
  )

  static readonly layerStderr = LogOutput.layer.pipe(Layer.provide(LogSink.layerStderr))
  static readonly layerStdout = LogOutput.layer.pipe(Layer.provide(LogSink.layerStdout))
}
