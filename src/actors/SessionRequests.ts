/**
 * What each MCP method of a client means behind the hub: answered here, put together from all servers, or carried to
 * the one server it names. One function per kind of method; the session actor gives it the request's record.
 */
import { Effect, Option, Predicate } from "effect"
import { type Access, accessOrNothing } from "../domain/Access.ts"
import { HubConfig } from "../domain/HubConfig.ts"
import type { Principal } from "../domain/Principal.ts"
import { Settings, type SettingsValue } from "../domain/Settings.ts"
import type { JsonObject, JsonRpcRequest } from "../domain/protocol/JsonRpc.ts"
import { type LogLevel, lowest } from "../domain/protocol/LogLevels.ts"
import * as ParamHeaders from "../domain/protocol/ParamHeaders.ts"
import { paramsToOld } from "../domain/protocol/Stateless.ts"
import { serverCapabilitiesAcross } from "../domain/protocol/Capabilities.ts"
import { toolsToNew } from "../domain/protocol/ProjectionToOld.ts"
import { eraOf, statelessVersion } from "../domain/protocol/Versions.ts"
import type { ListKind } from "../domain/protocol/Methods.ts"
import { lists as listMethods } from "../domain/protocol/Methods.ts"
import { Telemetry } from "../domain/Telemetry.ts"
import type { ListenFilter } from "./SessionEvents.ts"
import type { Catalog, Route } from "./Catalog.ts"
import type { ClientExchange } from "./ClientExchange.ts"
import type { EraBridge, Send } from "./EraBridge.ts"
import { HeaderMismatch, InvalidParams, MethodNotSupported, OutOfPlace, type RequestError } from "./RequestErrors.ts"
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
  /** What a stateless client says with each request. */
  readonly said?: Said | undefined
}

export interface Said {
  readonly logLevel: LogLevel | undefined
  /** The request's headers, for `Mcp-Param-*`. */
  readonly header: (name: string) => string | undefined
}

export interface RequestDependencies {
  readonly open: OpenOptions
  readonly catalog: Catalog
  readonly links: UpstreamLinks
  /** A message that concerns the session as a whole. */
  readonly onSessionMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
  readonly setLogLevel: (level: unknown) => void
  readonly subscriptions: Set<string>
  readonly bridge: EraBridge
}

/** `_meta["mcphub/timeoutMs"]`: a client may wait less long than the server's limit, never longer. */
const patienceOf = (params: JsonObject | undefined): number | undefined => {
  const meta = params?.["_meta"]
  const wanted = Predicate.isObject(meta) ? (meta as JsonObject)["mcphub/timeoutMs"] : undefined
  return Predicate.isNumber(wanted) && wanted > 0 ? wanted : undefined
}

