/**
 * The typed errors of what goes wrong on the way to an HTTP upstream. Messages name the server as configured and a
 * remedy; never a url or a header, and what the upstream wrote only after it was scrubbed.
 */
import { answerLimits } from "../connection/AnswerLimits.ts"
import { AddressBlocked } from "./AddressGuard.ts"
import { connectError, proxyError } from "./ConnectErrors.ts"
import { ProxyFailed } from "./ProxyTunnel.ts"
import { UpstreamFailed, UpstreamUnavailable, protocolError } from "../../../domain/requests/UpstreamErrors.ts"

/** How far an exchange had come: `queued` means that no byte has left. */
export type Phase = "queued" | UpstreamFailed["phase"]

/** A failure of the transport at a phase. Before anything was sent it is safe to try again. */
export const transportError = (
  server: string,
  error: Error & { code?: unknown },
  phase: Phase
): UpstreamUnavailable | UpstreamFailed => {
  if (error.code === "UND_ERR_INVALID_ARG" || error.code === "UND_ERR_NOT_SUPPORTED") return badHeader(server)
  if (error instanceof AddressBlocked) return addressBlocked(server)
  if (error instanceof ProxyFailed) return proxyError(server, error)
  if (phase === "queued") return connectError(server, error)
  if (String(error.code).startsWith("HPE_") || error.code === "UND_ERR_HEADERS_OVERFLOW") {
    return protocolError(
      server,
      "headers",
      "sent something that is not an HTTP response; check that its url is an MCP endpoint"
    )
  }
  return closedError(server, phase, "closed the connection before its answer was complete")
}

export const badHeader = (server: string): UpstreamFailed =>
  new UpstreamFailed({
    server,
    reason: "bad-header",
    phase: "send",
    message: `A header for server ${server} has a value HTTP cannot carry; check its headers and the service tokens they use`
  })

const addressBlocked = (server: string): UpstreamFailed =>
  new UpstreamFailed({
    server,
    reason: "blocked",
    phase: "send",
    message: `The host of server ${server} leads to an address inside the hub's own network or to a cloud's metadata service, which the hub does not connect to; write the address itself into its url, or list its network in ALLOWED_NETWORKS`
  })

export const closedError = (server: string, phase: UpstreamFailed["phase"], what: string): UpstreamFailed =>
  new UpstreamFailed({ server, reason: "closed", phase, message: `Server ${server} ${what}` })

export const tooMuch = (server: string, phase: UpstreamFailed["phase"]): UpstreamFailed =>
  new UpstreamFailed({
    server,
    reason: "too-large",
    phase,
    message: `The answer of server ${server} was given up, as ${answerLimits}; fetch fewer at a time`
  })

export const sessionLost = (server: string): UpstreamFailed =>
  new UpstreamFailed({
    server,
    reason: "session",
    phase: "headers",
    message: `Server ${server} no longer knows the session the hub had with it; call again to start a new one`
  })

/** Nothing was sent: the connection had ended before. */
export const connectionGone = (server: string): UpstreamUnavailable =>
  new UpstreamUnavailable({
    server,
    reason: "exited",
    message: `The connection to server ${server} has ended; call again to open a new one`
  })

/** What is known of a request that was refused, besides the status. */
interface Refused {
  readonly retryAfterMs: number | undefined
  readonly sentCredentials: boolean
  /** The server's own, scrubbed. */
  readonly words?: string
}

const statusMessage = (status: number, { sentCredentials, words = "" }: Refused): string => {
  const says = words === "" ? "" : `; it says: ${words}`
  if (status === 401) {
    return sentCredentials
      ? `does not know the credentials that were sent (HTTP 401): they are wrong or have ended; renew the service token${says}`
      : `asks for credentials, and none were sent (HTTP 401); set the service token it needs, and name it in the server's headers${says}`
  }
  if (status === 403)
    return "refuses these credentials (HTTP 403); check what the service token is allowed to do" + says
  if (status === 404 || status === 405) {
    return `has no MCP endpoint at its url (HTTP ${status}); check the url, or set its type to "sse" if it speaks the old transport${says}`
  }
  return `answered with HTTP ${status}${says === "" ? "; look at its own log for the reason" : says}`
}

/**
 * A response whose status is the answer, with the server's own words where it gave any. 429 and 503 say that the request
 * was not taken.
 */
export const statusError = (server: string, status: number, refused: Refused): UpstreamUnavailable | UpstreamFailed => {
  const { retryAfterMs, words = "" } = refused
  if (status === 429 || status === 503) {
    return new UpstreamUnavailable({
      server,
      reason: "status",
      message: `Server ${server} is not taking requests now (HTTP ${status}); try again later${words === "" ? "" : `; it says: ${words}`}`,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs })
    })
  }
  if (status >= 300 && status < 400) {
    return new UpstreamFailed({
      server,
      reason: "redirect",
      phase: "headers",
      message: `Server ${server} redirects elsewhere, which the hub does not follow with a user's credentials; configure its final url`
    })
  }
  return new UpstreamFailed({
    server,
    reason: status === 401 || status === 403 ? "unauthorized" : "status",
    phase: "headers",
    message: `Server ${server} ${statusMessage(status, refused)}`
  })
}

/** What a server did wrong, as it goes on after its name. */
export const did = {
  compressUnasked: (coding: string): string =>
    `compresses its answers as "${coding.slice(0, 50)}" without being asked to; let it send them as they are`,
  cutCompressed: (coding: string): string =>
    `sent an answer whose ${coding} data is cut off before its end; report this to its author`,
  compressWrongly: "sent an answer that is not compressed as it says; report this to its author",
  sendEvent: (what: string): string => `sent an event that ${what}; report this to its author`
}
