/** The same client against the reference server of the MCP SDK, which nobody here wrote. */
import { assert, describe, it } from "@effect/vitest"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { type EventStore, StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import { Deferred, Effect } from "effect"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import type { JsonRpcId } from "../../../../src/domain/protocol/JsonRpc.ts"
import type { UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { callTool, connect, contextOf, layer } from "../support/HttpCalls.ts"

interface Reference {
  readonly url: string
  readonly aborted: Deferred.Deferred<void>
  readonly open: () => number
  readonly resumed: () => number
}

/** Events in the order they came; the SDK's example store orders those of one millisecond at random and then loses some. */
const eventStore = (): EventStore => {
  const events: Array<{ readonly stream: string; readonly message: Parameters<EventStore["storeEvent"]>[1] }> = []
  return {
    storeEvent: async (stream, message) => String(events.push({ stream, message }) - 1),
    replayEventsAfter: async (last, { send }) => {
      const { stream } = events[Number(last)]!
      for (let index = Number(last) + 1; index < events.length; index++) {
        const event = events[index]!
        if (event.stream === stream) await send(String(index), event.message)
      }
      return stream
    }
  }
}

const reference = Effect.fnUntraced(function* (json: boolean) {
  const transports = new Map<string, StreamableHTTPServerTransport>()
  const aborted = yield* Deferred.make<void>()
  let resumed = 0

  const begin = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      enableJsonResponse: json,
      retryInterval: 100,
      ...(json ? {} : { eventStore: eventStore() }),
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id)
    })
    const mcp = new McpServer({ name: "reference", version: "1" }, { capabilities: { logging: {} } })
    mcp.registerTool("work", {}, async (extra) => {
      const progressToken = extra._meta?.progressToken
      if (progressToken !== undefined) {
        await extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress: 1 } })
      }
      return { content: [{ type: "text", text: "worked" }] }
    })
    mcp.registerTool("ask", {}, async (extra) => {
      const answer = await mcp.server.elicitInput(
        { message: "Sure?", requestedSchema: { type: "object", properties: {} } },
        { relatedRequestId: extra.requestId }
      )
      return { content: [{ type: "text", text: answer.action }] }
    })
    mcp.registerTool("poll", {}, async (extra) => {
      extra.closeSSEStream?.()
      return { content: [{ type: "text", text: "polled" }] }
    })
    mcp.registerTool(
      "hang",
      {},
      (extra) =>
        new Promise(() => extra.signal.addEventListener("abort", () => Deferred.doneUnsafe(aborted, Effect.void)))
    )
    await mcp.connect(transport as Parameters<typeof mcp.connect>[0])
    return transport
  }

  const server = yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const listening = createServer(async (request, response) => {
        const id = request.headers["mcp-session-id"]
        if (request.headers["last-event-id"] !== undefined) resumed++
        const known = typeof id === "string" ? transports.get(id) : await begin()
        if (known !== undefined) return await known.handleRequest(request, response)
        response.writeHead(404).end()
      })
      listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
    }),
    (listening) =>
      Effect.callback<void>((resume) => {
        listening.close(() => resume(Effect.void))
        listening.closeAllConnections()
      })
  )
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  return { url, aborted, open: () => transports.size, resumed: () => resumed } satisfies Reference
})

const textOf = (result: unknown): string => (result as { content: Array<{ text: string }> }).content[0]!.text

describe("the reference server of the MCP SDK", () => {
  for (const json of [true, false]) {
    it.live(`lists, calls, cancels and takes leave (${json ? "JSON" : "event streams"})`, () =>
      Effect.gen(function* () {
        const server = yield* reference(json)
        yield* Effect.gen(function* () {
          const ada = yield* connect(server.url, contextOf("ada"))
          assert.strictEqual(ada.info.serverInfo["name"], "reference")
          const list = yield* ada.request({
            method: "tools/list",
            params: undefined,
            context: contextOf("ada"),
            onMessage: () => undefined
          })
          const names = (list as { tools: Array<{ name: string }> }).tools.map((tool) => tool.name)
          assert.deepStrictEqual(names, ["work", "ask", "poll", "hang"])
          const results = yield* Effect.forEach(
            Array.from({ length: 20 }),
            () => callTool(ada, contextOf("ada"), "work"),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(new Set(results.map(textOf)), new Set(["worked"]))
          yield* callTool(ada, contextOf("ada"), "hang").pipe(Effect.timeoutOption("200 millis"))
          yield* Deferred.await(server.aborted)
          assert.strictEqual(server.open(), 1)
        }).pipe(Effect.scoped)
        assert.strictEqual(server.open(), 0)
      }).pipe(Effect.scoped, Effect.provide(layer()))
    )
  }

  it.live("progress and elicitation come on the stream of their call", () =>
    Effect.gen(function* () {
      const server = yield* reference(false)
      const ada = yield* connect(server.url, contextOf("ada"))
      const got: Array<UpstreamMessage> = []
      yield* callTool(
        ada,
        contextOf("ada"),
        "work",
        {},
        { meta: { progressToken: "p" }, onMessage: (m) => void got.push(m) }
      )
      assert.deepStrictEqual(
        got.map((message) => message.params!["progressToken"]),
        ["p"]
      )
      const asked = yield* Deferred.make<JsonRpcId>()
      const [result] = yield* Effect.all(
        [
          callTool(
            ada,
            contextOf("ada"),
            "ask",
            {},
            {
              onMessage: (message) => {
                if (message.method === "elicitation/create" && "id" in message)
                  Deferred.doneUnsafe(asked, Effect.succeed(message.id))
              }
            }
          ),
          Effect.flatMap(Deferred.await(asked), (id) =>
            ada.respond({ jsonrpc: "2.0", id, result: { action: "decline" } }, contextOf("ada"))
          )
        ],
        { concurrency: "unbounded" }
      )
      assert.strictEqual(textOf(result), "decline")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("SEP-1699: a call whose stream it closes is resumed and answered", () =>
    Effect.gen(function* () {
      const server = yield* reference(false)
      const ada = yield* connect(server.url, contextOf("ada"))
      for (let times = 1; times <= 5; times++) {
        assert.strictEqual(textOf(yield* callTool(ada, contextOf("ada"), "poll")), "polled")
        assert.strictEqual(server.resumed(), times)
      }
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
