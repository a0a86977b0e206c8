/**
 * The meaning of each MCP method of a client: answered here, put together from all servers, or carried to the one
 * server it names. One function per kind of method; the session actor gives it the request's record.
 */
import { Effect, Predicate } from "effect"
import type { Access } from "../../domain/access/Access.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { argumentsIn } from "../../domain/protocol/json/CarriedJson.ts"
import type { ListKind } from "../../domain/protocol/Methods.ts"
import * as ParamHeaders from "../../domain/protocol/eras/ParamHeaders.ts"
import { eraOf } from "../../domain/protocol/Versions.ts"
import type { Call } from "../calls/Call.ts"
import * as Carrier from "./Carrier.ts"
import type { Catalog } from "../catalog/Catalog.ts"
import type { Route } from "../catalog/Route.ts"
import type { ServerLists } from "../catalog/ServerLists.ts"
import type { EraBridge } from "../calls/EraBridge.ts"
import * as Handshake from "./Handshake.ts"
import * as MissingReport from "./MissingReport.ts"
import {
  HeaderMismatch,
  InvalidParams,
  MethodNotSupported,
  type RequestError
} from "../../domain/requests/RequestErrors.ts"
import type { AccessInForce } from "./SessionAccess.ts"
import type { SessionLogLevel } from "./SessionLogLevel.ts"
import type { SessionMessages } from "./SessionMessages.ts"
import type { SessionSubscriptions } from "./SessionSubscriptions.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"
import type { OpenOptions } from "./Session.ts"

export interface SessionRequests {
  readonly dispatch: (call: Call) => Effect.Effect<unknown, RequestError>
}

export interface RequestDependencies {
  readonly open: OpenOptions
  readonly access: AccessInForce
  readonly catalog: Catalog
  readonly lists: ServerLists
  readonly links: UpstreamLinks
  readonly bridge: EraBridge
  readonly messages: SessionMessages
  readonly logLevel: SessionLogLevel
  readonly subscriptions: SessionSubscriptions
}

