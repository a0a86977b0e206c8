/**
 * The times that the start of a connection may take. Whoever wants something of a server waits `initTimeout`; a process
 * may take longer for its own start, as when `npx` has to fetch it first: that goes on in the background, because ending
 * it and beginning anew would never come to an end.
 */
import { Effect } from "effect"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { type ServerConfig, serverType } from "../../../domain/servers/ServerConfig.ts"

export interface StartLimits {
  /** Milliseconds for which whoever needs the connection waits. */
  readonly waitMs: number
  /** Milliseconds after which the start is given up. */
  readonly startMs: number
}

/** In times of what is waited for. */
const processPatience = 4

export const startLimits = (config: ServerConfig): Effect.Effect<StartLimits> =>
  Effect.map(HubConfig, (hub) => limitsOf(config, hub.initTimeout))

export const limitsOf = (config: ServerConfig, initTimeout: number): StartLimits => {
  const waitMs = config.options?.initTimeout ?? initTimeout
  return { waitMs, startMs: serverType(config) === "stdio" ? processPatience * waitMs : waitMs }
}
