/**
 * The typed errors of connections that did not come up, with a server itself or with the proxy before it. Nothing was
 * sent, so it is safe to try again. Messages hold a remedy, and neither a host nor a url.
 */
import { UpstreamUnavailable } from "../../../domain/requests/UpstreamErrors.ts"
import type { ProxyFailed } from "./ProxyTunnel.ts"

const refused = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "EHOSTDOWN", "ECONNRESET"])
const unresolved = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA", "EAI_NONAME", "EAI_FAIL"])
const timedOut = new Set(["ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT"])

const connectReason = (error: Error & { code?: unknown }): UpstreamUnavailable["reason"] => {
  const code = String(error.code ?? "")
  if (timedOut.has(code)) return "timeout"
  if (unresolved.has(code) || /name or service not known|failed to lookup/i.test(error.message)) return "dns"
  if (/cert|_TLS_|_SSL_|EPROTO/i.test(code) || /certificate|handshake|\btls\b|\bssl\b/i.test(error.message))
    return "tls"
  return refused.has(code) ? "refused" : /timed out/i.test(error.message) ? "timeout" : "refused"
}

const connectMessages: Partial<Record<UpstreamUnavailable["reason"], string>> = {
  timeout: "did not accept a connection in time; check that its host is reachable from the hub",
  dns: "has a host name that does not resolve; check its url",
  tls: "could not be trusted or spoken to over TLS; check its certificate and that its url should begin with https",
  refused: "refused the connection; check that it is running and that its url names the right port"
}

/** The runtime does not trust whoever signed the certificate: Node says so by a code, Deno now and then in the words of rustls. */
const unknownIssuer = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
])

const isIssuerUnknown = (error: Error & { code?: unknown }): boolean =>
  unknownIssuer.has(String(error.code)) || /UnknownIssuer/.test(error.message)

const trustMessage =
  "has a certificate of an authority that the hub does not know; if it is your company's, start the hub with NODE_EXTRA_CA_CERTS=/path/to/ca.pem, or let it trust what the system trusts: NODE_USE_SYSTEM_CA=1, on Deno DENO_TLS_CA_STORE=system"

/** No connection came up. */
export const connectError = (server: string, error: Error & { code?: unknown }): UpstreamUnavailable => {
  const reason = connectReason(error)
  const message = isIssuerUnknown(error) ? trustMessage : connectMessages[reason]
  return new UpstreamUnavailable({ server, reason, message: `Server ${server} ${message}` })
}

const proxyMessages: Partial<Record<UpstreamUnavailable["reason"], string>> = {
  timeout: "did not open a connection in time",
  dns: "has a host name that does not resolve",
  tls: "could not be trusted or spoken to over TLS",
  refused: "refused or broke off the connection"
}

const proxyRemedy = (status: number): string => {
  if (status === 407) return "give it a user and password, as in http://user:password@host:port"
  if (status === 401 || status === 403) return "ask whoever runs it to let the hub connect to the server"
  return "check the server's url, and that the proxy may and can connect to it"
}

/** Names no proxy: its url may hold a password. */
export const proxyError = (server: string, { failure, status }: ProxyFailed): UpstreamUnavailable => {
  const begin = `Server ${server} was not reached: the proxy that HTTPS_PROXY or HTTP_PROXY names`
  if (failure === undefined) {
    const message = `${begin} answered HTTP ${status}; ${proxyRemedy(status ?? 0)}`
    return new UpstreamUnavailable({ server, reason: "refused", message })
  }
  const reason = connectReason(failure)
  const message = `${begin} ${proxyMessages[reason]}; check the variable, or list the server's host in NO_PROXY`
  return new UpstreamUnavailable({ server, reason, message })
}
