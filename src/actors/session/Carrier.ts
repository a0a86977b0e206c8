/**
 * Carries one request to the one server it names, under that server's own limits, with the trace and the log level the
 * client wants. Between two sides with sessions it goes straight; where a side is stateless, by way of `EraBridge`.
 */
import { Effect, Predicate } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { Access } from "../../domain/access/Access.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { paramsToStateful } from "../../domain/protocol/eras/RequestMeta.ts"
import type { Era } from "../../domain/protocol/Versions.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import { Telemetry } from "../../domain/Telemetry.ts"
import type { Call, Send } from "../calls/Call.ts"
import type { Catalog } from "../catalog/Catalog.ts"
import type { EraBridge } from "../calls/EraBridge.ts"
import * as EraProjection from "../calls/EraProjection.ts"
import type { RequestError } from "../../domain/requests/RequestErrors.ts"
import { type AccessInForce, admitsRequest } from "./SessionAccess.ts"
import type { SessionLogLevel } from "./SessionLogLevel.ts"
import type { SessionMessages } from "./SessionMessages.ts"
import { ServerPlaces } from "../upstream/guards/ServerPlaces.ts"
import type { UpstreamConnection } from "../upstream/connection/UpstreamConnection.ts"
import { NotAllowed, type UpstreamError } from "../../domain/requests/UpstreamErrors.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"
import { isJsonObject, metaOf, textOrEmpty } from "../../domain/protocol/JsonObjects.ts"

/** In the `_meta` of an answer: its server is not the process that the client called before. */
const restartedKey = "mcphub/restarted"

export interface Carrier {
  /** `admittedBy`: the access under which the call's name was looked up, where one was. */
  readonly carry: (
    call: Call,
    server: string,
    params: JsonObject | undefined,
    admittedBy?: Access
  ) => Effect.Effect<unknown, RequestError>
  /** The connection to the request's server, for what is not carried as it is. */
  readonly reach: (
    call: Call,
    server: string,
    params: JsonObject | undefined,
    admittedBy?: Access
  ) => Effect.Effect<UpstreamConnection, UpstreamError>
}

export interface CarrierOptions {
  readonly era: Era
  readonly access: AccessInForce
  readonly catalog: Catalog
  readonly links: UpstreamLinks
  readonly bridge: EraBridge
  readonly messages: SessionMessages
  readonly logLevel: SessionLogLevel
}

/** `_meta["mcphub/timeoutMs"]`: a client may wait less long than the server's limit, never longer. */
const patienceOf = (params: JsonObject | undefined): number | undefined => {
  const wanted = metaOf(params)?.["mcphub/timeoutMs"]
  return Predicate.isNumber(wanted) && wanted > 0 ? wanted : undefined
}

