/**
 * What each MCP method of a client means behind the hub: answered here, put together from all servers, or carried to
 * the one server it names. One function per kind of method; the session actor gives it the request's record.
 */
import { Effect, Predicate } from "effect"
import { type Access, accessOrNothing } from "../domain/Access.ts"
import { HubConfig } from "../domain/HubConfig.ts"
import type { Principal } from "../domain/Principal.ts"
import { Settings, type SettingsValue } from "../domain/Settings.ts"
import type { JsonObject, JsonRpcRequest } from "../domain/protocol/JsonRpc.ts"
import type { ListKind } from "../domain/protocol/Methods.ts"
import { lists as listMethods } from "../domain/protocol/Methods.ts"
import { Telemetry } from "../domain/Telemetry.ts"
import type { Catalog, Route } from "./Catalog.ts"
import type { ClientExchange } from "./ClientExchange.ts"
import { InvalidParams, MethodNotSupported, OutOfPlace, type RequestError } from "./RequestErrors.ts"
import type { RequestRecord } from "./RequestTracker.ts"
import type { OpenOptions } from "./Sessions.ts"
import type { UpstreamLinks } from "./upstream/UpstreamLinks.ts"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "./upstream/UpstreamConnection.ts"

/** One request on its way through the session. */
export interface Call {
  readonly message: JsonRpcRequest
  readonly principal: Principal
  readonly context: CallContext
  readonly record: RequestRecord
  readonly exchange: ClientExchange
}

export interface RequestDependencies {
  readonly open: OpenOptions
  readonly catalog: Catalog
  readonly links: UpstreamLinks
  /** A message of the upstream that came on this call's stream. */
  readonly onMessage: (call: Call, connection: UpstreamConnection, message: UpstreamMessage) => void
  /** A message that concerns the session as a whole. */
  readonly onSessionMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
  readonly setLogLevel: (level: unknown) => void
  readonly subscriptions: Set<string>
}

/** What the hub offers where it cannot mirror one server: everything it can carry. */
const everything: JsonObject = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {}
}