/** How the hub names itself to clients. */
export const hubInfo = (version: string): JsonObject => ({ name: "mcphub", title: "MCPHub", version })

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
  const era = eraOf(open.protocolVersion)
  let initialized = open.adopt !== undefined
  /** The log level last set on a stateful conversation on behalf of stateless requests. */
  const levels = new WeakMap<UpstreamConnection, LogLevel>()

  let decided:
    | { readonly groups: Principal["groups"]; readonly settings: SettingsValue; readonly access: Access }
    | undefined

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
    const patience = patienceOf(params)
    if (limits?.timeout !== undefined || limits?.maxTotalTimeout !== undefined || patience !== undefined) {
      const timeout = limits?.timeout ?? hub.requestTimeout
      record.limit(patience === undefined ? timeout : Math.min(patience, timeout), limits?.maxTotalTimeout)
    }
    const extend = limits?.resetTimeoutOnProgress === true
    return Effect.flatMap(links.get(server, call.context), (connection) => {
      const sendPlain: Send = (sent, onMessage) =>
        connection.request({
          method: call.message.method,
          params: era === "stateless" && connection.era === "stateful" ? paramsToOld(sent) : sent,
          context: call.context,
          logLevel: call.said?.logLevel,
          onMessage: (message) => {
            if (extend && message.method === "notifications/progress") record.touch()
            onMessage(message)
          }
        })
      const send: Send = telemetry.enabled
        ? (sent, onMessage) => Effect.flatMap(traced(sent), (next) => sendPlain(next, onMessage))
        : sendPlain
      const carried = options.bridge.carry(call, connection, params, send)
      const level = call.said?.logLevel
      return level === undefined ? carried : Effect.andThen(wantLog(call, connection, level), carried)
    })
  }

  /** A stateful upstream hears of a level once, and of a lower one when a request wants more. */
  const wantLog = (call: Call, connection: UpstreamConnection, level: LogLevel): Effect.Effect<void> => {
    const known = levels.get(connection)
    if (connection.era === "stateless" || !("logging" in connection.info.capabilities)) return Effect.void
    if (known !== undefined && lowest([known, level]) === known) return Effect.void
    levels.set(connection, level)
    const onMessage = (message: UpstreamMessage): void =>
      options.onSessionMessage(connection.server, message, call.context)
    return Effect.ignore(
      connection.request({ method: "logging/setLevel", params: { level }, context: call.context, onMessage })
    )
  }

  /** Arguments a tool declares as headers must say the same in both places. */
  const checkHeaders = Effect.fnUntraced(function* (call: Call, route: Route) {
    if (call.said === undefined) return
    const tool = yield* catalog.toolOf(route, call.context)
    const scanned = ParamHeaders.scan(tool?.["inputSchema"])
    const problem = scanned.ok
      ? ParamHeaders.check(call.said.header, scanned.params, call.message.params?.["arguments"])
      : undefined
    if (problem === undefined) return
    const header = Predicate.hasProperty(problem.data, "header") ? String(problem.data.header) : "Mcp-Param"
    return yield* new HeaderMismatch({ header, message: problem.message })
  })

  const renamed = (call: Call, route: Route, field: string) => {
    const forward = (params: JsonObject | undefined) =>
      carry(call, route.server, params?.[field] === route.name ? params : { ...params, [field]: route.name })
    if (era === "stateful") return forward(call.message.params)
    return Effect.flatMap(options.bridge.retry(call), (retry) =>
      retry.kind === "done" ? Effect.succeed(retry.result) : forward(retry.params)
    )
  }

  /** Capabilities and instructions of what is behind the endpoint. */
  const offer = Effect.fnUntraced(function* (call: Call) {
    const result = { capabilities: everything }
    if (open.target.kind !== "server") return result
    // One server's endpoint shows that server's own abilities, if it answers soon.
    const connection = yield* links.get(open.target.name, call.context).pipe(
      Effect.timeoutOption(hub.listTimeout),
      Effect.catch(() => Effect.succeedNone)
    )
    if (connection._tag === "None") return result
    const { info } = connection.value
    return {
      capabilities: era === "stateless" ? serverCapabilitiesAcross(info.capabilities) : info.capabilities,
      ...(info.instructions === undefined ? {} : { instructions: info.instructions })
    }
  })

  const initialize = Effect.fnUntraced(function* (call: Call) {
    if (initialized) return yield* new OutOfPlace({ message: "This session is initialized already" })
    initialized = true
    const serverInfo = hubInfo(hub.version)
    return { protocolVersion: open.protocolVersion, serverInfo, ...(yield* offer(call)) }
  })

  const discover = (call: Call) =>
    Effect.map(offer(call), (offered) => ({ supportedVersions: [statelessVersion], ...offered }))

  const list = Effect.fnUntraced(function* (call: Call, kind: ListKind) {
    if (call.message.params?.["cursor"] !== undefined) {
      return yield* new InvalidParams({ message: "Unknown cursor: lists are answered whole, on one page" })
    }
    const { items, missing } = yield* catalog.list(kind, accessFor(call.principal), call.context)
    // Tools that must run as a task of 2025-11-25 cannot be called by a client of another revision.
    const shown = era === "stateless" && kind === "tools" ? toolsToNew(items) : items
    const result = { [listMethods[kind].field]: shown }
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

  const unsupported = (call: Call): MethodNotSupported =>
    new MethodNotSupported({ message: `Method not found: ${call.message.method.slice(0, 100)}` })

  const dispatch = (call: Call): Effect.Effect<unknown, RequestError> => {
    switch (call.message.method) {
      case "initialize":
        return initialize(call)
      case "server/discover":
        return era === "stateless" ? discover(call) : unsupported(call)
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
            era === "stateful"
              ? renamed(call, route, "name")
              : Effect.andThen(checkHeaders(call, route), renamed(call, route, "name"))
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
          : unsupported(call)
    }
  }

  /** Connects what a listening client wants to hear of, and subscribes to its resources; the result are those that can be. */
  const subscribe = Effect.fnUntraced(function* (principal: Principal, context: CallContext, filter: ListenFilter) {
    const access = accessFor(principal)
    yield* Effect.forEach(access.keys(), (server) => Effect.ignore(links.get(server, context)), {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.timeoutOption(hub.listTimeout))
    const subscribed = yield* Effect.forEach(
      filter.resourceSubscriptions ?? [],
      (uri) => subscription(principal, context, uri, "resources/subscribe").pipe(Effect.as(uri), Effect.option),
      { concurrency: "unbounded" }
    )
    return subscribed.flatMap((uri) => (Option.isSome(uri) ? [uri.value] : []))
  })

  const unsubscribe = (principal: Principal, context: CallContext, uris: ReadonlyArray<string>) =>
    Effect.forEach(uris, (uri) => Effect.ignore(subscription(principal, context, uri, "resources/unsubscribe")), {
      discard: true
    })

  const subscription = Effect.fnUntraced(function* (
    principal: Principal,
    context: CallContext,
    uri: string,
    method: "resources/subscribe" | "resources/unsubscribe"
  ) {
    const route = yield* catalog.resource(uri, accessFor(principal), context)
    const connection = yield* links.get(route.server, context)
    const onMessage = (message: UpstreamMessage): void => options.onSessionMessage(route.server, message, context)
    yield* connection.request({ method, params: { uri: route.name }, context, onMessage })
  })

  return { dispatch, accessFor, subscribe, unsubscribe }
})