export const make = Effect.fnUntraced(function* (options: CarrierOptions) {
  const { access, bridge, catalog, era, links, logLevel, messages } = options
  const settings = yield* Settings
  const hub = yield* HubConfig
  const telemetry = yield* Telemetry
  const places = yield* ServerPlaces

  /** The trace goes on with the hub's own span as the parent. */
  const traced = (params: JsonObject | undefined): Effect.Effect<JsonObject | undefined> =>
    Effect.map(telemetry.propagate(metaOf(params)), (next) =>
      next === undefined ? params : { ...params, _meta: next }
    )

  /** From here on `SessionAdmission` ends a request that is no longer admitted. */
  const isAdmitted = (call: Call, server: string, params: JsonObject | undefined, admittedBy?: Access): boolean => {
    const inForce = access()
    // Its name may have waited for a list, and been looked up under the access of then.
    if (inForce === admittedBy) return true
    return admitsRequest(inForce, server, call.message.method, [textOrEmpty(params?.["name"])], hub.nameSeparator)
  }

  const reach: Carrier["reach"] = (call, server, params, admittedBy) => {
    const { record } = call
    if (!isAdmitted(call, server, params, admittedBy)) {
      return new NotAllowed({ server, message: `The user's groups no longer admit this request to server ${server}` })
    }
    record.server = server
    const config = settings.current().mcpServers[server]
    const limits = config?.options
    const patience = params?.["_meta"] === undefined ? undefined : patienceOf(params)
    if (limits?.timeout !== undefined || limits?.maxTotalTimeout !== undefined || patience !== undefined) {
      const timeout = limits?.timeout ?? hub.requestTimeout
      record.limit(patience === undefined ? timeout : Math.min(patience, timeout), limits?.maxTotalTimeout)
    }
    const standing = links.use(server)
    if (standing !== undefined) return Effect.succeed(standing)
    const { context } = call
    const opened = Effect.tap(links.get(server, context), () => Effect.sync(() => links.use(server)))
    // A connection that takes long to open holds up as many requests as may be at the server, and no more.
    return config === undefined ? opened : places.within({ server, config, context }, opened)
  }

  /** Answers of a stateless server, or for a stateless client, in words that the client knows. */
  const translated = (
    { context, message: { method } }: Call,
    connection: UpstreamConnection,
    params: JsonObject | undefined,
    send: Send
  ): Send => {
    const tool = Effect.suspend(() =>
      catalog.toolOf({ server: connection.server, name: textOrEmpty(params?.["name"]) }, context)
    )
    const outputSchema = Effect.map(tool, (listed) => listed?.["outputSchema"])
    return (sent, onMessage) =>
      send(sent, onMessage).pipe(
        Effect.flatMap((result) => EraProjection.resultFor(era, connection, method, result, outputSchema)),
        Effect.mapError(EraProjection.errorFor(era, connection, method))
      )
  }

  /** The level a stateless server is to log at; one with a session has been told. */
  const levelFor = ({ said }: Call): string | undefined => (said === undefined ? logLevel.chosen() : said.logLevel)

  /** One exchange with the server; between sides with sessions nothing reads or changes its answer. */
  const exchange = (
    call: Call,
    connection: UpstreamConnection,
    isStraight: boolean,
    params: JsonObject | undefined,
    onMessage: Parameters<Send>[1]
  ): Effect.Effect<unknown, UpstreamError> => {
    const { context, message } = call
    const extend = settings.current().mcpServers[connection.server]?.options?.resetTimeoutOnProgress === true
    const send = (sent: JsonObject | undefined) =>
      connection.request({
        method: message.method,
        params: era === "stateless" && connection.era === "stateful" ? paramsToStateful(sent) : sent,
        context,
        raw: isStraight,
        logLevel: connection.era === "stateful" ? undefined : levelFor(call),
        // Progress shows that the server is at work: its time begins anew.
        onProgress: extend ? () => call.record.touch() : undefined,
        onMessage
      })
    return telemetry.enabled ? Effect.flatMap(traced(params), send) : send(params)
  }

  /**
   * The client learns once that what its server kept for it is gone: it may have to log in, or select something, again.
   */
  const tellLoss = (call: Call, server: string, carried: Effect.Effect<unknown, RequestError>, reason: string) =>
    Effect.suspend(() => {
      const said = `Server ${server} was started anew: ${reason}. What it kept for this session is gone`
      messages.say(call, "warning", said)
      return Effect.map(carried, (result) =>
        isJsonObject(result) ? { ...result, _meta: { ...metaOf(result), [restartedKey]: { server, reason } } } : result
      )
    })

  const carry: Carrier["carry"] = (call, server, params, admittedBy) =>
    Effect.flatMap(reach(call, server, params, admittedBy), (connection) => {
      const loss = links.losses.size === 0 ? undefined : links.takeLoss(server)
      const carried = carryOn(call, connection, params, loss === undefined)
      return loss === undefined ? carried : tellLoss(call, server, carried, loss)
    })

  /** `isAsItIs`: nothing is to be added to the answer. */
  const carryOn = (
    call: Call,
    connection: UpstreamConnection,
    params: JsonObject | undefined,
    isAsItIs: boolean
  ): Effect.Effect<unknown, RequestError> => {
    if (era === "stateful" && connection.era === "stateful") {
      return exchange(call, connection, isAsItIs, params, (message) => messages.ofCall(call, connection, message))
    }
    const send = translated(call, connection, params, (sent, onMessage) =>
      exchange(call, connection, false, sent, onMessage)
    )
    const carried = bridge.carry(call, connection, params, send)
    const level = call.said?.logLevel
    return level === undefined ? carried : Effect.andThen(logLevel.want(call, connection, level), carried)
  }

  return { carry, reach } satisfies Carrier
})