export const make = Effect.fnUntraced(function* (options: RequestDependencies) {
  const { access, bridge, catalog, links, lists, logLevel, messages, open, subscriptions } = options
  const era = eraOf(open.protocolVersion)
  const handshake = yield* Handshake.make({ open, links, lists, access })
  const report = yield* MissingReport.make({ era, target: open.target, access, catalog, messages })
  const { carry, reach } = yield* Carrier.make({ era, access, catalog, links, bridge, messages, logLevel })

  const text = (call: Call, field: string): Effect.Effect<string, InvalidParams> => {
    const value = textOf(call, field)
    return value === undefined ? textMissing(call, field) : Effect.succeed(value)
  }

  /** Arguments a tool declares as headers must say the same in both places. */
  const checkHeaders = Effect.fnUntraced(function* (call: Call, route: Route) {
    if (call.said === undefined) return
    const tool = yield* catalog.toolOf(route, call.context)
    const scanned = ParamHeaders.scan(tool?.["inputSchema"])
    const problem =
      scanned.ok && scanned.params.length > 0
        ? ParamHeaders.check(call.said.header, scanned.params, argumentsIn(call.message.params))
        : undefined
    if (problem === undefined) return
    const header = Predicate.hasProperty(problem.data, "header") ? String(problem.data.header) : "Mcp-Param"
    return yield* new HeaderMismatch({ header, message: problem.message })
  })

  /** Carried under the server's own name of what it is about, and answered in the client's. */
  const renamed = (call: Call, route: Route, field: string, admittedBy?: Access) => {
    const { method } = call.message
    return Effect.map(carried(call, route, field, admittedBy), (result) => {
      if (method === "tools/call" && isPlainText(result)) return result
      return catalog.inResult({ method, route, asked: textOf(call, field) ?? route.name }, result, access())
    })
  }

  const carried = (call: Call, route: Route, field: string, admittedBy?: Access) => {
    const forward = (params: JsonObject | undefined) =>
      carry(call, route.server, withField(params, field, route.name), admittedBy)
    if (era === "stateful") return forward(call.message.params)
    return Effect.flatMap(bridge.retry(call), (retry): Effect.Effect<unknown, RequestError> => {
      if (retry.kind === "done") return Effect.succeed(retry.result)
      return retry.server === undefined || retry.server === route.server ? forward(retry.params) : stateElsewhere
    })
  }

  const list = (call: Call, kind: ListKind): Effect.Effect<unknown, RequestError> =>
    call.message.params?.["cursor"] === undefined ? report.list(call, kind) : unknownCursor

  const complete = Effect.fnUntraced(function* (call: Call) {
    const ref = call.message.params?.["ref"]
    if (Predicate.isObject(ref) && "name" in ref && Predicate.isString(ref.name)) {
      call.record.target = ref.name
      const route = yield* catalog.prompt(ref.name, access(), call.context)
      return yield* carry(call, route.server, { ...call.message.params, ref: { ...ref, name: route.name } })
    }
    if (Predicate.isObject(ref) && "uri" in ref && Predicate.isString(ref.uri)) {
      const route = yield* catalog.template(ref.uri, access(), call.context)
      return yield* carry(call, route.server, { ...call.message.params, ref: { ...ref, uri: route.name } })
    }
    return yield* new InvalidParams({ message: 'completion/complete needs "params.ref" with a "name" or a "uri"' })
  })

  const callTool = (call: Call, name: string): Effect.Effect<unknown, RequestError> => {
    const admittedBy = access()
    return Effect.flatMap(catalog.tool(name, admittedBy, call.context), (route) => {
      // Behind one server's endpoint any name goes to the server, and a client can think of many.
      if (open.target.kind !== "server" || catalog.lists(route)) call.record.tool = route.name
      return era === "stateful"
        ? renamed(call, route, "name", admittedBy)
        : Effect.andThen(checkHeaders(call, route), renamed(call, route, "name", admittedBy))
    })
  }

  const ownTool = (call: Call, name: string): Effect.Effect<unknown> => {
    call.record.tool = name
    return report.status(call)
  }

  /** The hub's own tool, unless a server has one of its name. */
  const status = (call: Call, name: string): Effect.Effect<unknown, RequestError> =>
    Effect.flatMap(report.answers(name, call), (isOwn): Effect.Effect<unknown, RequestError> =>
      isOwn ? ownTool(call, name) : callTool(call, name)
    )

  const setLevel = (call: Call) =>
    Effect.flatMap(text(call, "level"), (level) => Effect.as(logLevel.set(level, call.context), {}))

  const resource = Effect.fnUntraced(function* (call: Call) {
    const uri = yield* text(call, "uri")
    const route = yield* catalog.resource(uri, access(), call.context)
    const { method, params } = call.message
    if (method === "resources/read") return yield* renamed(call, route, "uri")
    const connection = yield* reach(call, route.server, params)
    const change = method === "resources/subscribe" ? subscriptions.add : subscriptions.remove
    return yield* change(connection, { asked: uri, uri: route.name }, call.context)
  })

  const unsupported = (call: Call): MethodNotSupported =>
    new MethodNotSupported({ message: `Method not found: ${call.message.method.slice(0, 100)}` })

  const dispatch = (call: Call): Effect.Effect<unknown, RequestError> => {
    switch (call.message.method) {
      case "initialize":
        return handshake.initialize(call)
      case "server/discover":
        return era === "stateless" ? handshake.discover(call) : unsupported(call)
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
      case "tools/call": {
        const name = textOf(call, "name")
        if (name === undefined) return textMissing(call, "name")
        call.record.target = name
        return name === MissingReport.statusTool ? status(call, name) : callTool(call, name)
      }
      case "prompts/get": {
        const name = textOf(call, "name")
        if (name === undefined) return textMissing(call, "name")
        call.record.target = name
        return Effect.flatMap(catalog.prompt(name, access(), call.context), (route) => renamed(call, route, "name"))
      }
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
        return open.target.kind === "server" && access().has(open.target.name)
          ? carry(call, open.target.name, call.message.params)
          : unsupported(call)
    }
  }

  return { dispatch } satisfies SessionRequests
})

const unknownCursor = new InvalidParams({ message: "Unknown cursor: lists are answered whole, on one page" })

const textOf = (call: Call, field: string): string | undefined => {
  const value = call.message.params?.[field]
  return Predicate.isString(value) ? value : undefined
}

const textMissing = (call: Call, field: string): InvalidParams =>
  new InvalidParams({ message: `${call.message.method} needs "params.${field}", a text` })

/** Texts alone, as most tools answer: nothing in it can name a resource (`ResultUris` has the places where that stands). */
const isPlainText = (result: unknown): boolean => {
  const { _meta, content } = Predicate.isObject(result) ? (result as JsonObject) : {}
  if (_meta !== undefined || !Array.isArray(content)) return false
  for (const block of content) if (block?.type !== "text") return false
  return true
}

const withField = (params: JsonObject | undefined, field: string, value: string): JsonObject =>
  params?.[field] === value ? params : { ...params, [field]: value }

const stateElsewhere = new InvalidParams({
  message: "The requestState belongs to another server than the one that has this name now; send the request anew"
})
