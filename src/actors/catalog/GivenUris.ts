/**
 * The URIs that servers gave to this session and that no list may hold: links in results, user interfaces of tools. Each
 * is remembered under the name by which the client was told of it, so that it leads back to its server. A name that is
 * another server's already, or that there is no room to remember, carries its server's name instead and needs no memory.
 * Bounded in bytes, by the session and by its user's memory. The oldest of the server that has the most give way, so a
 * server that gives many pushes out its own and never those of one that gives fewer.
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

/** Some ten thousand of a usual length. */
const maxBytes = 2 * 1024 * 1024
/** Bytes of an entry beside its text. */
const entryBytes = 64

const bytesOf = (uri: string): number => entryBytes + 2 * uri.length

/** What one server gave, the oldest first. */
interface Share {
  readonly uris: Set<string>
  bytes: number
}

export const make = (room: Room): GivenUris => {
  const shares = new Map<string, Share>()
  let held = 0

  const owner = (uri: string): string | undefined => {
    for (const [server, { uris }] of shares) if (uris.has(uri)) return server
    return undefined
  }

  const forget = (server: string, uri: string): void => {
    const share = shares.get(server)
    if (share === undefined || !share.uris.delete(uri)) return
    share.bytes -= bytesOf(uri)
    held -= bytesOf(uri)
    room.release(bytesOf(uri))
    if (share.uris.size === 0) shares.delete(server)
  }

  /** Whose turn it is to lose one when this server gets so many bytes more: never a server that would have fewer. */
  const largest = (server: string, bytes: number): string => {
    let [found, most] = [server, (shares.get(server)?.bytes ?? 0) + bytes]
    for (const [other, share] of shares) if (share.bytes > most) [found, most] = [other, share.bytes]
    return found
  }

  const hasRoom = (bytes: number): boolean => held + bytes <= maxBytes && room.hold(bytes)

  /** Gives away no more than is needed, even where that does not help because others of the user's things fill it. */
  const makeRoom = (server: string, bytes: number): boolean => {
    for (let freed = 0; freed < bytes;) {
      const from = largest(server, bytes)
      const oldest = shares.get(from)?.uris.values().next().value
      if (oldest === undefined) return false
      forget(from, oldest)
      freed += bytesOf(oldest)
    }
    return hasRoom(bytes)
  }

  const remember = (server: string, uri: string): boolean => {
    const bytes = bytesOf(uri)
    if (!hasRoom(bytes) && !makeRoom(server, bytes)) return false
    let share = shares.get(server)
    if (share === undefined) shares.set(server, (share = { uris: new Set(), bytes: 0 }))
    share.uris.add(uri)
    share.bytes += bytes
    held += bytes
    return true
  }

  return {
    give: (server, uri, isTaken, isOwn) => {
      // What is too long to be sent back is nobody's to read.
      if (!isName(uri)) return uri
      const given = owner(uri)
      if (given === server) {
        if (!isTaken || isOwn) return uri
        forget(server, uri)
      }
      return given === undefined && !isTaken && remember(server, uri) ? uri : qualifyUri(server, uri)
    },
    owner
  }
}
