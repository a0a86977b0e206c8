/**
 * The payer of work and memory: a user, or a server that several users share, for what it says that belongs to no call.
 * Whoever opened the connection to such a server has no more to do with that than the others, and their debt must not
 * keep the others waiting.
 */
import type { UserId } from "../../domain/Ids.ts"
import type { Isolation } from "../../domain/servers/ServerConfig.ts"

type ServerAccount = `server:${string}`

/** User ids are uuids. */
export type Payer = UserId | ServerAccount

export const isServer = (payer: Payer): payer is ServerAccount => payer.startsWith("server:")

/** Of what a server says on a connection that the user opened. */
export const ofConnection = (server: string, isolation: Isolation | undefined, openedBy: UserId): Payer =>
  isolation === "shared" ? `server:${server}` : openedBy
