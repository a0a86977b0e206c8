/**
 * The hub's introduction of itself to a client: `initialize` of the stateful revisions, `server/discover` of the
 * stateless.
 */
import { Effect } from "effect"
import { timeoutAwake } from "../../domain/AwakeTimeout.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { serverCapabilitiesAcross } from "../../domain/protocol/eras/Capabilities.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { eraOf, statelessVersion } from "../../domain/protocol/Versions.ts"
import type { Call } from "../calls/Call.ts"
import { OutOfPlace } from "../../domain/requests/RequestErrors.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"
import type { OpenOptions } from "./Session.ts"

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

export const make = Effect.fnUntraced(function* (open: OpenOptions, links: UpstreamLinks) {
  const hub = yield* HubConfig
  const era = eraOf(open.protocolVersion)
  let initialized = open.adopt !== undefined || open.recovered !== undefined

  /** Capabilities and instructions of what is behind the endpoint. */
  const offer = Effect.fnUntraced(function* (call: Call) {
    const result = { capabilities: everything }
    if (open.target.kind !== "server") return result
    // One server's endpoint shows that server's own abilities, if it answers soon.
    const connection = yield* links.get(open.target.name, call.context).pipe(
      Effect.asSome,
      timeoutAwake(hub.listTimeout, () => Effect.succeedNone),
      Effect.catch(() => Effect.succeedNone)
    )
    if (connection._tag === "None") return result
    const { era: spoken, info } = connection.value
    const same = era === "stateful" && spoken === "stateful"
    return {
      capabilities: same ? info.capabilities : serverCapabilitiesAcross(info.capabilities),
      ...(info.instructions === undefined ? {} : { instructions: info.instructions })
    }
  })

  return {
    initialize: Effect.fnUntraced(function* (call: Call) {
      if (initialized) return yield* new OutOfPlace({ message: "This session is initialized already" })
      initialized = true
      const serverInfo = hubInfo(hub.version)
      return { protocolVersion: open.protocolVersion, serverInfo, ...(yield* offer(call)) }
    }),
    discover: (call: Call) =>
      Effect.map(offer(call), (offered) => ({ supportedVersions: [statelessVersion], ...offered }))
  }
})
