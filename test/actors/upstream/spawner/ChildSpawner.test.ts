import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import type { RunningChild, Spawn } from "../../../../src/actors/upstream/spawner/ChildCommand.ts"
import * as ChildSpawner from "../../../../src/actors/upstream/spawner/ChildSpawner.ts"
import { streamHead } from "../../../../src/actors/upstream/spawner/SpawnerMessages.ts"
import { childrenOf, gone, isAlive, isKnown } from "../../../support/ProcessTable.ts"

const env = { PATH: process.env["PATH"] ?? "" }

const started = (spawn: Spawn, command: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.callback<RunningChild, NodeJS.ErrnoException>((resume) => {
      const child = spawn({ command, args, env, cwd: "/" })
      child.once("error", (error: NodeJS.ErrnoException) => resume(Effect.fail(error)))
      child.once("spawn", () => resume(Effect.succeed(child)))
    }),
    (child) =>
      Effect.sync(() => {
        if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGKILL")
      })
  )

/** Everything until its end, and how it ended. */
const heard = (child: RunningChild) =>
  Effect.callback<{ readonly out: string; readonly words: string; readonly code: number | null }>((resume) => {
    let [out, words] = ["", ""]
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString())).resume()
    child.stderr.on("data", (chunk: Buffer) => (words += chunk.toString())).resume()
    child.once("close", (code: number | null) => resume(Effect.succeed({ out, words, code })))
  })

/** Spawners of this process. */
const spawners = () =>
  childrenOf(process.pid).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("child-spawner"))

describe("children started by the spawner", () => {
  it.live("have streams of their own, however many start at once, and hear no other user's", () =>
    Effect.gen(function* () {
      const spawn = yield* ChildSpawner.make
      const users = Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? `ada-${at}` : `bo-${at}`))
      const all = yield* Effect.forEach(
        users,
        (user) =>
          Effect.gen(function* () {
            const child = yield* started(
              spawn,
              "/bin/sh",
              "-c",
              `read line; echo "$line"; echo "words of $line" >&2; exit 3`
            )
            child.stdin.write(`${user}\n`)
            return yield* heard(child)
          }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        all,
        users.map((user) => ({ out: `${user}\n`, words: `words of ${user}\n`, code: 3 }))
      )
    }).pipe(Effect.scoped)
  )

  it.live("say what the operating system says of a program that cannot be started", () =>
    Effect.gen(function* () {
      const spawn = yield* ChildSpawner.make
      const code = (command: string) => Effect.map(Effect.flip(started(spawn, command)), (error) => error.code)
      assert.strictEqual(yield* code("/nowhere/no-such-program"), "ENOENT")
      assert.strictEqual(yield* code("/etc/passwd"), "EACCES")
    }).pipe(Effect.scoped)
  )

  it.live("hand on what they write before they end at once", () =>
    Effect.gen(function* () {
      const spawn = yield* ChildSpawner.make
      const line = "x".repeat(1_000)
      const child = yield* started(spawn, "/bin/sh", "-c", `for n in $(seq 100); do echo ${line}; done`)
      assert.strictEqual((yield* heard(child)).out, `${line}\n`.repeat(100))
    }).pipe(Effect.scoped)
  )
})

// Deno's processes take no sockets as streams: there the hub starts its children itself.
describe.skipIf(process.versions["deno"] !== undefined || !isKnown)("the spawner", () => {
  it.live("A89: its socket is closed to strangers, and to whoever names no child that is waited for", () =>
    Effect.gen(function* () {
      const before = new Set(readdirSync(tmpdir()))
      const spawn = yield* ChildSpawner.make
      const [name] = readdirSync(tmpdir()).filter((one) => one.startsWith("mcphub-streams-") && !before.has(one))
      const folder = join(tmpdir(), name!)
      assert.strictEqual(statSync(folder).mode & 0o777, 0o700)
      const stranger = (head: string) =>
        Effect.callback<string>((resume) => {
          let got = ""
          const socket = connect(join(folder, "s"), () => socket.write(`${head}and more`))
          socket.on("data", (chunk) => (got += chunk.toString()))
          socket.on("error", () => {})
          socket.once("close", () => resume(Effect.succeed(got)))
        })
      const nobody = "00000000-0000-4000-8000-000000000000"
      const [child, ...got] = yield* Effect.all(
        [
          // The first child waits for the spawner itself: strangers come before its own streams do.
          started(spawn, "/bin/cat"),
          ...[0, 1, 2].map((place) => stranger(streamHead(nobody, place))),
          stranger("x".repeat(37))
        ] as const,
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(got, ["", "", "", ""])
      child.stdin.end("still ada's\n")
      assert.strictEqual((yield* heard(child)).out, "still ada's\n")
    }).pipe(Effect.scoped)
  )

  it.live(
    "B47: takes its children along when it dies, which their owners hear of, and another one takes its place",
    () =>
      Effect.gen(function* () {
        const before = new Set(spawners())
        const spawn = yield* ChildSpawner.make
        const adas = yield* started(spawn, "/bin/cat")
        const [spawner] = spawners().filter((pid) => !before.has(pid))
        const ended = Effect.callback<string | null>((resume) => {
          adas.once("exit", (_: number | null, signal: string | null) => resume(Effect.succeed(signal)))
          process.kill(spawner!, "SIGKILL")
        })
        assert.strictEqual(yield* ended, "SIGKILL")
        yield* gone([adas.pid!])
        const bos = yield* started(spawn, "/bin/cat")
        assert.isTrue(isAlive(bos.pid!))
        bos.stdin.end("again\n")
        assert.strictEqual((yield* heard(bos)).out, "again\n")
      }).pipe(Effect.scoped)
  )

  it.live("ends with the scope of the hub, with its folder", () =>
    Effect.gen(function* () {
      const before = new Set(spawners())
      const names = () => readdirSync(tmpdir()).filter((one) => one.startsWith("mcphub-streams-"))
      const folders = names()
      const own = yield* Effect.gen(function* () {
        const spawn = yield* ChildSpawner.make
        const child = yield* started(spawn, "/bin/cat")
        child.stdin.end()
        yield* heard(child)
        return spawners().filter((pid) => !before.has(pid))
      }).pipe(Effect.scoped)
      assert.lengthOf(own, 1)
      yield* gone(own)
      assert.isEmpty(names().filter((one) => !folders.includes(one)))
    })
  )
})
