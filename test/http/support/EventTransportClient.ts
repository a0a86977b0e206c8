/**
 * A client of the HTTP+SSE transport as bare as the transport: one stream, and POSTs to the address in its first event.
 */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { McpClient, type HubUser, type RunningHub } from "../../../src/testkit/index.ts"

export interface Opening {
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What the key alone makes: such clients send no Accept. */
export const headersOf = ({ key }: Pick<HubUser, "key">): Record<string, string> => {
  const { authorization, "content-type": type } = McpClient.clientHeaders(key)
  return { authorization: authorization!, "content-type": type! }
}

export const get = (hub: RunningHub, user: Pick<HubUser, "key">, { headers, path = "/sse" }: Opening = {}) =>
  hub.http.open({ method: "GET", path, headers: { ...headersOf(user), accept: "text/event-stream", ...headers } })

/** Opens the stream, and no session yet. */
export const open = Effect.fnUntraced(function* (hub: RunningHub, user: Pick<HubUser, "key">, opening: Opening = {}) {
  const stream = yield* get(hub, user, opening)
  assert.strictEqual(stream.status, 200)
  const first = yield* Effect.orDie(stream.event)
  assert.strictEqual(first.event, "endpoint")
  const endpoint = first.data
  const id = new URL(endpoint, hub.url).searchParams.get("sessionId")!
  let ids = 0

  const post = (message: object, headers: Readonly<Record<string, string>> = headersOf(user)) =>
    hub.http.send({ path: endpoint, headers, body: JSON.stringify(message) })
  const next: Effect.Effect<any> = Effect.orDie(stream.next)

  const answerTo = (asked: unknown): Effect.Effect<any> =>
    Effect.flatMap(next, (message) => (message.id === asked ? Effect.succeed(message) : answerTo(asked)))

  const send = (method: string, params?: object) =>
    post({ jsonrpc: "2.0", id: ++ids, method, ...(params === undefined ? {} : { params }) })

  /** The result or error of a request; what came before it is skipped. */
  const request = Effect.fnUntraced(function* (method: string, params?: object) {
    const answer = yield* send(method, params)
    assert.deepStrictEqual([answer.status, answer.text], [202, "Accepted"])
    const response = yield* answerTo(ids)
    return response.result ?? response.error
  })

  return {
    ...stream,
    endpoint,
    id,
    post,
    next,
    answerTo,
    send,
    request,
    callTool: (name: string, args: object = {}) =>
      Effect.map(request("tools/call", { name, arguments: args }), (result) => result.structuredContent ?? result)
  }
})

export type EventClient = Effect.Success<ReturnType<typeof open>>

export const introduction = (protocolVersion: string, capabilities: object = {}) => ({
  protocolVersion,
  capabilities,
  clientInfo: { name: "old", version: "1.0.0" }
})

/** Opens the stream and a session on it. */
export const connect = Effect.fnUntraced(function* (
  hub: RunningHub,
  user: Pick<HubUser, "key">,
  opening: Opening & { readonly protocolVersion?: string } = {}
) {
  const client = yield* open(hub, user, opening)
  const welcome = yield* client.request("initialize", introduction(opening.protocolVersion ?? "2024-11-05"))
  yield* client.post({ jsonrpc: "2.0", method: "notifications/initialized" })
  return { ...client, welcome }
})
