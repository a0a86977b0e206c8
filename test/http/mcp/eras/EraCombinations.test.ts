/** An upstream's messages besides its answers, and cancellations that reach it, in all four pairings of eras. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import type { JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import { metaKeys } from "../../../../src/domain/protocol/eras/RequestMeta.ts"
import {
  type HubUser,
  type RawHttp,
  type RunningHub,
  type ScriptedCall,
  ScriptedHttpUpstream,
  TestHub
} from "../../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import { requestOf } from "../../support/StatelessClient.ts"

type Era = "stateful" | "stateless"

const progress = (call: ScriptedCall): void => {
  const { progressToken } = call
  call.event({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, progress: 1 } })
}

/** Says three things in the log and how far it is, and then answers. */
const talk = (call: ScriptedCall): void => {
  for (const level of ["debug", "info", "error"]) {
    call.event({ jsonrpc: "2.0", method: "notifications/message", params: { level, data: `${level} of the tool` } })
  }
  progress(call)
  call.result({ resultType: "complete", content: [] })
}

/** An upstream of the era with the tools `talk` and `hang`. */
const upstreamOf = Effect.fnUntraced(function* (era: Era) {
  const gone = yield* Deferred.make<void>()
  const tools = {
    talk,
    hang: (call: ScriptedCall) => {
      call.response.once("close", () => Deferred.doneUnsafe(gone, Effect.void))
      progress(call)
    }
  }
  if (era === "stateless") {
    const server = yield* StatelessUpstream.make({ tools })
    return {
      url: server.url,
      change: Effect.sync(() => server.changed("tools")),
      cancelled: Deferred.await(gone)
    }
  }
  const server = yield* ScriptedHttpUpstream.make({ tools })
  return {
    url: server.url,
    change: Effect.sync(() => server.push({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })),
    cancelled: Effect.asVoid(server.await(({ body }) => body?.method === "notifications/cancelled"))
  }
})

interface Client {
  /** Sends a tool call with a progress token of its own that wants to hear of warnings and worse. */
  readonly call: (name: string) => Effect.Effect<RawHttp.OpenAnswer>
  /** The stream on which lists are announced. */
  readonly stream: Effect.Effect<RawHttp.OpenAnswer>
  readonly cancel: (answer: RawHttp.OpenAnswer) => Effect.Effect<unknown>
}

const clientOf = Effect.fnUntraced(function* (era: Era, hub: RunningHub, user: HubUser) {
  if (era === "stateless") {
    const meta = { [metaKeys.logLevel]: "warning", progressToken: "mine" }
    return {
      call: (name) => hub.http.open(requestOf(user, "tools/call", { name, arguments: {} }, { meta })),
      stream: Effect.gen(function* () {
        const request = requestOf(user, "subscriptions/listen", { notifications: { toolsListChanged: true } })
        const stream = yield* hub.http.open(request)
        const acknowledged = (yield* stream.next) as { readonly method?: string }
        assert.strictEqual(acknowledged.method, "notifications/subscriptions/acknowledged")
        return stream
      }).pipe(Effect.orDie),
      cancel: (answer) => answer.abandon
    } satisfies Client
  }
  const client = yield* hub.connect(user)
  yield* client.request("logging/setLevel", { level: "warning" })
  const params = (name: string) => ({ name, arguments: {}, _meta: { progressToken: "mine" } })
  return {
    call: (name) => client.open({ jsonrpc: "2.0", id: name, method: "tools/call", params: params(name) }),
    stream: client.stream,
    cancel: () => client.notify("notifications/cancelled", { requestId: "files-hang" })
  } satisfies Client
})

const start = Effect.fnUntraced(function* (client: Era, server: Era) {
  const upstream = yield* upstreamOf(server)
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const [ada, bo] = [yield* clientOf(client, hub, hub.ada), yield* clientOf(client, hub, hub.bo)]
  return { ada, bo, upstream }
})

for (const client of ["stateful", "stateless"] as const) {
  for (const server of ["stateful", "stateless"] as const) {
    describe(`a ${client} client on a ${server} server`, () => {
      it.live("hears on its own call's stream how far the call is and what it logs, and on no other", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* start(client, server)
          const heard = yield* Effect.all(
            [ada, bo].map((one) => Effect.flatMap(one.call("files-talk"), ({ rest }) => rest)),
            { concurrency: 2 }
          )
          for (const messages of heard as ReadonlyArray<ReadonlyArray<any>>) {
            const of = (method: string) => messages.filter((message) => message.method === method)
            assert.deepStrictEqual(
              of("notifications/progress").map(({ params }) => params.progressToken),
              ["mine"]
            )
            const levels = of("notifications/message").map(({ params }) => params.level)
            // A server of sessions filters by what it was told; this one does not, and the hub asks nothing else of it.
            assert.deepStrictEqual(levels, client === "stateless" ? ["error"] : ["debug", "info", "error"])
            assert.deepStrictEqual(messages.at(-1).result.content, [])
          }
        })
      )

      it.live("hears that a list has changed, without marks of the hub's own connection", () =>
        Effect.gen(function* () {
          const { ada, bo, upstream } = yield* start(client, server)
          const streams = [yield* ada.stream, yield* bo.stream]
          // With a call, each is surely connected.
          for (const one of [ada, bo]) yield* Effect.flatMap(one.call("files-talk"), ({ rest }) => rest)
          yield* upstream.change
          for (const stream of streams) {
            const changed = (yield* stream.next) as { readonly method: string; readonly params?: JsonObject }
            assert.strictEqual(changed.method, "notifications/tools/list_changed")
            const meta = (changed.params?.["_meta"] ?? {}) as JsonObject
            assert.deepStrictEqual(Object.keys(meta), client === "stateless" ? [metaKeys.subscriptionId] : [])
          }
        })
      )

      it.live("cancels its call, and the server is told in the way of its era", () =>
        Effect.gen(function* () {
          const { ada, upstream } = yield* start(client, server)
          const answer = yield* ada.call("files-hang")
          const progress = (yield* answer.next) as { readonly method?: string }
          assert.strictEqual(progress.method, "notifications/progress")
          yield* ada.cancel(answer)
          yield* upstream.cancelled
        })
      )
    })
  }
}
