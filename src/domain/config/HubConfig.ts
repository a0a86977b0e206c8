/**
 * The hub's own settings (environment variables and flags), checked once at start. Every wrong value stops the start
 * with a message that names the variable, the shape of what was found and what is allowed.
 */
import { Context, Effect, Layer, LogLevel } from "effect"
import type { IpNetwork } from "effect/net"
import {
  bytes,
  choice,
  type ConfigProblem,
  configInvalid,
  duration,
  flag,
  integer,
  type Overrides,
  parsed,
  readVariables,
  type Variable
} from "./ConfigVariables.ts"
import { exceptionsFromText, proxyAllowed, proxyFromText, type ProxySettings } from "./ProxySettings.ts"
import { networksFromText } from "./UpstreamAddresses.ts"

export interface HubConfigShape extends ProxySettings {
  readonly host: string
  readonly port: number
  /** Where people reach the hub, without the base path: `https://hub.example.com`. */
  readonly publicUrl: string | undefined
  /** "" or "/prefix", never with a trailing slash. */
  readonly basePath: string
  /** Milliseconds. */
  readonly requestTimeout: number
  /** Milliseconds no request may exceed, whatever a server's options say. */
  readonly maxRequestTimeout: number
  /** Milliseconds within which a connection to an upstream must be initialized. */
  readonly initTimeout: number
  /** Milliseconds one upstream has to answer a list request; then the hub answers without it. */
  readonly listTimeout: number
  readonly allowQueryKey: boolean
  readonly sessionAdopt: boolean
  /** Whether the deprecated HTTP+SSE transport (`/sse`, `/messages`) is served. */
  readonly sseTransport: boolean
  readonly sessionIdleMs: number
  readonly maxSessionsPerUser: number
  readonly maxInflightPerUser: number
  /** Requests one user may have in flight at one server, unless the server's `options.maxInflight` says otherwise. */
  readonly maxInflightPerServer: number
  readonly maxChildrenPerUser: number
  /** Child processes of all users together. */
  readonly maxChildren: number
  /**
   * Requests per second, and as much work on large answers, that each user may cause before their requests yield to
   * those of other users; 0 switches this off.
   */
  readonly fairShare: number
  /** Wrong keys one address may present per minute before the hub answers 429; valid keys never count. */
  readonly wrongKeysPerMinute: number
  readonly maxBodyBytes: number
  /** Milliseconds for which the body of a request may be silent. */
  readonly bodyTimeout: number
  readonly maxUpstreamBytes: number
  /** Bytes of large answers that the hub may hold in memory for one user; at least `maxUpstreamBytes`. */
  readonly maxAnswerBytesPerUser: number
  /** Bytes that the hub may keep in memory for one user, of all kinds together; at least `maxAnswerBytesPerUser`. */
  readonly maxMemoryPerUser: number
  readonly drainMs: number
  readonly logLevel: LogLevel.LogLevel
  readonly logRequests: "all" | "errors" | "off"
  /** Days (UTC) whose audit rows are kept, besides the current one; 0 switches the audit trail off. */
  readonly auditRetentionDays: number
  /** Days (UTC) whose hourly statistics are kept, besides the current one; 0 counts nothing. */
  readonly statisticsRetentionDays: number
  /** Separator between server and tool in exposed names. */
  readonly nameSeparator: string
  /** Whether the tool that tells of missing servers is listed while there are any. */
  readonly statusTool: boolean
  /** Extra `Host` / `Origin` host names accepted besides loopback and the bound address. */
  readonly allowedHosts: ReadonlyArray<string>
  /** Origins of web pages and browser extensions that may use the hub, as a browser writes them. */
  readonly allowedOrigins: ReadonlyArray<string>
  /** Networks that upstreams may resolve into although the host name in their url is a public one. */
  readonly allowedNetworks: ReadonlyArray<IpNetwork.IpNetwork>
  /** Whether the hub starts a stdio server that holds users' tokens without a sandbox. */
  readonly stdioSharedUser: "allow" | "refuse"
  readonly version: string
}

