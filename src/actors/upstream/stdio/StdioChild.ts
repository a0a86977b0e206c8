/**
 * One child process that speaks lines on stdin and stdout, in a process group of its own, gone when its scope closes.
 *
 * Why `node:child_process` and not `effect/process`: the latter's spawner waits for every member of the group, and a zombie
 * nobody reaps counts as a member. In a container whose first process does not reap orphans that costs six seconds
 * for each close of a server that was started through `npx` or `sh`. Here only the leader is waited for; stragglers
 * get a short grace and then SIGKILL, which needs no waiting.
 *
 * What leaves the group on its own (`setsid`) is out of reach. On Windows only the child itself is ended.
 */
import { type Context, Deferred, Effect, Schema, type Scope } from "effect"
import type { Readable } from "node:stream"
import { type Fork, Guard, type Subject } from "../../../domain/Guard.ts"
import type { JsonRpcSuccess } from "../../../domain/protocol/JsonRpc.ts"
import type { OutgoingMessage } from "../../../domain/protocol/json/CarriedJson.ts"
import { onOneLine } from "../../../domain/protocol/json/RawJson.ts"
import { unitsOfBytes } from "../../limits/FairShare.ts"
import { PacedReading, type PacedSource } from "../connection/PacedReading.ts"
import { type ChildCommand, type RunningChild, signalGroup, type Spawn } from "../spawner/ChildCommand.ts"
import * as NdjsonDecoder from "./NdjsonDecoder.ts"
import * as StderrTail from "./StderrTail.ts"

/** The process could not be started. `code` is the operating system's, e.g. `ENOENT`. */
export class SpawnFailed extends Schema.TaggedError<SpawnFailed>()("SpawnFailed", {
  code: Schema.String,
  message: Schema.String
}) {}

export interface ExitStatus {
  readonly code: number | null
  readonly signal: string | null
}

export interface StdioChildOptions extends ChildCommand {
  /** See `ChildSpawner`. */
  readonly spawn: Spawn
  /** Whose child it is, for the log of a defect that ends it. */
  readonly subject: Subject
  readonly maxLineBytes: number
  /** Bytes that may wait for a child that does not read. */
  readonly maxStdinBytes: number
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly killAfterMs: number
  /** See `NdjsonOptions`; these return the units that the line costs. */
  readonly onLine: (line: string) => number
  readonly onAnswer?: (answer: JsonRpcSuccess) => number
  /** What reading it costs the user for whom it is read, see `FairShare.spend`. */
  readonly spend: PacedSource<unknown>["spend"]
  readonly room?: NdjsonDecoder.NdjsonOptions["room"]
  readonly onOverflow: NdjsonDecoder.NdjsonOptions["onOverflow"]
}

export interface StdioChild {
  readonly pid: number
  /**
   * Queues one line (without newline) for stdin; false when it was refused because too much waits or stdin is gone. With
   * `isLast`, what the line carries is let go of once it has been written.
   */
  readonly send: (line: OutgoingMessage, isLast?: boolean) => boolean
  /** Succeeds when the process has exited and everything it wrote has been read. */
  readonly exited: Effect.Effect<ExitStatus>
  readonly stderr: () => ReadonlyArray<string>
  /** Nothing that it has written is dealt with any more. */
  readonly stop: () => void
}

/** Milliseconds for the rest of the group once its leader is gone, and for output that a grandchild keeps open. */
const stragglerMs = 250
const pollMs = 10
/** The bytes that what has arrived at once counts for at least: its arrival alone costs as much as that many. */
const leastChunk = 1_024
/** What is written to stderr is cut into lines that nobody may ever read: it costs this many times its bytes. */
const wordsFactor = 4

export const open = (options: StdioChildOptions): Effect.Effect<StdioChild, SpawnFailed, Scope.Scope> =>
  Effect.contextWith((services: Context.Context<never>) => {
    const fork = Effect.runForkWith(services)
    return Effect.acquireRelease(start(options, fork), (child) => terminate(child, options, fork)).pipe(
      Effect.map((child) => attach(child, options, fork)),
      Effect.tap(({ stop }) => Effect.addFinalizer(() => Effect.sync(stop)))
    )
  })

const start = (options: StdioChildOptions, fork: Fork) =>
  Effect.callback<RunningChild, SpawnFailed>((resume) => {
    // Node's own error for an argument it refuses quotes the value: only the code is passed on.
    const fail = (cause: unknown) => {
      const code = String((cause as NodeJS.ErrnoException | undefined)?.code ?? "unknown")
      resume(Effect.fail(new SpawnFailed({ code, message: `The process could not be started (${code})` })))
    }
    try {
      const { args, command, cwd, env } = options
      const child = options.spawn({ args, command, cwd, env })
      const guard = new Guard(fork, { breakOff: () => signalGroup(child, "SIGKILL") }, options.subject)
      guard.once(child, "error", fail)
      guard.once(child, "spawn", () => resume(Effect.succeed(child)))
    } catch (cause) {
      fail(cause)
    }
  })

