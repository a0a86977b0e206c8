/**
 * The program `mcphub`, on Node and Deno: binds the command line to the process and does nothing else.
 *
 * The first SIGINT or SIGTERM ends the command in order (a hub drains), the second ends the process at once.
 */
import process from "node:process"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Runtime } from "effect"
import { exitCodeOf, run } from "./cli/Cli.ts"

const args = process.argv.slice(2)

/** Milliseconds that printed output has to leave: its reader may stall. */
const lastLimitMs = 2_000

/** Exits once all output has left. */
const exit = (code: number): void => {
  setTimeout(() => process.exit(code), lastLimitMs)
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)))
}

// A reader that closes its pipe (`mcphub user ls | head -1`) is no failure, and no reason for a hub to stop.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})

/** Two signals within this time are one. */
const sameSignalMs = 300

const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  let first: number | undefined
  const onSignal = (): void => {
    const now = performance.now()
    // A signal to the whole group arrives twice: from the terminal or service manager, and from the launcher, which
    // passes it on.
    if (first !== undefined && now - first > sameSignalMs) process.exit(130)
    if (first !== undefined) return
    first = now
    fiber.interruptUnsafe(fiber.id)
  }
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  // Sockets that a library keeps alive must not keep the process alive: everything that matters closed with its scope.
  fiber.addObserver((result) => teardown(result, exit))
})

runMain(run(args).pipe(Effect.provide(NodeServices.layer)), {
  teardown: (result, onExit) => onExit(exitCodeOf(args, result))
})
