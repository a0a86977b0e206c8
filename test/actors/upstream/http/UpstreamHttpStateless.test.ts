/** The connection to a server of revision 2026-07-28, against the SDK's own server of that revision on a real socket. */
import { assert, describe, it } from "@effect/vitest"
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server"
import { Deferred, Effect } from "effect"
import { createServer, type IncomingHttpHeaders, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { z } from "zod"
import * as UpstreamHttpStateless from "../../../../src/actors/upstream/http/UpstreamHttpStateless.ts"
import type { CallContext, UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { metaKeys } from "../../../../src/domain/protocol/eras/RequestMeta.ts"
import { callTool, contextOf, layer } from "../support/HttpCalls.ts"

interface Seen {
  readonly headers: IncomingHttpHeaders
  readonly body: { readonly method: string; readonly params: { readonly _meta: Record<string, unknown> } }
}

const reference = Effect.fnUntraced(function* (options: { readonly modernOnly?: boolean } = {}) {
  const seen: Array<Seen> = []
  const listening = yield* Deferred.make<void>()
  const hanging = yield* Deferred.make<void>()
  const aborted = yield* Deferred.make<void>()
  const handler = createMcpHandler(
    () => {
      const mcp = new McpServer(
        { name: "reference", version: "1" },
        { capabilities: { tools: { listChanged: true }, resources: { subscribe: true } } }
      )
      mcp.registerTool("add", { inputSchema: z.object({ a: z.number() }) }, ({ a }) => ({
        content: [{ type: "text", text: String(a + 1) }]
      }))
      mcp.registerTool("work", {}, async (extra) => {
        const progressToken = extra.mcpReq._meta?.progressToken
        if (progressToken !== undefined) {
          await extra.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: 1 } })
        }
        return { content: [{ type: "text", text: "worked" }] }
      })
      mcp.registerTool("hang", {}, (extra) => {
        Deferred.doneUnsafe(hanging, Effect.void)
        return new Promise((_, reject) =>
          extra.mcpReq.signal.addEventListener("abort", () => {
            Deferred.doneUnsafe(aborted, Effect.void)
            reject(new Error("aborted"))
          })
        )
      })
      return mcp
    },
    options.modernOnly === true ? { legacy: "reject" } : {}
  )
  const server = yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const http = createServer(async (request, response) => {
        const chunks: Array<Buffer> = []
        for await (const chunk of request) chunks.push(chunk as Buffer)
        const text = Buffer.concat(chunks).toString()
        const body = JSON.parse(text) as Seen["body"]
        seen.push({ headers: request.headers, body })
        const gone = new AbortController()
        response.once("close", () => gone.abort())
        const answer = await handler.fetch(
          new Request(`http://127.0.0.1${request.url}`, {
            method: "POST",
            headers: request.headers as Record<string, string>,
            body: text,
            signal: gone.signal
          })
        )
        response.writeHead(answer.status, Object.fromEntries(answer.headers))
        if (body.method === "subscriptions/listen") Deferred.doneUnsafe(listening, Effect.void)
        if (answer.body !== null) {
          const reader = answer.body.getReader()
          response.once("close", () => void reader.cancel().catch(() => undefined))
          for (let part = await reader.read(); !part.done; part = await reader.read()) response.write(part.value)
        }
        response.end()
      })
      http.listen(0, "127.0.0.1", () => resume(Effect.succeed(http)))
    }),
    (http) =>
      Effect.callback<void>((resume) => {
        http.close(() => resume(Effect.void))
        http.closeAllConnections()
      })
  )
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  return { url, seen, handler, listening, hanging, aborted }
})

const connect = (url: string, context: CallContext, onMessage: (message: UpstreamMessage) => void = () => {}) =>
  UpstreamHttpStateless.connect({
    name: "reference",
    config: { url },
    protocolVersion: "2026-07-28",
    clientCapabilities: { elicitation: {} },
    clientInfo: { name: `client-of-${context.principal.username}`, version: "1" },
    context,
    onMessage
  })

const textOf = (result: unknown): string => (result as { content: Array<{ text: string }> }).content[0]!.text

describe("an upstream of revision 2026-07-28", () => {
  it.live("two users' calls each say who asks, in body and headers, and neither carries the other's name", () =>
    Effect.gen(function* () {
      const server = yield* reference({ modernOnly: true })
      const ada = yield* connect(server.url, contextOf("ada"))
      const bo = yield* connect(server.url, contextOf("bo"))
      assert.strictEqual(ada.era, "stateless")
      assert.isFalse(ada.stateful)
      assert.strictEqual(ada.info.protocolVersion, "2026-07-28")
      assert.strictEqual(ada.info.serverInfo["name"], "reference")
      server.seen.length = 0
      assert.strictEqual(textOf(yield* callTool(ada, contextOf("ada"), "add", { a: 1 })), "2")
      assert.strictEqual(textOf(yield* callTool(bo, contextOf("bo"), "add", { a: 2 })), "3")
      const calls = server.seen.filter(({ body }) => body.method === "tools/call")
      assert.deepStrictEqual(
        calls.map(({ body }) => (body.params._meta[metaKeys.clientInfo] as { name: string }).name),
        ["client-of-ada", "client-of-bo"]
      )
      for (const [index, { body, headers }] of calls.entries()) {
        const other = index === 0 ? "bo" : "ada"
        assert.strictEqual(headers["mcp-method"], "tools/call")
        assert.strictEqual(headers["mcp-name"], "add")
        assert.strictEqual(headers["mcp-protocol-version"], "2026-07-28")
        assert.isUndefined(headers["mcp-session-id"])
        assert.strictEqual(body.params._meta[metaKeys.protocolVersion], "2026-07-28")
        assert.notInclude(JSON.stringify([body, headers]), `client-of-${other}`)
        assert.notInclude(JSON.stringify([body, headers]), `id-${other}`)
      }
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("progress comes under the caller's own token", () =>
    Effect.gen(function* () {
      const server = yield* reference()
      const ada = yield* connect(server.url, contextOf("ada"))
      const got: Array<UpstreamMessage> = []
      yield* callTool(
        ada,
        contextOf("ada"),
        "work",
        {},
        {
          meta: { progressToken: "mine" },
          onMessage: (message) => void got.push(message)
        }
      )
      assert.deepStrictEqual(
        got.map(({ params }) => params!["progressToken"]),
        ["mine"]
      )
      assert.notInclude(JSON.stringify(server.seen.map(({ body }) => body)), "mine")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("cancelling a call closes its stream and says nothing more", () =>
    Effect.gen(function* () {
      const server = yield* reference()
      const ada = yield* connect(server.url, contextOf("ada"))
      yield* Effect.raceFirst(callTool(ada, contextOf("ada"), "hang"), Deferred.await(server.hanging))
      yield* Deferred.await(server.aborted)
      assert.isFalse(server.seen.some(({ body }) => body.method === "notifications/cancelled"))
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a change of the list arrives on the subscription, without its mark", () =>
    Effect.gen(function* () {
      const server = yield* reference()
      const changed = yield* Deferred.make<UpstreamMessage>()
      const ada = yield* connect(
        server.url,
        contextOf("ada"),
        (message) => void Deferred.doneUnsafe(changed, Effect.succeed(message))
      )
      yield* ada.listen!(["file:///a"], contextOf("ada"))
      server.handler.notify.resourceUpdated("file:///a")
      const message = yield* Deferred.await(changed)
      assert.strictEqual(message.method, "notifications/resources/updated")
      assert.deepStrictEqual(message.params, { uri: "file:///a" })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
