/** A hub whose network to one of its users breaks, and the messages sent over it. */
import { assert } from "@effect/vitest"
import { Context, Effect, Queue, Scope } from "effect"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import { McpClient, RawHttp, type ScriptedCall, ScriptedHttpUpstream } from "../../../src/testkit/index.ts"
import type { ScriptedHttp } from "../../../src/testkit/ScriptedHttpUpstream.ts"
import { TestHub } from "../../../src/testkit/TestHub.ts"
import * as Eventually from "../../support/Eventually.ts"
import * as CuttingProxy from "./CuttingProxy.ts"

export const call = (name: string, args: object = {}, id: string | number = 1) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: `files-${name}`, arguments: args, _meta: { progressToken: `token-${id}` } }
})

export const progress = (held: ScriptedCall, step: number): void =>
  held.event({
    jsonrpc: "2.0",
    method: "notifications/progress",
    params: { progressToken: held.progressToken, progress: step }
  })

export const log = (data: unknown) => ({
  jsonrpc: "2.0",
  method: "notifications/message",
  params: { level: "info", data }
})

/** ada reaches the hub through a network that breaks; `hold` keeps its calls until the test answers them. */
export const start = Effect.fnUntraced(function* (options: McpClient.ConnectOptions = {}) {
  const arrived = yield* Queue.unbounded<ScriptedCall>()
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: { hold: (held) => void Queue.offerUnsafe(arrived, held) }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const proxy = yield* CuttingProxy.make(hub.url)
  const scope = yield* Effect.scope
  // Each request on a connection of its own: none goes out on one that was cut before and is not yet known to be.
  const connection = Scope.provide(RawHttp.make(proxy.origin), scope)
  const http: RawHttp.RawHttp = {
    send: (request) => Effect.flatMap(connection, ({ send }) => send(request)),
    open: (request) => Effect.flatMap(connection, ({ open }) => open(request))
  }
  const ada = yield* McpClient.connect(http, hub.ada, options)
  const bo = yield* hub.connect(hub.bo, options)
  const metrics = Context.get(hub.services, HubMetrics)
  const kept = () => [metrics.value("mcphub_kept_events"), metrics.value("mcphub_kept_event_bytes")]
  /** A call of ada's, as far as its upstream; `arrived`: the next that anybody makes. */
  const hold = Object.assign(
    Effect.fnUntraced(function* (id?: number) {
      const opening = yield* Effect.forkChild(ada.open(call("hold", {}, id)))
      return { opening, held: yield* Queue.take(arrived) }
    }),
    { arrived: Queue.take(arrived) }
  )
  return { upstream, hub, proxy, ada, bo, kept, hold }
})

/** Until the hub has noticed what the network did, of which it tells nobody. */
export const eventually = (holds: () => boolean) =>
  Eventually.eventually(Effect.sync(holds), (held) => held, { every: "5 millis" }).pipe(
    Effect.map((held) => assert.isTrue(held))
  )

/** Until this many sessions listen to the upstream. */
export const pushable = (upstream: ScriptedHttp, sessions: number) =>
  eventually(() => upstream.calls("GET").length >= sessions)