export const defaults: HubConfigShape = {
  host: "127.0.0.1",
  port: 3000,
  publicUrl: undefined,
  basePath: "",
  requestTimeout: 30_000,
  maxRequestTimeout: 3_600_000,
  initTimeout: 15_000,
  listTimeout: 5_000,
  allowQueryKey: true,
  sessionAdopt: true,
  sseTransport: true,
  sessionIdleMs: 15 * 60_000,
  maxSessionsPerUser: 100,
  maxInflightPerUser: 256,
  maxInflightPerServer: 128,
  maxChildrenPerUser: 32,
  maxChildren: 512,
  fairShare: 100,
  wrongKeysPerMinute: 60,
  maxBodyBytes: 4 * 1024 * 1024,
  bodyTimeout: 30_000,
  maxUpstreamBytes: 64 * 1024 * 1024,
  maxAnswerBytesPerUser: 256 * 1024 * 1024,
  maxMemoryPerUser: 256 * 1024 * 1024,
  drainMs: 35_000,
  logLevel: "Info",
  logRequests: "all",
  auditRetentionDays: 90,
  statisticsRetentionDays: 400,
  nameSeparator: "-",
  statusTool: true,
  allowedHosts: [],
  allowedOrigins: [],
  allowedNetworks: [],
  httpProxy: undefined,
  httpsProxy: undefined,
  noProxy: [],
  stdioSharedUser: "allow",
  version: "3.0.0-alpha.1"
}

/** "" or "/prefix" from what people write: `/`, `prefix`, `/prefix/`. */
const basePath = (text: string): string | undefined => {
  const path = `/${text}`.replace(/^\/+/, "/").replace(/\/+$/, "")
  const isPlain = /^(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/.test(path)
  return isPlain ? path : undefined
}

const hostName = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?)$/

const hostNames = (text: string): ReadonlyArray<string> | undefined => {
  const names = text
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "")
  return names.every((name) => hostName.test(name)) ? names : undefined
}

/** An origin as a browser writes it, or what people write for one. Extensions and apps have schemes of their own. */
const origin = (text: string): string | undefined => {
  const url = URL.parse(text)
  if (url === null || url.pathname.length > 1 || url.search + url.hash + url.username + url.password !== "")
    return undefined
  if (url.protocol === "http:" || url.protocol === "https:") return url.origin
  return /^[a-z][a-z0-9+.-]*:\/\/[^/]+$/.test(text.toLowerCase()) ? text.toLowerCase() : undefined
}

const webOrigin = (text: string): string | undefined => (/^https?:/i.test(text) ? origin(text) : undefined)

const origins = (text: string): ReadonlyArray<string> | undefined => {
  const found = text
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map(origin)
  return found.every((one) => one !== undefined) ? found : undefined
}

/** These variables are older than the hub: the lower-case name is the one that every program knows, and counts first. */
const proxyVariable = (name: string, lower: string): Variable<ProxySettings["httpProxy"]> => ({
  names: [lower, name],
  allowed: proxyAllowed,
  parse: proxyFromText,
  absent: undefined
})