export const make = Effect.fnUntraced(function* (options: RequestDependencies) {
  const { catalog, links, open } = options
  const settings = yield* Settings
  const hub = yield* HubConfig
  const telemetry = yield* Telemetry
  let initialized = open.adopt !== undefined

  let decided: { readonly groups: Principal["groups"]; readonly settings: SettingsValue; readonly access: Access } | undefined

  /** Decided anew whenever the user's groups or the settings are other objects than the last time. */
  const accessFor = ({ groups }: Principal): Access => {
    const current = settings.current()
    if (decided === undefined || decided.groups !== groups || decided.settings !== current) {
      decided = { groups, settings: current, access: accessOrNothing(open.target, groups, current) }
    }
    return decided.access
  }

  const text = (call: Call, field: string): Effect.Effect<string, InvalidParams> => {
    const value = call.message.params?.[field]
    return Predicate.isString(value)
      ? Effect.succeed(value)
      : new InvalidParams({ message: `${call.message.method} needs "params.${field}", a text` })
  }

  /** The trace goes on with the hub's own span as the parent. */
  const traced = (params: JsonObject | undefined): Effect.Effect<JsonObject | undefined> => {
    const meta = params?.["_meta"]
    return Effect.map(telemetry.propagate(Predicate.isObject(meta) ? (meta as JsonObject) : undefined), (next) =>
      next === undefined ? params : { ...params, _meta: next }
    )
  }

  /** Carries the request to its server under the server's own limits. */
  const carry = (call: Call, server: string, params: JsonObject | undefined): Effect.Effect<unknown, RequestError> => {
    const { record } = call
    record.server = server
    const limits = settings.current().mcpServers[server]?.options
    if (limits?.timeout !== undefined || limits?.maxTotalTimeout !== undefined) {
      record.limit(limits.timeout ?? hub.requestTimeout, limits.maxTotalTimeout)
    }
    const extend = limits?.resetTimeoutOnProgress === true
    const send = (connection: UpstreamConnection, sent: JsonObject | undefined) =>
      connection.request({
        method: call.message.method,
        params: sent,
        context: call.context,
        onMessage: (message) => {
          if (extend && message.method === "notifications/progress") record.touch()
          options.onMessage(call, connection, message)
        }
      })
    const connecting = links.get(server, call.context)
    if (!telemetry.enabled) return Effect.flatMap(connecting, (connection) => send(connection, params))
    return Effect.flatMap(connecting, (connection) => Effect.flatMap(traced(params), (sent) => send(connection, sent)))
  }

  const renamed = (call: Call, route: Route, field: string) => {
    const params = call.message.params
    return carry(call, route.server, params?.[field] === route.name ? params : { ...params, [field]: route.name })
  }

  const initialize = Effect.fnUntraced(function* (call: Call) {
    if (initialized) return yield* new OutOfPlace({ message: "This session is initialized already" })
    initialized = true
    const result = {
      protocolVersion: open.protocolVersion,
      capabilities: everything,
      serverInfo: { name: "mcphub", title: "MCPHub", version: hub.version }
    }
    if (open.target.kind !== "server") return result
    // One server's endpoint shows that server's own abilities, if it answers soon.
    const connection = yield* links.get(open.target.name, call.context).pipe(
      Effect.timeoutOption(hub.listTimeout),
      Effect.catch(() => Effect.succeedNone)
    )
    if (connection._tag === "None") return result
    const { info } = connection.value
    return {
      ...result,
      capabilities: info.capabilities,
      ...(info.instructions === undefined ? {} : { instructions: info.instructions })
    }
  })

  const list = Effect.fnUntraced(function* (call: Call, kind: ListKind) {
    if (call.message.params?.["cursor"] !== undefined) {
      return yield* new InvalidParams({ message: "Unknown cursor: lists are answered whole, on one page" })
    }
    const { items, missing } = yield* catalog.list(kind, accessFor(call.principal), call.context)
    const result = { [listMethods[kind].field]: items }
    return missing.length === 0 ? result : { ...result, _meta: { "mcphub/missing": missing } }
  })

  const complete = Effect.fnUntraced(function* (call: Call) {
    const ref = call.message.params?.["ref"]
    const access = accessFor(call.principal)
    if (Predicate.isObject(ref) && "name" in ref && Predicate.isString(ref.name)) {
      call.record.target = ref.name
      const route = yield* catalog.prompt(ref.name, access, call.context)
      return yield* carry(call, route.server, { ...call.message.params, ref: { ...ref, name: route.name } })
    }
    if (Predicate.isObject(ref) && "uri" in ref && Predicate.isString(ref.uri)) {
      const route = yield* catalog.template(ref.uri, access, call.context)
      return yield* carry(call, route.server, { ...call.message.params, ref: { ...ref, uri: route.name } })
    }
    return yield* new InvalidParams({ message: 'completion/complete needs "params.ref" with a "name" or a "uri"' })
  })

  const setLevel = Effect.fnUntraced(function* (call: Call) {
    const level = yield* text(call, "level")
    options.setLogLevel(level)
    const refusals = yield* Effect.forEach(
      [...links.live()].filter((connection) => "logging" in connection.info.capabilities),
      (connection) =>
        connection
          .request({
            method: "logging/setLevel",
            params: { level },
            context: call.context,
            onMessage: (message) => options.onSessionMessage(connection.server, message, call.context)
          })
          .pipe(Effect.as(undefined), Effect.catch(Effect.succeed)),
      { concurrency: "unbounded" }
    )
    const refusal = refusals.find((error) => error?._tag === "UpstreamErrorResponse")
    return refusal === undefined ? {} : yield* refusal
  })

  const resource = Effect.fnUntraced(function* (call: Call) {
    const uri = yield* text(call, "uri")
    const route = yield* catalog.resource(uri, accessFor(call.principal), call.context)
    if (call.message.method === "resources/subscribe") options.subscriptions.add(route.name)
    if (call.message.method === "resources/unsubscribe") options.subscriptions.delete(route.name)
    return yield* renamed(call, route, "uri")
  })

  const dispatch = (call: Call): Effect.Effect<unknown, RequestError> => {
    switch (call.message.method) {
      case "initialize":
        return initialize(call)
      case "ping":
        return Effect.succeed({})
      case "tools/list":
        return list(call, "tools")
      case "prompts/list":
        return list(call, "prompts")
      case "resources/list":
        return list(call, "resources")
      case "resources/templates/list":
        return list(call, "templates")
      case "tools/call":
        return Effect.flatMap(text(call, "name"), (name) => {
          call.record.target = name
          return Effect.flatMap(catalog.tool(name, accessFor(call.principal), call.context), (route) =>
            renamed(call, route, "name")
          )
        })
      case "prompts/get":
        return Effect.flatMap(text(call, "name"), (name) => {
          call.record.target = name
          return Effect.flatMap(catalog.prompt(name, accessFor(call.principal), call.context), (route) =>
            renamed(call, route, "name")
          )
        })
      case "resources/read":
      case "resources/subscribe":
      case "resources/unsubscribe":
        return resource(call)
      case "completion/complete":
        return complete(call)
      case "logging/setLevel":
        return setLevel(call)
      default:
        // A method this hub does not know can only be carried where there is no doubt to whom.
        return open.target.kind === "server" && accessFor(call.principal).has(open.target.name)
          ? carry(call, open.target.name, call.message.params)
          : new MethodNotSupported({ message: `Method not found: ${call.message.method.slice(0, 100)}` })
    }
  }

  return { dispatch, accessFor }
})
