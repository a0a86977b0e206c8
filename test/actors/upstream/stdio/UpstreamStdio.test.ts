import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Logger, Queue, Scope } from "effect"
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { Environment } from "../../../../src/domain/config/Environment.ts"
import { success } from "../../../../src/domain/protocol/JsonRpc.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { StdioChildren } from "../../../../src/actors/upstream/stdio/StdioChildren.ts"
import type { UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { config } from "../../../../src/testkit/ScriptedStdioUpstream.ts"
import { isAlive } from "../../../support/ProcessTable.ts"
import { callTool, connect, contextOf, layer, tellingChildren } from "../support/StdioCalls.ts"

describe("two users of one stdio server", () => {
  it.live("each have a process and a state of their own (defect 2)", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const bo = contextOf("bo")
      const adas = yield* connect(config(), ada)
      const bos = yield* connect(config(), bo)
      yield* callTool(adas, ada, "set-context", { project: "secret-of-ada" })
      yield* callTool(bos, bo, "set-context", { project: "garden-of-bo" })
      const [seenByAda, seenByBo] = yield* Effect.all(
        [callTool(adas, ada, "get-data"), callTool(bos, bo, "get-data")],
        { concurrency: 2 }
      )
      assert.strictEqual(seenByAda.project, "secret-of-ada")
      assert.strictEqual(seenByBo.project, "garden-of-bo")
      assert.notInclude(JSON.stringify(seenByBo), "ada")
      assert.notStrictEqual(seenByAda.pid, seenByBo.pid)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("end apart: closing one's connection ends that process and leaves the other's at work (defect 34)", () =>
    Effect.gen(function* () {
      const children = yield* StdioChildren
      const ada = contextOf("ada")
      const bo = contextOf("bo")
      const adasScope = yield* Scope.make()
      const adas = yield* Scope.provide(connect(config(), ada), adasScope)
      const bos = yield* connect(config(), bo)
      const adasPid = (yield* callTool(adas, ada, "pid")).pid
      assert.strictEqual(children.live(), 2)
      const waiting = yield* Effect.forkChild(Effect.flip(callTool(adas, ada, "hang")))
      yield* callTool(adas, ada, "echo", { text: "the hanging call is in flight" })

      yield* Scope.close(adasScope, Exit.void)
      assert.isFalse(isAlive(adasPid))
      const failure = yield* Fiber.join(waiting)
      assert.strictEqual(failure._tag, "UpstreamFailed")
      assert.include(yield* adas.closed, "closed")
      assert.strictEqual(children.live(), 1)
      assert.strictEqual(yield* callTool(bos, bo, "echo", { text: "still here" }), "still here")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("A33: are not told the token that their process writes into its error, in words or in data", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada", { SCRIPTED_TOKEN: "canary-ada-0001" })
      const bo = contextOf("bo", { SCRIPTED_TOKEN: "canary-bo-0001" })
      const entry = config({}, { env: { API_TOKEN: "${USER_SCRIPTED_TOKEN}" } })
      const adas = yield* connect(entry, ada)
      const bos = yield* connect(entry, bo)
      // An unknown tool is named in the error's data.
      const failure = yield* Effect.flip(callTool(adas, ada, "canary-ada-0001"))
      assert.deepInclude(failure, { code: -32602, data: { tool: "<redacted>" } })
      // What is no secret of bo's process stays as it was written.
      const other = yield* Effect.flip(callTool(bos, bo, "canary-ada-0001"))
      assert.deepInclude(other, { code: -32602, data: { tool: "canary-ada-0001" } })
      const refused = yield* Effect.flip(
        connect(config({ refuse: "bad token canary-ada-0001" }, { env: { API_TOKEN: "${USER_SCRIPTED_TOKEN}" } }), ada)
      )
      assert.include(JSON.stringify(refused), "bad token <redacted>")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("start with their own token and never the hub's secrets or each other's (defect 18)", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada", { SCRIPTED_TOKEN: "canary-ada-0001", GITHUB_TOKEN: "canary-ada-0002" })
      const bo = contextOf("bo", { SCRIPTED_TOKEN: "canary-bo-0001" })
      const entry = config({}, { env: { API_TOKEN: "${USER_SCRIPTED_TOKEN}", MODE: "plain" } })
      const adasEnv = yield* Effect.flatMap(connect(entry, ada), (adas) => callTool(adas, ada, "env"))
      const bosEnv = yield* Effect.flatMap(connect(entry, bo), (bos) => callTool(bos, bo, "env"))

      assert.strictEqual(adasEnv.API_TOKEN, "canary-ada-0001")
      assert.strictEqual(bosEnv.API_TOKEN, "canary-bo-0001")
      assert.strictEqual(adasEnv.MODE, "plain")
      assert.strictEqual(adasEnv.MCPHUB_USER_ID, ada.principal.userId)
      assert.strictEqual(bosEnv.MCPHUB_USER_ID, bo.principal.userId)
      assert.strictEqual(adasEnv.MCPHUB_SOURCE_SERVER, "scripted")
      // Not entitled: nothing in the entry names the GitHub token.
      assert.notInclude(JSON.stringify(adasEnv), "canary-ada-0002")
      assert.notInclude(JSON.stringify(bosEnv), "canary-ada")
      assert.notInclude(JSON.stringify(adasEnv), "canary-bo")
      for (const env of [adasEnv, bosEnv]) {
        assert.notInclude(JSON.stringify(env), "canary-hub")
        assert.notProperty(env, "JWT_SECRET")
        assert.notProperty(env, "DATABASE_URL")
      }
    }).pipe(
      Effect.scoped,
      Effect.provide(layer()),
      Effect.provide(
        Layer.effect(
          Environment,
          // In the very environment of the hub's process too, where inheriting would find them.
          Effect.acquireRelease(
            Effect.sync(() =>
              Object.assign(process.env, { JWT_SECRET: "canary-hub-jwt", DATABASE_URL: "canary-hub-db" })
            ),
            () => Effect.sync(() => (delete process.env["JWT_SECRET"], delete process.env["DATABASE_URL"]))
          )
        )
      )
    )
  )

  it.live(
    "field A15: work in the folder that the settings name, which stays; one that is not there fails with its name",
    () =>
      Effect.gen(function* () {
        const ada = contextOf("ada")
        const bo = contextOf("bo")
        const named = realpathSync(mkdtempSync(join(tmpdir(), "mcphub-test-")))
        yield* Effect.gen(function* () {
          const [adas, bos] = yield* Effect.scoped(
            Effect.gen(function* () {
              const first = yield* Effect.flatMap(connect({ ...config(), cwd: named }, ada), (c) =>
                callTool(c, ada, "cwd")
              )
              const second = yield* Effect.flatMap(connect(config(), bo), (c) => callTool(c, bo, "cwd"))
              return [first, second] as const
            })
          )
          assert.strictEqual(adas.cwd, named)
          assert.notStrictEqual(bos.cwd, named)
          assert.isTrue(existsSync(named))
          const missing = join(named, "none")
          const error = yield* Effect.flip(Effect.scoped(connect({ ...config(), cwd: missing }, ada)))
          assert.strictEqual(error._tag, "UpstreamUnavailable")
          assert.include(error.message, missing)
        }).pipe(Effect.ensuring(Effect.sync(() => rmSync(named, { recursive: true }))))
      }).pipe(Effect.provide(layer()))
  )

  it.live("work in folders of their own, which are gone with the connection", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const bo = contextOf("bo")
      const [adas, bos] = yield* Effect.scoped(
        Effect.gen(function* () {
          const first = yield* Effect.flatMap(connect(config(), ada), (c) => callTool(c, ada, "cwd"))
          const second = yield* Effect.flatMap(connect(config(), bo), (c) => callTool(c, bo, "cwd"))
          for (const path of [first.cwd, first.tmp, second.cwd, second.tmp]) assert.isTrue(existsSync(path))
          return [first, second] as const
        })
      )
      assert.strictEqual(new Set([adas.cwd, adas.tmp, bos.cwd, bos.tmp, process.cwd()]).size, 5)
      for (const path of [adas.cwd, adas.tmp, bos.cwd, bos.tmp]) assert.isFalse(existsSync(path))
    }).pipe(Effect.provide(layer()))
  )
})

describe("the one channel of a stdio server", () => {
  it.live("carries each request under the request's own id, and never one the client made up", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config(), ada)
      const meta = yield* callTool(connection, ada, "meta", {}, { meta: { other: 1, "mcphub/requestId": "forged" } })
      assert.deepStrictEqual(meta, { other: 1, "mcphub/requestId": ada.requestId })
      const silent = yield* connect(config({}, { context: "none" }), ada)
      assert.deepStrictEqual(yield* callTool(silent, ada, "meta", {}, { meta: { "mcphub/requestId": "forged" } }), {})
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("passes the client's revision, capabilities and name on at initialize", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config(), ada, { protocolVersion: "2025-06-18" })
      const initialize = yield* callTool(connection, ada, "initialize")
      assert.strictEqual(initialize.protocolVersion, "2025-06-18")
      assert.deepStrictEqual(initialize.capabilities, { elicitation: {} })
      assert.deepStrictEqual(initialize.clientInfo, { name: "test", version: "1" })
      assert.strictEqual(connection.info.protocolVersion, "2025-06-18")
      const [initialized] = yield* callTool(connection, ada, "received")
      assert.strictEqual(initialized.method, "notifications/initialized")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("gives progress to the call it belongs to, under that client's own token", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config(), ada)
      // Two requests of two exchanges that chose the same token, as clients that count from 1 do.
      const call = (steps: number) =>
        Effect.gen(function* () {
          const seen: Array<UpstreamMessage> = []
          const onMessage = (message: UpstreamMessage) => void seen.push(message)
          yield* callTool(connection, ada, "progress", { steps }, { onMessage, meta: { progressToken: 1 } })
          return seen.map((message) => message.params)
        })
      const [two, three] = yield* Effect.all([call(2), call(3)], { concurrency: 2 })
      const expected = (steps: number) =>
        Array.from({ length: steps }, (_, i) => ({ progressToken: 1, progress: i + 1 }))
      assert.deepStrictEqual(two, expected(2))
      assert.deepStrictEqual(three, expected(3))
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("brings a request of the server to the only call in flight and its answer back", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const outside: Array<UpstreamMessage> = []
      const connection = yield* connect(config(), ada, { onMessage: (message) => void outside.push(message) })
      const asked = yield* Queue.unbounded<UpstreamMessage>()
      const onMessage = (message: UpstreamMessage) => void Queue.offerUnsafe(asked, message)
      const call = yield* Effect.forkChild(callTool(connection, ada, "ask", { message: "Which?" }, { onMessage }))
      const question = yield* Queue.take(asked)
      assert.strictEqual(question.method, "elicitation/create")
      assert.isTrue("id" in question)
      yield* connection.respond(success((question as { id: string }).id, { action: "accept" }), ada)
      assert.deepStrictEqual(yield* Fiber.join(call), { action: "accept" })
      assert.lengthOf(outside, 0)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("does not guess with several calls in flight: the message is the connection's unless it names its call", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const onConnection = yield* Queue.unbounded<UpstreamMessage>()
      const connection = yield* connect(config(), ada, { onMessage: (m) => void Queue.offerUnsafe(onConnection, m) })
      yield* Effect.forkChild(callTool(connection, ada, "hang"))
      const onCall = yield* Queue.unbounded<UpstreamMessage>()
      const ask = (related: boolean) => {
        const context = contextOf("ada")
        const onMessage = (message: UpstreamMessage) => void Queue.offerUnsafe(onCall, message)
        return Effect.forkChild(callTool(connection, context, "ask", { related }, { onMessage }))
      }
      const unnamed = yield* ask(false)
      const first = yield* Queue.take(onConnection)
      assert.strictEqual(yield* Queue.size(onCall), 0)
      yield* connection.respond(success((first as { id: string }).id, 1), ada)
      assert.strictEqual(yield* Fiber.join(unnamed), 1)

      const named = yield* ask(true)
      const second = yield* Queue.take(onCall)
      assert.strictEqual(yield* Queue.size(onConnection), 0)
      yield* connection.respond(success((second as { id: string }).id, 2), ada)
      assert.strictEqual(yield* Fiber.join(named), 2)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("keeps list changes for the connection, also while one call is in flight, and log lines for the call", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const outside: Array<string> = []
      const inside: Array<string> = []
      const connection = yield* connect(config(), ada, { onMessage: (message) => void outside.push(message.method) })
      const onMessage = (message: UpstreamMessage) => void inside.push(message.method)
      yield* callTool(connection, ada, "changed", {}, { onMessage })
      yield* callTool(connection, ada, "log", { text: "hello" }, { onMessage })
      assert.deepStrictEqual(outside, ["notifications/tools/list_changed"])
      assert.deepStrictEqual(inside, ["notifications/message"])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("answers the server's ping without troubling the client", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const seen: Array<UpstreamMessage> = []
      const connection = yield* connect(config(), ada, { onMessage: (message) => void seen.push(message) })
      assert.deepStrictEqual(yield* callTool(connection, ada, "ping"), {})
      assert.lengthOf(seen, 0)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B02: tells the server of a cancelled call, drops the late answer and counts it", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const ada = contextOf("ada")
      const connection = yield* connect(config(), ada)
      const late = yield* Effect.forkChild(callTool(connection, ada, "late", { ms: 60 }))
      yield* callTool(connection, ada, "echo", { text: "the late call has been sent" })
      yield* Fiber.interrupt(late)
      assert.lengthOf(yield* callTool(connection, ada, "cancelled"), 1)
      // Answers in order: this one comes after the late one, and is not given the late one's value.
      assert.strictEqual(yield* callTool(connection, ada, "late", { ms: 120 }), "late")
      assert.strictEqual((yield* tracker.systemStats).lateResponses, 1)
      assert.strictEqual(yield* callTool(connection, ada, "echo", { text: "own" }), "own")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B07: takes the first of two answers to one call and counts the second", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const ada = contextOf("ada")
      const connection = yield* connect(config(), ada)
      assert.strictEqual(yield* callTool(connection, ada, "twice"), "first")
      assert.strictEqual(yield* callTool(connection, ada, "echo", { text: "next" }), "next")
      assert.strictEqual((yield* tracker.systemStats).lateResponses, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B26: counts noise on stdout and carries on", () =>
    Effect.gen(function* () {
      const children = yield* StdioChildren
      const ada = contextOf("ada")
      const connection = yield* connect(config({ noise: true }), ada)
      assert.strictEqual(yield* callTool(connection, ada, "noise"), "after noise")
      assert.strictEqual(yield* callTool(connection, ada, "echo", { text: "fine" }), "fine")
      assert.isAtLeast(children.noise(), 6)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("fails the call whose answer is too large and serves the next", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config(), ada)
      const failure = yield* Effect.flip(callTool(connection, ada, "large", { bytes: 300_000 }))
      assert.strictEqual(failure._tag, "UpstreamFailed")
      assert.strictEqual(failure._tag === "UpstreamFailed" && failure.reason, "too-large")
      assert.lengthOf(yield* callTool(connection, ada, "large", { bytes: 10_000 }), 10_000)
    }).pipe(Effect.scoped, Effect.provide(layer({ config: { maxUpstreamBytes: 100_000 } })))
  )

  it.live("passes an error of the server on unchanged", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config(), ada)
      const failure = yield* Effect.flip(callTool(connection, ada, "no-such-tool"))
      assert.deepInclude(failure, { _tag: "UpstreamErrorResponse", code: -32602, message: "Unknown tool" })
      assert.deepStrictEqual(failure._tag === "UpstreamErrorResponse" && failure.data, { tool: "no-such-tool" })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("survives a receiver that throws, and logs the defect without the message", () => {
    const logged: Array<string> = []
    const logger = Logger.make(({ cause, message }) => void logged.push(`${String(message)} ${Cause.pretty(cause)}`))
    return Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config(), ada)
      const onMessage = () => {
        throw new Error("a defect of the receiver")
      }
      assert.strictEqual(yield* callTool(connection, ada, "log", { text: "canary" }, { onMessage }), "logged")
      assert.lengthOf(logged, 1)
      assert.notInclude(logged[0], "canary")
    }).pipe(Effect.scoped, Effect.provide(layer()), Effect.provide(Logger.layer([logger])))
  })

  it.live("B26: fails what is in flight when the process goes, says so, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const telling = yield* tellingChildren
      const services = yield* Layer.build(layer({ children: telling.layer }))
      const children = Context.get(services, StdioChildren)
      const ada = contextOf("ada")
      const connection = yield* Effect.provideContext(connect(config(), ada), services)
      const { pid } = yield* callTool(connection, ada, "pid")
      const { tmp } = yield* callTool(connection, ada, "cwd")
      const failure = yield* Effect.flip(callTool(connection, ada, "exit", { code: 3 }))
      assert.deepInclude(failure, { _tag: "UpstreamFailed", reason: "closed" })
      assert.include(yield* connection.closed, "exited with code 3")
      const refused = yield* Effect.flip(callTool(connection, ada, "echo", { text: "x" }))
      assert.deepInclude(refused, { _tag: "UpstreamUnavailable", reason: "exited" })
      // Cleaned up by the exit itself, the connection's scope being open still.
      yield* telling.cleanedUp
      assert.isFalse(isAlive(pid))
      assert.isFalse(existsSync(tmp))
      assert.strictEqual(children.live(), 0)
      assert.lengthOf(children.pids(), 0)
    }).pipe(Effect.scoped)
  )
})
