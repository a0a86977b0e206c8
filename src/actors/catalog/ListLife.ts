/** The milliseconds for which a list of a server is taken for true before it is asked for again. */
import { type ListKind, lists } from "../../domain/protocol/Methods.ts"
import type { UpstreamConnection } from "../upstream/connection/UpstreamConnection.ts"
import type { Fetched } from "./ListPages.ts"

/** A server that announces changes is believed until it does, within reason; others are asked again soon. */
export const announcedLife = 5 * 60_000
export const unannouncedLife = 5_000

const announces = (connection: UpstreamConnection, kind: ListKind): boolean => {
  const capability = connection.info.capabilities[lists[kind].capability]
  return (
    typeof capability === "object" &&
    capability !== null &&
    "listChanged" in capability &&
    capability.listChanged === true
  )
}

/** Milliseconds for which a list is not asked for again. */
export const lifeFor = (
  connection: UpstreamConnection,
  kind: ListKind,
  { incomplete, items, ttlMs }: Fetched
): number => {
  if (incomplete !== undefined) return unannouncedLife
  if (announces(connection, kind) || (connection.info.isGuess && items.size === 0)) return announcedLife
  return ttlMs === undefined ? unannouncedLife : Math.min(ttlMs, announcedLife)
}
