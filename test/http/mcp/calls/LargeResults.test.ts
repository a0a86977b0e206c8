import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import {
  type HubUser,
  type McpClient,
  type ScriptedCall,
  ScriptedHttpUpstream,
  ScriptedStdioUpstream,
  TestHub
} from "../../../../src/testkit/index.ts"
import * as EventTransportClient from "../../support/EventTransportClient.ts"
import { ask } from "../../support/StatelessClient.ts"

/** No serialiser writes it like this: white space, numbers no double can hold, escapes, a member named twice. */
const resultOf = (call: ScriptedCall, size = 70_000): string =>
  `{ "user":"${String(call.received.headers["x-mcphub-user-id"])}","exact":12345678901234567890,"huge":1e999,` +
  `"text":"gr\\u00f6ße 🌍","twice":1,"twice":2,"content":[{"type":"text","text":"${"x".repeat(size)}"}] }`

const written = (call: ScriptedCall, result: string): string =>
  `{"result":${result},"id":${JSON.stringify(call.id)},"jsonrpc":"2.0"}`

const asJson = (call: ScriptedCall, text: string) => call.body(200, "application/json", text)

const asEvent = (call: ScriptedCall, text: string) => {
  call.open()
  call.raw(`data: ${text}\n\n`)
  call.end()
}

const start = Effect.fnUntraced(function* (config: Partial<HubConfigShape> = {}) {
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      json: (call) => asJson(call, written(call, resultOf(call))),
      event: (call) => asEvent(call, written(call, resultOf(call))),
      huge: (call) => asJson(call, written(call, resultOf(call, 8_000_000))),
      lines: (call) => asJson(call, written(call, resultOf(call).replaceAll(",", ",\r\n  "))),
      progress: (call) => {
        const params = { progressToken: call.progressToken, progress: 1 }
        call.event({ jsonrpc: "2.0", method: "notifications/progress", params })
        asEvent(call, written(call, resultOf(call)))
      },
      broken: (call) => asJson(call, written(call, resultOf(call).slice(0, -1))),
      "broken-event": (call) => asEvent(call, written(call, resultOf(call).replace('"huge":', '"huge"'))),
      other: (call) => asJson(call, written(call, resultOf(call)).replace(/"id":\d+/, '"id":99')),
      error: (call) =>
        asJson(
          call,
          `{"jsonrpc":"2.0","id":${String(call.id)},"error":{"code":-1,"message":"${"canary-ada-github ".repeat(5_000)}"}}`
        )
    }
  })
  const hub = yield* TestHub.make({
    servers: { files: { url: upstream.url }, child: ScriptedStdioUpstream.config() },
    config
  })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { ada, bo, hub }
})

const request = (id: string | number, name: string, meta?: object) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: {}, ...(meta === undefined ? {} : { _meta: meta }) }
})

const send = (client: McpClient.McpClient, name: string) => client.send(request('the "same" id', name))

