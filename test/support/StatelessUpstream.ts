/**
 * A real server of revision 2026-07-28 alone, with tools that a test defines: it rejects `initialize` as such servers
 * do, and keeps every request it got and every open subscription.
 */
import { Deferred, Effect, type Scope } from "effect"
import type { JsonObject, JsonRpcId } from "../../src/domain/protocol/JsonRpc.ts"
import { metaKeys } from "../../src/domain/protocol/eras/RequestMeta.ts"
import { ScriptedHttpUpstream } from "../../src/testkit/index.ts"
import type { ScriptedHttp } from "../../src/testkit/ScriptedHttpUpstream.ts"
import type { Script } from "../../src/testkit/ScriptedCall.ts"

export interface StatelessOptions {
  /** What `tools/call` does, by name. */
  readonly tools?: Readonly<Record<string, Script>>
  /** What `tools/list` says; a plain entry for each of `tools` otherwise. */
  readonly listed?: ReadonlyArray<JsonObject>
  readonly ttlMs?: number
  /** The number of received requests to keep, the newest ones; default: all. */
  readonly keep?: number
  /** Scripts by method, in place of what such a server does. */
  readonly methods?: Readonly<Record<string, Script>>
}

export interface StatelessUpstream extends ScriptedHttp {
  /** The resources of the subscriptions open now, each in its order. */
  readonly subscribed: () => ReadonlyArray<ReadonlyArray<string>>
  /** The first time, past or to come, that exactly these resources are subscribed to on one stream. */
  readonly awaitSubscribed: (uris: ReadonlyArray<string>) => Effect.Effect<void>
  /** Tells every subscription that a list has changed; how many were told. */
  readonly changed: (list: "tools" | "prompts" | "resources") => number
  /** Tells whoever subscribed to it that a resource has changed; how many were told. */
  readonly updated: (uri: string) => number
}

interface Subscription {
  readonly id: JsonRpcId
  readonly uris: ReadonlyArray<string>
  readonly send: (message: object) => void
}

/** What a server of this revision says to a request of another. */
export const unsupported = (requested: string) => ({
  code: -32022,
  message: "Unsupported protocol version",
  data: { supported: ["2026-07-28"], requested }
})

export const make = (options: StatelessOptions = {}): Effect.Effect<StatelessUpstream, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { tools = {}, ttlMs = 0 } = options
    const open = new Set<Subscription>()
    const waiting = new Map<string, Deferred.Deferred<void>>()
    const listed = options.listed ?? Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } }))
    const keyOf = (uris: ReadonlyArray<string>) => JSON.stringify([...uris].sort())
    const waiterOf = (uris: ReadonlyArray<string>) => {
      const waiter = waiting.get(keyOf(uris)) ?? Deferred.makeUnsafe<void>()
      waiting.set(keyOf(uris), waiter)
      return waiter
    }

    const upstream = yield* ScriptedHttpUpstream.make({
      sessions: false,
      stream: false,
      tools,
      ...(options.keep === undefined ? {} : { keep: options.keep }),
      methods: {
        initialize: (call) =>
          call.body(
            400,
            "application/json",
            JSON.stringify({ jsonrpc: "2.0", id: null, error: unsupported(String(call.params["protocolVersion"])) })
          ),
        "server/discover": (call) =>
          call.result({
            resultType: "complete",
            supportedVersions: ["2026-07-28"],
            capabilities: {
              tools: { listChanged: true },
              prompts: {},
              resources: { subscribe: true, listChanged: true },
              logging: {}
            },
            ttlMs,
            cacheScope: "public",
            _meta: { [metaKeys.serverInfo]: { name: "stateless", version: "1.0.0" } }
          }),
        "tools/list": (call) => call.result({ resultType: "complete", tools: listed, ttlMs, cacheScope: "public" }),
        "prompts/list": (call) => call.result({ resultType: "complete", prompts: [], ttlMs, cacheScope: "public" }),
        "resources/list": (call) =>
          call.result({
            resultType: "complete",
            resources: ["a", "b", "c"].map((name) => ({ uri: `note://${name}`, name })),
            ttlMs,
            cacheScope: "public"
          }),
        "resources/templates/list": (call) =>
          call.result({ resultType: "complete", resourceTemplates: [], ttlMs, cacheScope: "public" }),
        "subscriptions/listen": (call) => {
          const filter = call.params["notifications"] as { readonly resourceSubscriptions?: ReadonlyArray<string> }
          const uris = filter.resourceSubscriptions ?? []
          const tag = { [metaKeys.subscriptionId]: call.id }
          const subscription: Subscription = {
            id: call.id!,
            uris,
            send: (message) => call.event({ jsonrpc: "2.0", ...message })
          }
          open.add(subscription)
          call.response.once("close", () => open.delete(subscription))
          subscription.send({
            method: "notifications/subscriptions/acknowledged",
            params: { notifications: filter, _meta: tag }
          })
          Deferred.doneUnsafe(waiterOf(uris), Effect.void)
        },
        ...options.methods
      }
    })

    return {
      ...upstream,
      subscribed: () => [...open].map(({ uris }) => uris),
      awaitSubscribed: (uris) => Effect.suspend(() => Deferred.await(waiterOf(uris))),
      changed: (list) => {
        for (const { id, send } of open) {
          const params = { _meta: { [metaKeys.subscriptionId]: id } }
          send({ method: `notifications/${list}/list_changed`, params })
        }
        return open.size
      },
      updated: (uri) => {
        const told = [...open].filter(({ uris }) => uris.includes(uri))
        for (const { id, send } of told) {
          send({
            method: "notifications/resources/updated",
            params: { uri, _meta: { [metaKeys.subscriptionId]: id } }
          })
        }
        return told.length
      }
    }
  })
