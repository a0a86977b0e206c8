/**
 * The client's capabilities on which a server may rely: all of them, but for the roots where the server has a folder for
 * each user. Roots name places on the client's machine; a server that takes them for places on its own, as the
 * published one for files does, would let any user choose what it opens on the hub's machine, other users' folders too.
 */
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { namesFolder } from "../../domain/servers/ServerTemplates.ts"
import type { Settings } from "../../domain/servers/Settings.ts"

export type OfferedCapabilities = (server: string) => JsonObject

/** Whether the server has a folder for each user, and so nothing to do with their roots. */
export const withholdsRoots = (settings: Settings["Service"], server: string): boolean => {
  const config = settings.current().mcpServers[server]
  return config !== undefined && namesFolder(config)
}

export const make = (declared: JsonObject, settings: Settings["Service"]): OfferedCapabilities => {
  if (!("roots" in declared)) return () => declared
  const { roots: _, ...others } = declared
  return (server) => (withholdsRoots(settings, server) ? others : declared)
}