const variables = {
  host: parsed(
    "HOST",
    "a host name or an IP address",
    (text) => (hostName.test(text) ? text : undefined),
    defaults.host
  ),
  port: integer("PORT", 0, 65_535, defaults.port),
  publicUrl: parsed(
    "PUBLIC_URL",
    "http://host or https://host, with a port if need be and without a path: BASE_PATH is added",
    webOrigin,
    defaults.publicUrl
  ),
  basePath: parsed("BASE_PATH", "a path such as /mcphub of letters, digits and . _ ~ -", basePath, defaults.basePath),
  requestTimeout: duration("REQUEST_TIMEOUT", 1, defaults.requestTimeout),
  maxRequestTimeout: duration("MAX_REQUEST_TIMEOUT", 1, defaults.maxRequestTimeout),
  initTimeout: duration("INIT_TIMEOUT", 1, defaults.initTimeout),
  listTimeout: duration("LIST_TIMEOUT", 1, defaults.listTimeout),
  allowQueryKey: flag("ALLOW_QUERY_KEY", defaults.allowQueryKey),
  sessionAdopt: flag("SESSION_ADOPT", defaults.sessionAdopt),
  sseTransport: flag("SSE_TRANSPORT", defaults.sseTransport),
  sessionIdleMs: duration("SESSION_IDLE_MS", 1, defaults.sessionIdleMs),
  maxSessionsPerUser: integer("MAX_SESSIONS_PER_USER", 1, 1_000_000, defaults.maxSessionsPerUser),
  maxInflightPerUser: integer("MAX_INFLIGHT_PER_USER", 1, 1_000_000, defaults.maxInflightPerUser),
  maxInflightPerServer: integer("MAX_INFLIGHT_PER_SERVER", 1, 1_000_000, defaults.maxInflightPerServer),
  maxChildrenPerUser: integer("MAX_CHILDREN_PER_USER", 0, 100_000, defaults.maxChildrenPerUser),
  maxChildren: integer("MAX_CHILDREN", 0, 1_000_000, defaults.maxChildren),
  fairShare: integer("FAIR_SHARE", 0, 1_000_000, defaults.fairShare),
  wrongKeysPerMinute: integer("WRONG_KEYS_PER_MINUTE", 1, 1_000_000, defaults.wrongKeysPerMinute),
  maxBodyBytes: bytes("MAX_BODY_BYTES", 1_024, defaults.maxBodyBytes),
  bodyTimeout: duration("BODY_TIMEOUT", 1, defaults.bodyTimeout),
  maxUpstreamBytes: bytes("MAX_UPSTREAM_BYTES", 1_024, defaults.maxUpstreamBytes),
  maxAnswerBytesPerUser: bytes("MAX_ANSWER_BYTES_PER_USER", 1_024, defaults.maxAnswerBytesPerUser),
  maxMemoryPerUser: bytes("MAX_MEMORY_PER_USER", 1_024, defaults.maxMemoryPerUser),
  drainMs: duration("DRAIN_MS", 0, defaults.drainMs),
  logLevel: choice("LOG_LEVEL", LogLevel.values, defaults.logLevel),
  logRequests: choice("LOG_REQUESTS", ["all", "errors", "off"], defaults.logRequests),
  auditRetentionDays: integer("AUDIT_RETENTION_DAYS", 0, 400, defaults.auditRetentionDays),
  statisticsRetentionDays: integer("STATISTICS_RETENTION_DAYS", 0, 4000, defaults.statisticsRetentionDays),
  nameSeparator: parsed(
    "NAME_SEPARATOR",
    "one to three of the characters - _ . /",
    (text) => (/^[-_./]{1,3}$/.test(text) ? text : undefined),
    defaults.nameSeparator
  ),
  statusTool: flag("STATUS_TOOL", defaults.statusTool),
  allowedHosts: parsed(
    "ALLOWED_HOSTS",
    "host names or IP addresses, separated by commas",
    hostNames,
    defaults.allowedHosts
  ),
  allowedOrigins: parsed(
    "ALLOWED_ORIGINS",
    "origins such as https://app.example.com or chrome-extension://id, separated by commas",
    origins,
    defaults.allowedOrigins
  ),
  allowedNetworks: parsed(
    "ALLOWED_NETWORKS",
    "networks such as 10.0.0.0/8 or single addresses, separated by commas",
    networksFromText,
    defaults.allowedNetworks
  ),
  httpProxy: proxyVariable("HTTP_PROXY", "http_proxy"),
  httpsProxy: proxyVariable("HTTPS_PROXY", "https_proxy"),
  noProxy: {
    ...parsed(
      "NO_PROXY",
      "host names, addresses and networks, separated by commas",
      exceptionsFromText,
      defaults.noProxy
    ),
    names: ["no_proxy", "NO_PROXY"]
  },
  stdioSharedUser: choice("STDIO_SHARED_USER", ["allow", "refuse"], defaults.stdioSharedUser)
}

/** The configuration from overrides, then the environment, then `defaults`. */
export const readHubConfig = Effect.fnUntraced(function* (overrides: Overrides = {}) {
  const config = yield* readVariables(variables, overrides)
  const problems: Array<ConfigProblem> = []
  if (config.requestTimeout > config.maxRequestTimeout) {
    problems.push({
      variable: "REQUEST_TIMEOUT",
      found: `${config.requestTimeout} ms`,
      allowed: `at most MAX_REQUEST_TIMEOUT, which is ${config.maxRequestTimeout} ms`
    })
  }
  if (config.maxAnswerBytesPerUser < config.maxUpstreamBytes) {
    problems.push({
      variable: "MAX_ANSWER_BYTES_PER_USER",
      found: `${config.maxAnswerBytesPerUser} bytes`,
      allowed: `at least MAX_UPSTREAM_BYTES, which is ${config.maxUpstreamBytes} bytes`
    })
  }
  if (config.maxMemoryPerUser < config.maxAnswerBytesPerUser) {
    problems.push({
      variable: "MAX_MEMORY_PER_USER",
      found: `${config.maxMemoryPerUser} bytes`,
      allowed: `at least MAX_ANSWER_BYTES_PER_USER, which is ${config.maxAnswerBytesPerUser} bytes`
    })
  }
  if (problems.length > 0) return yield* configInvalid(problems)
  return { ...config, version: defaults.version } satisfies HubConfigShape
})

export class HubConfig extends Context.Reference<HubConfigShape>("mcphub/domain/config/HubConfig", {
  defaultValue: () => defaults
}) {
  /**
   * The configuration from the environment (`ConfigProvider`); fails with `ConfigInvalid`, all wrong variables at once.
   */
  static readonly layerEnv = Layer.effect(HubConfig, readHubConfig())
  /** The same with command line flags in front, by variable name: `{ PORT: 4000 }`, checked alike. */
  static readonly layerWith = (overrides: Overrides) => Layer.effect(HubConfig, readHubConfig(overrides))
}
