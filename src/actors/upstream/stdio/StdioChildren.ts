/**
 * The child processes of this hub: how many live, whose they are, and what ends them if the hub itself is killed.
 *
 * A hub that dies without a word (SIGKILL, out of memory) closes its children's stdin, which ends a proper MCP server.
 * For the others one watchdog process per hub (`/bin/sh`, only on POSIX) holds the list of their process groups and
 * waits for the end of its own stdin: then it sends them SIGTERM and, a second later, SIGKILL. One for all instead of
 * one per child, because a wrapper around each child would itself be left behind as a zombie under a first process
 * that does not reap.
 *
 * Read by the metrics; written by `UpstreamStdio`.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import process from "node:process"
import { type Fork, Guard } from "../../../domain/Guard.ts"
import type { Spawn } from "../spawner/ChildCommand.ts"
import * as ChildSpawner from "../spawner/ChildSpawner.ts"

export interface ChildSlot {
  /** The process that fills the slot, leader of its group: watched from here on. */
  readonly fill: (pid: number) => void
}

export class StdioChildren extends Context.Service<
  StdioChildren,
  {
    /** A place for one child, taken before it starts and given back after it is gone. */
    readonly slot: Effect.Effect<ChildSlot, never, Scope.Scope>
    readonly spawn: Spawn
    /** Counts a line on a child's stdout that is no JSON-RPC message, or belongs to nothing. */
    readonly countNoise: () => void
    readonly live: () => number
    /** Since the hub started. */
    readonly started: () => number
    readonly noise: () => number
    /** The processes on the watchdog's list. */
    readonly pids: () => ReadonlyArray<number>
  }
>()("mcphub/actors/upstream/stdio/StdioChildren") {
  static readonly layer: Layer.Layer<StdioChildren> = Layer.effect(
    StdioChildren,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const watchdog = yield* Effect.acquireRelease(
    Effect.contextWith((services: Context.Context<never>) =>
      Effect.sync(() => makeWatchdog(Effect.runForkWith(services)))
    ),
    (watchdog) => Effect.sync(watchdog.close)
  )
  const spawn = yield* ChildSpawner.make
  let live = 0
  let started = 0
  let noise = 0

  const take = Effect.sync(() => {
    let filled: number | undefined
    live++
    return {
      fill: (pid: number) => {
        filled = pid
        started++
        watchdog.add(pid)
      },
      release: () => {
        live--
        if (filled !== undefined) watchdog.remove(filled)
      }
    }
  })

  return StdioChildren.of({
    slot: Effect.acquireRelease(take, (slot) => Effect.sync(slot.release)),
    spawn,
    countNoise: () => {
      noise++
    },
    live: () => live,
    started: () => started,
    noise: () => noise,
    pids: watchdog.pids
  })
})

/** Keeps a list from `+ pid` and `- pid` lines; at the end of input ends the groups still on it. */
const watchdogScript = `
list=" "
while read -r op pid; do
  case "$op" in
    +) list="$list$pid " ;;
    -) case "$list" in *" $pid "*) list="\${list%% $pid *} \${list#* $pid }" ;; esac ;;
  esac
done
[ "$list" = " " ] && exit 0
for pid in $list; do kill -TERM "-$pid"; done
sleep 1
for pid in $list; do kill -KILL "-$pid"; done
`

interface Watchdog {
  readonly add: (pid: number) => void
  readonly remove: (pid: number) => void
  readonly pids: () => ReadonlyArray<number>
  readonly close: () => void
}

const makeWatchdog = (fork: Fork): Watchdog => {
  const pids = new Set<number>()
  let shell: ChildProcess | undefined

  /** The watchdog, started with the first child and again should it have died. */
  const running = (): ChildProcess | undefined => {
    if (shell !== undefined || process.platform === "win32") return shell
    const started = spawn("/bin/sh", ["-c", watchdogScript], {
      // A group of its own, so that what ends the hub's group does not end it too.
      detached: true,
      cwd: "/",
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
      stdio: ["pipe", "ignore", "ignore"]
    })
    const gone = () => {
      if (shell === started) shell = undefined
    }
    const guard = new Guard(fork, { breakOff: gone })
    guard.once(started, "error", gone)
    guard.once(started, "exit", gone)
    started.stdin.on("error", () => {})
    started.unref()
    ;(started.stdin as { readonly unref?: () => void }).unref?.()
    shell = started
    for (const pid of pids) started.stdin.write(`+ ${pid}\n`)
    return started
  }

  return {
    add: (pid) => {
      const already = running()
      pids.add(pid)
      already?.stdin?.write(`+ ${pid}\n`)
    },
    remove: (pid) => {
      pids.delete(pid)
      shell?.stdin?.write(`- ${pid}\n`)
    },
    pids: () => [...pids],
    close: () => void shell?.stdin?.end()
  }
}
