/**
 * The evidence that an answer gives of the era a server speaks. Only words of the protocol count: a refused credential,
 * an overloaded server or a broken connection says nothing and stays the error it is.
 *
 * Source: MCP 2026-07-28 `basic/transports` (backward compatibility), the negotiation of the TypeScript SDK 2.4.
 */
import { Effect } from "effect"
import { rpcCodes } from "../../../domain/protocol/ErrorCodes.ts"
import { shortened } from "../../../domain/protocol/json/ServerWords.ts"
import { statelessCodes } from "../../../domain/protocol/eras/StatelessErrors.ts"
import { eraOf, statelessVersion } from "../../../domain/protocol/Versions.ts"
import type { ServerConfig } from "../../../domain/servers/ServerConfig.ts"
import type { StartLimits } from "../connection/StartLimits.ts"
import type { UpstreamInfo } from "../connection/UpstreamConnection.ts"
import { discovered, offered } from "./StatelessEnvelope.ts"
import {
  type EraNotSpoken,
  eraNotSpoken,
  type UpstreamErrorResponse,
  UpstreamUnavailable
} from "../../../domain/requests/UpstreamErrors.ts"

export const unusable = (server: string, what: string): UpstreamUnavailable =>
  new UpstreamUnavailable({ server, reason: "initialize", message: `Server ${server} ${what}` })

/** Milliseconds: servers of the other era may well leave `server/discover` unanswered. */
const discoverMs = 5_000

/** Refused because there are too many requests now: says nothing about what the server speaks. */
export const overloaded = ({ message, server }: UpstreamErrorResponse, retryAfterMs: number): UpstreamUnavailable =>
  new UpstreamUnavailable({
    server,
    reason: "status",
    message: `Server ${server} takes no requests now: ${shortened(message)}`,
    retryAfterMs
  })

/**
 * How long an answer to `server/discover` is waited for, of the time there is to connect: at most half where the other era
 * is still to be tried, all of it where the settings leave no other.
 */
export const patienceFor = (config: ServerConfig, { startMs, waitMs }: StartLimits): number =>
  config.era === "stateless" ? startMs : Math.min(discoverMs, waitMs / 2)

/**
 * A server of sessions knows `initialize`; who refuses it with one of these may know the stateless revision alone. A
 * wrong guess costs one `server/discover`.
 */
const statelessRefusals: ReadonlySet<number> = new Set([
  ...Object.values(statelessCodes),
  rpcCodes.methodNotFound,
  rpcCodes.invalidParams
])

export const initializeRefused = (error: UpstreamErrorResponse): UpstreamUnavailable | EraNotSpoken => {
  if (error.retryAfterMs !== undefined) return overloaded(error, error.retryAfterMs)
  const { code, message, server } = error
  const refusal = unusable(server, `refused initialize with error ${code}: ${shortened(message)}`)
  return statelessRefusals.has(code) ? eraNotSpoken("stateful", refusal) : refusal
}

/** What can be a revision; anything else that a server writes in its place is not repeated. */
const revisionLike = /^[\w.-]{1,32}$/

const otherRevisions = (server: string, supported: ReadonlyArray<string>): UpstreamUnavailable | EraNotSpoken => {
  const offers = supported.filter((version) => revisionLike.test(version)).slice(0, 5)
  const refusal = unusable(
    server,
    `speaks only revisions of MCP that this hub does not (it offers ${offers.length === 0 ? "none" : offers.join(", ")})`
  )
  return supported.some((version) => eraOf(version) === "stateful") ? eraNotSpoken("stateless", refusal) : refusal
}

/** A JSON-RPC error in answer to `server/discover`. */
export const discoverRefused = (error: UpstreamErrorResponse): UpstreamUnavailable | EraNotSpoken => {
  const { code, data, message, server } = error
  const refusal = unusable(server, `refused server/discover with error ${code}: ${shortened(message)}`)
  switch (code) {
    case statelessCodes.headerMismatch:
    case statelessCodes.missingClientCapability:
      return refusal
    case statelessCodes.unsupportedVersion: {
      const supported = offered(data)
      if (supported === undefined) return eraNotSpoken("stateless", refusal)
      return supported.includes(statelessVersion) ? refusal : otherRevisions(server, supported)
    }
    default:
      return eraNotSpoken("stateless", refusal)
  }
}

/** The answer to `server/discover`. */
export const discoveredInfo = (
  server: string,
  result: unknown
): Effect.Effect<UpstreamInfo, UpstreamUnavailable | EraNotSpoken> => {
  const found = discovered(result)
  if (found.kind === "spoken") return Effect.succeed(found.info)
  if (found.kind === "other") return Effect.fail(otherRevisions(server, found.supported))
  const what = "answered server/discover with something else than what it supports"
  return Effect.fail(eraNotSpoken("stateless", unusable(server, what)))
}

/** The server asks for another revision and names the one that was used: said again, it may well be heard. */
export const wantsSameAgain = (error: UpstreamErrorResponse): boolean =>
  error.code === statelessCodes.unsupportedVersion && offered(error.data)?.includes(statelessVersion) === true

/** The server has no use for the revision that was found to be spoken. */
export const offersNothingElse = (error: UpstreamErrorResponse): boolean =>
  error.code === statelessCodes.unsupportedVersion && offered(error.data)?.includes(statelessVersion) !== true

/** A request of a session is told that its revision is not spoken here: the server knows the stateless one alone by now. */
export const refusesSessions = (error: UpstreamErrorResponse): boolean =>
  error.code === statelessCodes.unsupportedVersion

/** Why a connection ended whose server has changed eras. */
export const eraLost = "the server no longer speaks this revision"

/** `why` is the sentence by which it showed. */
export const noLongerSpoken = (server: string, why: string): UpstreamUnavailable =>
  unusable(server, `no longer speaks the revision the hub found it to speak; call again (${shortened(why)})`)
