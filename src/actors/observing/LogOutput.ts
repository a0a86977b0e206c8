/**
 * The way of log lines out of the process: collected for at most 100 ms or 512 lines, written as one chunk, in order,
 * flushed when the scope closes.
 *
 * A reader that is too slow costs lines and never memory or time: beyond 10 000 waiting lines new ones are dropped, and
 * a line saying how many follows.
 */
import { writeSync } from "node:fs"
import { Clock, Context, Effect, Latch, Layer, Semaphore } from "effect"

const windowMs = 100
const batchLines = 512
const maxWaiting = 10_000
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
    /** Takes one line, without its newline. Never blocks, never fails. */
    readonly line: (text: string) => void
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
      let waiting: Array<string> = []
      let dropped = 0
      let lost = 0

      const flush = oneAtATime.withPermit(
        Effect.suspend(() => {
          filled.closeUnsafe()
          full.closeUnsafe()
          if (waiting.length === 0) return Effect.void
          const lines = waiting
          const count = lines.length + dropped
          waiting = []
          if (dropped > 0) {
            const time = new Date(clock.currentTimeMillisUnsafe()).toISOString()
            lines.push(
              JSON.stringify({
                time,
                level: "warn",
                msg: "Log lines were lost: the reader is too slow, or what they are written to is full",
                dropped
              })
            )
          }
          const written = lines.length - (dropped > 0 ? 1 : 0)
          dropped = 0
          return Effect.map(sink.write(`${lines.join("\n")}\n`), (taken) => {
            if (taken !== false) return
            lost += written
            // What could not be written is told with the first lines that can.
            dropped += count
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
        line: (text) => {
          if (waiting.length >= maxWaiting) {
            dropped++
            lost++
            return
          }
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
