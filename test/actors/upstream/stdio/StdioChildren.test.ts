import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { StdioChildren } from "../../../../src/actors/upstream/stdio/StdioChildren.ts"
import { config } from "../../../../src/testkit/ScriptedStdioUpstream.ts"
import { gone, isAlive } from "../../../support/ProcessTable.ts"
import { callTool, connect, contextOf, layer } from "../support/StdioCalls.ts"

describe("the processes of a closed connection", () => {
  it.live("B26: are killed when they ignore SIGTERM, and a proper one is not made to wait", () =>
    Effect.gen(function* () {
      const children = yield* StdioChildren
      const close = Effect.fnUntraced(function* (ignoreSigterm: boolean) {
        const ada = contextOf("ada")
        const scope = yield* Scope.make()
        const entry = config({ ignoreSigterm, ignoreStdinEnd: ignoreSigterm })
        const connection = yield* Scope.provide(connect(entry, ada), scope)
        const { pid } = yield* callTool(connection, ada, "pid")
        assert.isTrue(isAlive(pid))
        const started = performance.now()
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(isAlive(pid))
        return performance.now() - started
      })
      assert.isAtLeast(yield* close(true), 400)
      assert.isBelow(yield* close(false), 400)
      assert.strictEqual(children.live(), 0)
      assert.strictEqual(children.started(), 2)
    }).pipe(Effect.scoped, Effect.provide(layer({ stdio: { killAfterMs: 400 } })))
  )

  it.live("B26: include what the server itself has started, within a second", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const scope = yield* Scope.make()
      const connection = yield* Scope.provide(connect(config({ grandchild: true }), ada), scope)
      const { grandchild, pid } = yield* callTool(connection, ada, "pid")
      assert.isTrue(isAlive(grandchild))
      const started = performance.now()
      yield* Scope.close(scope, Exit.void)
      assert.isBelow(performance.now() - started, 1_000)
      assert.isFalse(isAlive(pid))
      yield* gone([grandchild])
    }).pipe(Effect.provide(layer()))
  )

  it.live("B26: include what a server that has exited left running", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config({ grandchild: true }), ada)
      const { grandchild } = yield* callTool(connection, ada, "pid")
      yield* Effect.exit(callTool(connection, ada, "exit", { code: 0 }))
      yield* connection.closed
      yield* gone([grandchild])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("a child that does not read its stdin", () => {
  it.live("is sent a bounded amount, after which calls are refused as unsent", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config(), ada)
      yield* callTool(connection, ada, "deaf")
      const text = "x".repeat(100_000)
      // 1 MB may wait, so of forty such calls most are refused; which ones is the pipe's affair.
      const calls = yield* Effect.forEach(Array.from({ length: 40 }), () =>
        Effect.forkChild(Effect.flip(callTool(connection, ada, "echo", { text })))
      )
      const last = yield* Fiber.join(calls[39]!)
      assert.deepInclude(last, { _tag: "UpstreamUnavailable", reason: "backoff" })
      yield* Fiber.interruptAll(calls)
    }).pipe(Effect.scoped, Effect.provide(layer({ stdio: { maxStdinBytes: 1_000_000, killAfterMs: 200 } })))
  )
})

describe("a hub that is killed", () => {
  it.live("B24: takes its children and theirs along, even those that ignore every polite sign", () =>
    Effect.gen(function* () {
      // What a killed hub cannot do any more is remove its folders: they go with this one.
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-killed-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const program = fileURLToPath(new URL("./programs/stdio-hub.ts", import.meta.url))
      const hub = spawn(process.execPath, process.versions["deno"] === undefined ? [program] : ["run", "-A", program], {
        env: { ...process.env, TMPDIR: folder },
        stdio: ["ignore", "pipe", "inherit"]
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => hub.kill("SIGKILL")))
      const line = yield* Effect.callback<string>((resume) => {
        createInterface({ input: hub.stdout }).once("line", (line) => resume(Effect.succeed(line)))
      })
      const pids = JSON.parse(line) as ReadonlyArray<number>
      assert.lengthOf(pids, 4)
      for (const pid of pids) assert.isTrue(isAlive(pid))
      hub.kill("SIGKILL")
      yield* gone(pids, "5 seconds")
    }).pipe(Effect.scoped)
  )
})