describe("a large result", () => {
  it.live("reaches each user as its server wrote it, under the client's own id", () =>
    Effect.gen(function* () {
      const { ada, bo, hub } = yield* start()
      for (const tool of ["json", "event", "huge"]) {
        const [adas, bos] = yield* Effect.all([send(ada, `files-${tool}`), send(bo, `files-${tool}`)], {
          concurrency: "unbounded"
        })
        const expected = (user: string) => {
          const call = { received: { headers: { "x-mcphub-user-id": user } } } as unknown as ScriptedCall
          return `{"jsonrpc":"2.0","id":"the \\"same\\" id","result":${resultOf(call, tool === "huge" ? 8_000_000 : undefined)}}`
        }
        assert.isTrue(adas.text === expected(hub.ada.user.id), tool)
        assert.isTrue(bos.text === expected(hub.bo.user.id), tool)
        assert.strictEqual(adas.headers["content-length"], String(Buffer.byteLength(adas.text)))
        assert.strictEqual(adas.headers["content-type"], "application/json")
      }
    })
  )

  it.live("is neither parsed nor serialised on its way", () =>
    Effect.gen(function* () {
      const { ada } = yield* start()
      const { parse, stringify } = JSON
      let largest = 0
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          JSON.parse = (text: string, ...rest) => {
            largest = Math.max(largest, text.length)
            return parse(text, ...rest) as unknown
          }
          JSON.stringify = ((...args: Parameters<typeof stringify>) => {
            const text = stringify(...args)
            largest = Math.max(largest, text?.length ?? 0)
            return text
          }) as typeof stringify
        }),
        () => Effect.sync(() => Object.assign(JSON, { parse, stringify }))
      )
      for (const tool of ["json", "event"]) assert.strictEqual((yield* send(ada, `files-${tool}`)).status, 200)
      assert.isAbove(largest, 0)
      assert.isBelow(largest, 70_000)
    })
  )

  it.live("is one event where messages precede it, also when it was written in lines", () =>
    Effect.gen(function* () {
      const { ada, bo, hub } = yield* start()
      for (const [client, user] of [
        [ada, hub.ada],
        [bo, hub.bo]
      ] as const) {
        const answer = yield* client.open(request(5, "files-progress", { progressToken: "mine" }))
        const [progress, last] = (yield* answer.rest) as ReadonlyArray<any>
        assert.deepStrictEqual(progress.params, { progressToken: "mine", progress: 1 })
        assert.deepStrictEqual([last.id, last.result.user, last.result.text], [5, user.user.id, "größe 🌍"])
        const lines = JSON.parse((yield* send(client, "files-lines")).text).result
        assert.deepStrictEqual([lines.user, lines.content[0].text.length], [user.user.id, 70_000])
      }
    })
  )

  it.live("leaves a stream that carries several whole and in one piece each, with small ones between them", () =>
    Effect.gen(function* () {
      const { hub } = yield* start()
      const tools = ["huge", "echo", "lines", "huge", "echo", "json"]
      const collect = Effect.fnUntraced(function* (user: HubUser) {
        const client = yield* EventTransportClient.connect(hub, user)
        const posts = tools.map((tool, id) => client.post(request(`call ${id}`, `files-${tool}`)))
        yield* Effect.all(posts, { concurrency: "unbounded" })
        const answers = new Map<string, any>()
        while (answers.size < tools.length) {
          const { id, result } = yield* client.next
          if (typeof id === "string") answers.set(id, result)
        }
        return tools.map((_, id) => answers.get(`call ${id}`))
      })
      const users = [hub.ada, hub.bo]
      for (const [at, results] of (yield* Effect.all(users.map(collect), { concurrency: "unbounded" })).entries()) {
        const id = users[at]!.user.id
        const shown = results.map(({ content, user }) => [user, content[0].text.length])
        const whole = (length: number) => [id, length]
        assert.deepStrictEqual(
          shown.filter((_, index) => tools[index] !== "echo"),
          [whole(8_000_000), whole(70_000), whole(8_000_000), whole(70_000)]
        )
      }
    })
  )

  it.live("stands beside others in a batch of revision 2025-03-26", () =>
    Effect.gen(function* () {
      const { hub } = yield* start()
      const old = yield* hub.connect(hub.ada, { protocolVersion: "2025-03-26" })
      const { text } = yield* old.send([request(1, "files-lines"), request(2, "files-echo"), request(3, "files-json")])
      const answers = (JSON.parse(text) as ReadonlyArray<any>).toSorted((a, b) => a.id - b.id)
      assert.deepStrictEqual(
        answers.map(({ id, result }) => [id, result.user]),
        [
          [1, hub.ada.user.id],
          [2, undefined],
          [3, hub.ada.user.id]
        ]
      )
    })
  )

  it.live("comes from a child process as well, and is whole to a client of 2026-07-28", () =>
    Effect.gen(function* () {
      const { ada, hub } = yield* start()
      const args = { name: "child-large", arguments: { bytes: 300_000 } }
      const result = yield* ada.request("tools/call", args)
      assert.include(JSON.stringify(result["content"]), "x".repeat(300_000))
      const child = yield* ask(hub.http, hub.ada, "tools/call", args)
      assert.deepStrictEqual(child.result.content, result["content"])
      const files = yield* ask(hub.http, hub.bo, "tools/call", { name: "files-json", arguments: {} })
      for (const { result } of [child, files]) {
        assert.strictEqual(result.resultType, "complete")
        assert.property(result._meta, "io.modelcontextprotocol/serverInfo")
      }
      assert.strictEqual(files.result.user, hub.bo.user.id)
    })
  )

  it.live("B06: that is no JSON, or another call's, fails that one call, and is not passed on", () =>
    Effect.gen(function* () {
      const { ada, bo } = yield* start()
      for (const tool of ["broken", "broken-event", "other"]) {
        const { text } = yield* send(ada, `files-${tool}`)
        assert.deepInclude(JSON.parse(text).error.data, { kind: "upstream_protocol", origin: "upstream" }, tool)
        assert.isBelow(text.length, 1_000)
        assert.strictEqual((yield* send(bo, "files-json")).status, 200)
      }
    })
  )

  it.live("A33, B08: neither hides a token in an error nor passes the limit", () =>
    Effect.gen(function* () {
      const { ada, bo } = yield* start({ maxUpstreamBytes: 150_000 })
      const failed = yield* send(ada, "files-error")
      assert.notInclude(failed.text, "canary-ada-github")
      assert.include(JSON.parse(failed.text).error.message, "<redacted> <redacted>")
      const refused = JSON.parse((yield* send(ada, "files-huge")).text)
      assert.strictEqual(refused.error.data.kind, "upstream_too_large")
      assert.strictEqual((yield* send(bo, "files-json")).status, 200)
    })
  )

  it.live("is of no more concern when its client has gone in the middle of it", () =>
    Effect.gen(function* () {
      const { ada, bo } = yield* start()
      const { abandon } = yield* ada.open(request(1, "files-huge"))
      yield* abandon
      for (const client of [ada, bo]) assert.strictEqual((yield* send(client, "files-huge")).status, 200)
    })
  )
})
