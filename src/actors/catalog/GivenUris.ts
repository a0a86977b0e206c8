/**
 * The URIs that servers gave to this session and that no list may hold: links in results, user interfaces of tools. Each
 * is remembered under the name by which the client was told of it, so that it leads back to its server. A name that is
 * another server's already, or that there is no room to remember, carries its server's name instead and needs no memory.
 * Bounded in number, and in bytes by its user's memory; the oldest give way.
 */
import { qualifyUri } from "../../domain/protocol/ExposedNames.ts"
import { isName } from "../../domain/protocol/json/ListItems.ts"
import type { Room } from "../limits/Retained.ts"

export interface GivenUris {
  /**
   * What the client calls a server's URI from now on; `isTaken`: another server is known to have it. `isOwn`: this one
   * lists it as well, so it keeps a name that it had before.
   */
  readonly give: (server: string, uri: string, isTaken: boolean, isOwn: boolean) => string
  /** Whose it is, if the client was told of it under this very name. */
  readonly owner: (uri: string) => string | undefined
}

const maxUris = 10_000
/** Bytes of an entry beside its text. */
const entryBytes = 64

export const make = (room: Room): GivenUris => {
  const owners = new Map<string, string>()
  const bytesOf = (uri: string): number => entryBytes + 2 * uri.length

  const forget = (uri: string): number => {
    owners.delete(uri)
    room.release(bytesOf(uri))
    return bytesOf(uri)
  }

  const remember = (server: string, uri: string): boolean => {
    const bytes = bytesOf(uri)
    let freed = 0
    if (owners.size >= maxUris || !room.hold(bytes)) {
      for (const oldest of owners.keys()) {
        freed += forget(oldest)
        if (freed >= bytes) break
      }
      if (!room.hold(bytes)) return false
    }
    owners.set(uri, server)
    return true
  }

  return {
    give: (server, uri, isTaken, isOwn) => {
      // What is too long to be sent back is nobody's to read.
      if (!isName(uri)) return uri
      const owner = owners.get(uri)
      if (owner === server) {
        if (!isTaken || isOwn) return uri
        forget(uri)
      }
      return owner === undefined && !isTaken && remember(server, uri) ? uri : qualifyUri(server, uri)
    },
    owner: (uri) => owners.get(uri)
  }
}
