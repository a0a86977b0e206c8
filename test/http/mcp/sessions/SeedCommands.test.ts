import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { type HubUser, type RunningHub, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

const run = promisify(execFile)

/** A command of the release notes, verbatim but for port and key. */
const releaseNotes = (hub: RunningHub, user: HubUser, session: string, id: number, method = "tools/list") =>
  Effect.promise(async () => {
    const { port } = new URL(hub.url)
    const command = `curl -X POST http://localhost:${port}/mcp \\
  -H "Content-Type: application/json" \\
  -H "Mcp-Session-Id: ${session}" \\
  -d '{"jsonrpc": "2.0", "id": ${id}, "method": "${method}"}' \\
  --url-query "key=${Redacted.value(user.key)}"`
    const { stdout } = await run("bash", ["-c", command])
    return JSON.parse(stdout) as { id: number; result?: { tools: ReadonlyArray<{ name: string }> }; error?: any }
  })

const start = Effect.fnUntraced(function* (sessionAdopt = true) {
  const upstream = yield* ScriptedHttpUpstream.make()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config: { sessionAdopt } })
  const call = (user: HubUser, label: string, name: string, args: object = {}) =>
    hub.http.send({
      path: `/mcp?key=${Redacted.value(user.key)}`,
      headers: { "content-type": "application/json", "mcp-session-id": label },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } })
    })
  const content = (answer: { readonly text: string }) => JSON.parse(answer.text).result.structuredContent
  return { upstream, hub, call, content }
})

describe("a session id of the client's own making", () => {
  it.live(
    "R35, defect 11: both commands of the release notes answer with the tools, each user in a session of their own",
    () =>
      Effect.gen(function* () {
        const { hub } = yield* start()
        const [ada, bo] = yield* Effect.all(
          [
            releaseNotes(hub, hub.ada, "session-user-a-$(date +%s)", 1),
            releaseNotes(hub, hub.bo, "session-user-b-$(date +%s)", 2)
          ],
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual([ada.id, bo.id], [1, 2])
        for (const { result } of [ada, bo])
          assert.include(
            result!.tools.map(({ name }) => name),
            "files-whoami"
          )
        const sessions = yield* Context.get(hub.services, Sessions).list
        assert.deepStrictEqual(sessions.map(({ adopted, username }) => [username, adopted]).sort(), [
          ["ada", true],
          ["bo", true]
        ])
      })
  )

  it.live("defect 29: is a label inside one user's namespace: the same label of another user is another session", () =>
    Effect.gen(function* () {
      const { call, content, hub, upstream } = yield* start()
      yield* call(hub.ada, "session-x", "files-set-context", { project: "apollo" })
      assert.deepInclude(content(yield* call(hub.bo, "session-x", "files-get-data")), { project: null })
      assert.deepInclude(content(yield* call(hub.ada, "session-x", "files-get-data")), { project: "apollo", count: 1 })
      assert.deepInclude(content(yield* call(hub.ada, "session-y", "files-get-data")), { project: null })
      assert.strictEqual(upstream.sessions.size, 3)
      // The label is the client's capability and never leaves the hub.
      assert.notInclude(JSON.stringify(upstream.received.map(({ headers }) => headers)), "session-x")
    })
  )

  it.live("is not adopted again once it has ended, and other users' labels live on", () =>
    Effect.gen(function* () {
      const { call, content, hub } = yield* start()
      for (const user of [hub.ada, hub.bo]) assert.strictEqual((yield* call(user, "label-1", "files-echo")).status, 200)
      const end = (user: HubUser) =>
        hub.http.send({
          method: "DELETE",
          path: `/mcp?key=${Redacted.value(user.key)}`,
          headers: { "mcp-session-id": "label-1" }
        })
      assert.strictEqual((yield* end(hub.ada)).status, 204)
      assert.strictEqual((yield* end(hub.ada)).status, 404)
      assert.strictEqual((yield* call(hub.ada, "label-1", "files-echo")).status, 404)
      assert.deepStrictEqual(content(yield* call(hub.bo, "label-1", "files-echo", { still: 1 })), { still: 1 })
      assert.strictEqual((yield* call(hub.ada, "label-2", "files-echo")).status, 200)
    })
  )

  it.live("opens one session however many requests bring it first, and none by GET or DELETE", () =>
    Effect.gen(function* () {
      const { call, hub, upstream } = yield* start()
      const answers = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => index),
        (index) => call(hub.ada, "first", "files-echo", { index }),
        { concurrency: "unbounded" }
      )
      answers.forEach((answer, index) =>
        assert.deepStrictEqual(JSON.parse(answer.text).result.structuredContent, { index })
      )
      assert.strictEqual(upstream.calls("initialize").length, 1)
      const get = yield* hub.http.send({
        method: "GET",
        path: `/mcp?key=${Redacted.value(hub.bo.key)}`,
        headers: { "mcp-session-id": "first" }
      })
      assert.strictEqual(get.status, 404)
      assert.strictEqual(Context.get(hub.services, Sessions).size(), 1)
    })
  )

  it.live("A24: SESSION_ADOPT=false answers 404, and so does an id that looks like one of the hub's", () =>
    Effect.gen(function* () {
      const off = yield* start(false)
      assert.strictEqual((yield* off.call(off.hub.ada, "session-user-a-1", "files-echo")).status, 404)
      const on = yield* start()
      const gone = yield* on.call(on.hub.ada, "6c6a8a2e-2b0f-4f6e-9d36-0b4c3f1f7c11", "files-echo")
      assert.strictEqual(gone.status, 404)
      assert.strictEqual((yield* on.call(on.hub.ada, "x".repeat(300), "files-echo")).status >= 400, true)
      assert.strictEqual(Context.get(on.hub.services, Sessions).size(), 0)
    })
  )
})
