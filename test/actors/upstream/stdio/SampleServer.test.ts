import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import process from "node:process"
import { sampleCommand } from "../../../../src/cli/sample/SampleCommand.ts"
import { success, type JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import type {
  CallContext,
  UpstreamConnection,
  UpstreamMessage
} from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import * as ChildSpawner from "../../../../src/actors/upstream/spawner/ChildSpawner.ts"
import * as StdioChild from "../../../../src/actors/upstream/stdio/StdioChild.ts"
import { connect, contextOf, layer } from "../support/StdioCalls.ts"

const request = (
  connection: UpstreamConnection,
  context: CallContext,
  method: string,
  params: JsonObject,
  onMessage: (message: UpstreamMessage) => void = () => {}
) => connection.request({ method, params, context, onMessage }) as Effect.Effect<any, any>

const call = (connection: UpstreamConnection, context: CallContext, name: string, args: JsonObject = {}) =>
  request(connection, context, "tools/call", { name, arguments: args })

describe("the sample server", () => {
  it.live("remembers for each user apart, and shows the user's ids and no more", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const bo = contextOf("bo")
      const adas = yield* connect(sampleCommand(), ada)
      const bos = yield* connect(sampleCommand(), bo)
      yield* call(adas, ada, "set-context", { project: "apollo" })
      yield* call(adas, ada, "add-note", { text: "only for ada" })
      const seenByAda = (yield* call(adas, ada, "get-data")).structuredContent
      const seenByBo = (yield* call(bos, bo, "get-data")).structuredContent
      assert.deepInclude(seenByAda, { project: "apollo", calls: 2 })
      assert.deepInclude(seenByBo, { project: null, calls: 1 })
      assert.notStrictEqual(seenByAda.pid, seenByBo.pid)
      assert.deepStrictEqual((yield* call(bos, bo, "list-notes")).structuredContent, { notes: [] })
      const who = (yield* call(adas, ada, "whoami")).structuredContent
      assert.strictEqual(who.MCPHUB_USER_ID, ada.principal.userId)
      assert.isTrue(Object.keys(who).every((name) => name.startsWith("MCPHUB_")))
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("offers its notes as resources and a prompt with completion", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const seen: Array<string> = []
      const connection = yield* connect(sampleCommand(), ada, { onMessage: ({ method }) => void seen.push(method) })
      yield* call(connection, ada, "add-note", { text: "buy milk" })
      assert.deepStrictEqual(seen, ["notifications/resources/list_changed"])
      const read = yield* request(connection, ada, "resources/read", { uri: "notes://1" })
      assert.strictEqual(read.contents[0].text, "buy milk")
      const all = yield* request(connection, ada, "resources/read", { uri: "notes://all" })
      assert.include(all.contents[0].text, "buy milk")
      const listed = yield* request(connection, ada, "resources/list", {})
      assert.deepStrictEqual(
        listed.resources.map((resource: { uri: string }) => resource.uri),
        ["notes://all", "notes://1"]
      )
      const templates = yield* request(connection, ada, "resources/templates/list", {})
      assert.strictEqual(templates.resourceTemplates[0].uriTemplate, "notes://{id}")
      const completed = yield* request(connection, ada, "completion/complete", {
        ref: { type: "ref/prompt", name: "summarise-notes" },
        argument: { name: "style", value: "ha" }
      })
      assert.deepStrictEqual(completed.completion.values, ["haiku"])
      const prompt = yield* request(connection, ada, "prompts/get", {
        name: "summarise-notes",
        arguments: { style: "haiku" }
      })
      assert.include(prompt.messages[0].content.text, "buy milk")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("counts down with progress and log lines, and asks a client that can answer", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(sampleCommand(), ada)
      const seen: Array<UpstreamMessage> = []
      const counted = yield* request(
        connection,
        ada,
        "tools/call",
        { name: "countdown", arguments: { from: 2, stepMs: 0 }, _meta: { progressToken: "mine" } },
        (message) => void seen.push(message)
      )
      assert.strictEqual(counted.content[0].text, "Lift-off")
      const progress = seen.filter(({ method }) => method === "notifications/progress")
      assert.deepStrictEqual(
        progress.map(({ params }) => [params?.["progressToken"], params?.["progress"]]),
        [
          ["mine", 1],
          ["mine", 2]
        ]
      )
      assert.lengthOf(
        seen.filter(({ method }) => method === "notifications/message"),
        2
      )

      const services = yield* Effect.context<never>()
      const answered = yield* request(
        connection,
        ada,
        "tools/call",
        { name: "ask", arguments: { question: "Tea or coffee?" } },
        (message) => {
          assert.strictEqual(message.params?.["message"], "Tea or coffee?")
          const answer = success((message as { id: number }).id, { action: "accept", content: { answer: "tea" } })
          Effect.runForkWith(services)(connection.respond(answer, ada))
        }
      )
      assert.strictEqual(answered.content[0].text, "You said: tea")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("does not ask a client that cannot answer", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(sampleCommand(), ada, { clientCapabilities: {} })
      const asked: Array<string> = []
      const answer = yield* request(
        connection,
        ada,
        "tools/call",
        { name: "ask", arguments: { question: "?" } },
        ({ method }) => void asked.push(method)
      )
      assert.isTrue(answer.isError)
      assert.include(answer.content[0].text, "did not declare")
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("speaks 2026-07-28 to a client that opens with it", () =>
    Effect.gen(function* () {
      const answers = yield* Queue.unbounded<any>()
      const child = yield* StdioChild.open({
        spawn: yield* ChildSpawner.make,
        ...sampleCommand(),
        subject: { server: "sample" },
        env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "" },
        cwd: process.cwd(),
        maxLineBytes: 1_000_000,
        maxStdinBytes: 1_000_000,
        killAfterMs: 1_000,
        onLine: (line) => {
          Queue.offerUnsafe(answers, JSON.parse(line))
          return 0
        },
        onOverflow: () => {},
        spend: () => undefined
      })
      const _meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" }
      }
      const ask = (id: number, method: string, params: JsonObject) => {
        child.send(JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta } }))
        return Queue.take(answers)
      }
      const discovered = yield* ask(1, "server/discover", {})
      assert.include(discovered.result.supportedVersions, "2026-07-28")
      yield* ask(2, "tools/call", { name: "set-context", arguments: { project: "apollo" } })
      const data = yield* ask(3, "tools/call", { name: "get-data", arguments: {} })
      assert.deepInclude(data.result.structuredContent, { project: "apollo", calls: 2 })
    }).pipe(Effect.scoped)
  )
})
