/**
 * The hub's own settings (environment variables and flags), checked once at start. Contract: every wrong value stops
 * the start naming the variable, the shape of what was found and what is allowed.
 */
import { Context } from "effect"

export interface HubConfigShape {
  readonly host: string
  readonly port: number
  /** "" or "/prefix", never with a trailing slash. */
  readonly basePath: string
  /** Milliseconds. */
  readonly requestTimeout: number
  /** Milliseconds no request may exceed, whatever a server's options say. */
  readonly maxRequestTimeout: number
  /** Milliseconds until a connection to an upstream must be initialized. */
  readonly initTimeout: number
  /** Milliseconds one upstream has to answer a list before the answer goes out without it. */
  readonly listTimeout: number
  readonly allowQueryKey: boolean
  readonly sessionAdopt: boolean
  readonly sessionIdleMs: number
  readonly maxSessionsPerUser: number
  readonly maxInflightPerUser: number
  readonly maxChildrenPerUser: number
  readonly maxBodyBytes: number
  readonly maxUpstreamBytes: number
  readonly drainMs: number
  readonly logRequests: "all" | "errors" | "off"
  /** Between server and tool in exposed names. */
  readonly nameSeparator: string
  /** Extra `Host` / `Origin` host names accepted besides loopback and the bound address. */
  readonly allowedHosts: ReadonlyArray<string>
  readonly version: string
}

export const defaults: HubConfigShape = {
  host: "127.0.0.1",
  port: 3000,
  basePath: "",
  requestTimeout: 30_000,
  maxRequestTimeout: 3_600_000,
  initTimeout: 15_000,
  listTimeout: 5_000,
  allowQueryKey: true,
  sessionAdopt: true,
  sessionIdleMs: 15 * 60_000,
  maxSessionsPerUser: 100,
  maxInflightPerUser: 256,
  maxChildrenPerUser: 32,
  maxBodyBytes: 4 * 1024 * 1024,
  maxUpstreamBytes: 64 * 1024 * 1024,
  drainMs: 35_000,
  logRequests: "all",
  nameSeparator: "-",
  allowedHosts: [],
  version: "3.0.0-alpha.1"
}

export class HubConfig extends Context.Reference<HubConfigShape>("mcphub/domain/HubConfig", {
  defaultValue: () => defaults
}) {}
