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

/**
 * A stream as a sink. A reader that has gone away ends nothing: what is written is lost, the hub runs on. The listener
 * must stay for that, since the stream reports the error after the write that met it.
 */
const toStream = (stream: NodeJS.WriteStream) =>
  Effect.gen(function* () {
    const ignore = () => {}
    yield* Effect.acquireRelease(
      Effect.sync(() => stream.on("error", ignore)),
      () => Effect.sync(() => stream.off("error", ignore))
    )
    return LogSink.of({
      write: (chunk) => Effect.callback((resume) => void stream.write(chunk, () => resume(Effect.void)))
    })
  })

/** Writes one chunk of text; resolves when it was taken, which is what slows the writer down. */
export class LogSink extends Context.Service<LogSink, { readonly write: (chunk: string) => Effect.Effect<void> }>()(
  "mcphub/actors/LogOutput/LogSink"
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
            lines.push(
              JSON.stringify({ time, level: "warn", msg: "Log lines were dropped, the reader is too slow", dropped })
            )
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
