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
import type { ServerLists } from "../catalog/ServerLists.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"
import { MissingServers } from "../catalog/MissingServers.ts"
import { missingWord } from "../../domain/requests/MissingWords.ts"
import type { UpstreamConnection } from "../upstream/connection/UpstreamConnection.ts"
import { missingLine } from "./MissingReport.ts"
import type { OpenOptions } from "./Session.ts"
import type { AccessInForce } from "./SessionAccess.ts"

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

export interface HandshakeOptions {
  readonly open: OpenOptions
  readonly links: UpstreamLinks
  readonly lists: ServerLists
  readonly access: AccessInForce
}

export const make = Effect.fnUntraced(function* ({ access, links, lists, open }: HandshakeOptions) {
  const hub = yield* HubConfig
  const missing = yield* MissingServers
  const era = eraOf(open.protocolVersion)
  let initialized = open.adopt !== undefined || open.recovered !== undefined

  const reached = (server: string, call: Call): Effect.Effect<UpstreamConnection | string> =>
    links.get(server, call.context).pipe(
      timeoutAwake(hub.listTimeout, () => Effect.succeed(`Server ${server} has not answered yet`)),
      Effect.catch((error) =>
        Effect.succeed(`Server ${server} cannot be reached (${missingWord(error)}): ${error.message}`)
      )
    )

  /** What was missing when the user's sessions looked last. */
  const lacking = ({ context }: Call): JsonObject => {
    const known = missing.of(context.principal).filter(({ server }) => access().has(server))
    // Where nothing is there, lists are an error with every reason, and no tool is listed.
    const isAnyThere = [...access().keys()].some((server) => !known.some((one) => one.server === server))
    return known.length === 0 ? {} : { instructions: missingLine(known, hub.statusTool && isAnyThere) }
  }

  /** Capabilities and instructions of what is behind the endpoint. */
  const offer = Effect.fnUntraced(function* (call: Call) {
    if (open.target.kind !== "server") return { capabilities: everything, ...lacking(call) }
    // One server's endpoint shows that server's own abilities, if they are known or it answers soon.
    const introduced = lists.introduction(open.target.name)
    const connection = introduced === undefined ? yield* reached(open.target.name, call) : introduced
    if (typeof connection === "string") return { capabilities: everything, instructions: connection }
    const { era: spoken, info } = connection
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