const attach = (child: RunningChild, options: StdioChildOptions, fork: Fork): StdioChild => {
  const exited = Deferred.makeUnsafe<ExitStatus>()
  // The connection ends with its process, and with it all that was in flight.
  const guard = new Guard(fork, { breakOff: () => signalGroup(child, "SIGKILL") }, options.subject)
  const stderr = StderrTail.make()
  const { onAnswer } = options
  const paced = <Line>(pipe: Readable, handle: (line: Line) => number): PacedReading<Line> =>
    new PacedReading({
      handle,
      spend: (units, goOn) => options.spend(units, () => guard.run(goOn)),
      pause: () => void pipe.pause(),
      resume: () => void pipe.resume()
    })
  const lines = paced(child.stdout, (line: string | JsonRpcSuccess) =>
    typeof line === "string" ? options.onLine(line) : onAnswer!(line)
  )
  const words = paced(child.stderr, () => 0)
  const stdout = NdjsonDecoder.make({
    ...options,
    onLine: (line) => lines.push(line),
    onAnswer: onAnswer === undefined ? undefined : (answer) => lines.push(answer)
  })
  guard.on(child.stdout, "data", (chunk: Buffer) => {
    stdout.push(chunk)
    lines.owe(unitsOfBytes(Math.max(chunk.length, leastChunk)))
  })
  guard.on(child.stderr, "data", (chunk: Buffer) => {
    stderr.push(chunk.subarray(-StderrTail.maxBytes))
    words.owe(wordsFactor * unitsOfBytes(Math.max(chunk.length, leastChunk)))
  })
  // What came before anybody listened has stopped the flow.
  for (const output of [child.stdout, child.stderr]) output.resume()
  // A broken pipe is the child's end or its closing of stdin; both show elsewhere, and unheard they would be thrown.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on("error", () => {})
  child.on("error", () => {})

  const done = () => {
    try {
      stdout.end()
    } finally {
      const status = { code: child.exitCode, signal: child.signalCode }
      lines.afterAll(() => Deferred.doneUnsafe(exited, Effect.succeed(status)))
    }
  }
  guard.once(child, "close", done)
  // A grandchild may hold the pipes open long after the child itself is gone.
  const onExit = () => void guard.after(stragglerMs, done)
  if (hasExited(child)) onExit()
  else guard.once(child, "exit", onExit)
  // Without stdin nothing can be asked any more: the process is ended, so that its state says so.
  guard.once(child.stdin, "close", () => {
    if (!hasExited(child)) signalGroup(child, "SIGTERM")
  })

  return {
    pid: child.pid!,
    send: (line, isLast) => {
      const { stdin } = child
      const length = typeof line === "string" ? line.length : line.byteLength
      if (!stdin.writable || stdin.writableLength + length > options.maxStdinBytes) return false
      if (typeof line === "string") stdin.write(`${line}\n`)
      else {
        for (const piece of line.pieces()) stdin.write(onOneLine(piece))
        stdin.write("\n", isLast === true ? () => guard.run(() => line.release()) : undefined)
      }
      return true
    },
    exited: Deferred.await(exited),
    stderr: stderr.lines,
    stop: () => {
      lines.stop()
      words.stop()
    }
  }
}

const hasExited = (child: RunningChild) => child.exitCode !== null || child.signalCode !== null

/** SIGTERM, the leader's time to leave, a short grace for the rest of its group, SIGKILL. Native time bounds it. */
const terminate = (child: RunningChild, options: StdioChildOptions, fork: Fork) =>
  Effect.callback<void>((resume) => {
    const { killAfterMs } = options
    const started = performance.now()
    let leaderGone: number | undefined
    let killed: number | undefined

    const poll = () => {
      const now = performance.now()
      if (leaderGone === undefined && hasExited(child)) leaderGone = now
      if (leaderGone !== undefined && !signalGroup(child, 0)) return finish()
      if (killed !== undefined) {
        // Nothing survives SIGKILL: what is still listed is a zombie, or waits in the kernel.
        if (now - killed > (leaderGone === undefined ? 1_000 : 100)) return finish()
      } else if (now - started > killAfterMs || (leaderGone !== undefined && now - leaderGone > stragglerMs)) {
        killed = now
        signalGroup(child, "SIGKILL")
      }
      noPoll = guard.after(pollMs, poll)
    }
    const onExit = () => {
      if (finished) return
      noPoll()
      poll()
    }
    const finish = () => {
      finished = true
      noPoll()
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy()
      resume(Effect.void)
    }

    const guard = new Guard(fork, { breakOff: finish }, options.subject)
    let noPoll = (): void => {}
    let finished = false
    if (!signalGroup(child, "SIGTERM") && hasExited(child)) return finish()
    guard.once(child, "exit", onExit)
    poll()
  })
