import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Logging from "../../../../src/actors/observing/Logging.ts"
import { LogOutput, LogSink } from "../../../../src/actors/observing/LogOutput.ts"
import { RequestLog } from "../../../../src/actors/observing/RequestLog.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

/** A hub that writes its log where the test reads it. */
const start = Effect.gen(function* () {
  let text = ""
  const sink = Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => void (text += chunk)) })
  const output = Layer.fresh(LogOutput.layer).pipe(Layer.provide(sink))
  const replace = Layer.mergeAll(Layer.fresh(RequestLog.layer), Logging.layer({ level: "Info" })).pipe(
    Layer.provideMerge(output)
  )
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: { fail: (call) => call.error(-32000, `\u001b[31mforged\nline canary-ada-github ${"x".repeat(5_000)}`) }
  })
  const hub = yield* TestHub.make({
    servers: { files: { url: upstream.url } },
    config: { logRequests: "all" },
    replace
  })
  return { hub, text: () => text }
})

// What a terminal, a log reader or a spreadsheet would take for something else than text.
const hostile =
  '\u001b[2J\u001b]0;owned\u0007\r\n{"time":"2026-01-01","level":"info","user":"bo"}\n\u009b31m\u2028\u0000=cmd'

describe("the log", () => {
  it.live(
    "A42, A02, A33: keeps one line a request, whatever a client or a server writes, and neither key nor token",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { hub, text } = yield* start
          const ada = yield* hub.connect(hub.ada, {
            clientInfo: { name: hostile, version: hostile },
            headers: { "user-agent": "Mozilla %1b[31m\tmcphub" }
          })
          const bo = yield* hub.connect(hub.bo)
          const post = (method: string, params: object) => ada.send({ jsonrpc: "2.0", id: 1, method, params })
          yield* post("tools/call", { name: hostile, arguments: { secret: "canary-argument" } })
          const failed = yield* post("tools/call", { name: "files-fail", arguments: {} })
          assert.include(failed.text, "forged")
          assert.notInclude(failed.text, "canary")
          yield* post(hostile, {})
          yield* post("resources/read", { uri: `file:///${hostile}` })
          yield* post("prompts/get", { name: hostile })
          yield* ada.notify(hostile, { secret: "canary-argument" })
          yield* bo.callTool("files-echo", { text: "canary-argument" })
          const key = Redacted.value(hub.bo.key)
          const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
          const headers = { "content-type": "application/json", "mcp-session-id": bo.sessionId }
          assert.strictEqual((yield* hub.http.send({ path: `/mcp?key=${key}`, headers, body })).status, 200)
          yield* hub.http.send({ path: `/mcp/%0a%1b[31m?key=${key}`, headers, body })
          return { text, ids: [hub.ada.user.id, hub.bo.user.id] }
        })
      ).pipe(
        // The hub has stopped, and what it had to say is written.
        Effect.map(({ ids, text }) => {
          const lines = text()
            .split("\n")
            .filter((line) => line !== "")
          const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
          const requests = parsed.filter(({ msg }) => msg === "request")
          assert.isAtLeast(requests.length, 8)
          for (const { userId } of requests) assert.include(ids, userId)
          // eslint-disable-next-line no-control-regex
          assert.notMatch(lines.join(""), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
          assert.notMatch(text(), /mcphub_[0-9a-f]{16}|canary/)
          for (const line of lines) assert.isBelow(line.length, 4_000)
          assert.isTrue(requests.some(({ target }) => String(target).includes("owned")))
          const forged = requests.filter(({ user }) => user === "bo").map(({ userId }) => userId)
          assert.deepStrictEqual([...new Set(forged)], [ids[1]])
        })
      )
  )
})
