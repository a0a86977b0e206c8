/**
 * Connections on which nothing is under way. One that has not asked for anything yet, or does not come to the end of a
 * request's head, is closed after a short while, and one that was served after a longer one: otherwise connections that
 * say nothing take the descriptors of everybody. Strangers, those on which no key has been recognized yet, have a share
 * for each address they come from, so that one machine alone cannot keep the others out; a proxy's connections are none
 * once a user has come by them.
 *
 * The runtimes have such limits of their own, and not the same ones.
 */
import type { Socket } from "node:net"
import type { Peer } from "../wire/Wire.ts"

/** Milliseconds until the head of the first request has come. */
export const firstHeadMs = 15_000
/** Milliseconds from an answer to the head of the next request; longer than proxies keep theirs (60 s). */
export const nextHeadMs = 75_000
/** Milliseconds between two looks. */
export const lookEveryMs = 1_000

interface Connection extends Peer {
  /** Milliseconds, monotonic: since when nothing has been under way on it. */
  since: number
  /** Requests under way. */
  running: number
  hasAsked: boolean
  readonly address: string
}

export interface SilentSockets {
  /** False: this address has as many connections of strangers as it may. */
  readonly accept: (socket: Socket) => boolean
  /** The head of a request has come. Undefined: the connection was not accepted. */
  readonly begun: (socket: Socket) => Peer | undefined
  /** Its key was recognized: the connection is no stranger's any more. */
  readonly known: (socket: Socket) => void
  /** It is answered. */
  readonly ended: (socket: Socket) => void
  readonly closed: (socket: Socket) => void
  /** Those that have been silent for too long, with a look at the time since the last look. */
  readonly overdue: () => ReadonlyArray<Socket>
}

/** `most`: connections of strangers from one address. */
export const make = (now: () => number, most: number): SilentSockets => {
  const connections = new Map<Socket, Connection>()
  const strangers = new Map<string, number>()
  let looked = now()

  const count = (address: string, change: number): void => {
    const counted = (strangers.get(address) ?? 0) + change
    if (counted <= 0) strangers.delete(address)
    else strangers.set(address, counted)
  }

  return {
    accept: (socket) => {
      const address = socket.remoteAddress ?? ""
      if ((strangers.get(address) ?? 0) >= most) return false
      const known = { isStranger: true, admittedHost: undefined, posted: undefined }
      connections.set(socket, { since: now(), running: 0, hasAsked: false, ...known, address })
      count(address, 1)
      return true
    },
    begun: (socket) => {
      const connection = connections.get(socket)
      if (connection === undefined) return undefined
      connection.hasAsked = true
      connection.running++
      return connection
    },
    known: (socket) => {
      const connection = connections.get(socket)
      if (connection?.isStranger !== true) return
      connection.isStranger = false
      count(connection.address, -1)
    },
    ended: (socket) => {
      const connection = connections.get(socket)
      if (connection === undefined) return
      connection.running--
      connection.since = now()
    },
    closed: (socket) => {
      const connection = connections.get(socket)
      if (connection === undefined) return
      connections.delete(socket)
      if (connection.isStranger) count(connection.address, -1)
    },
    overdue: () => {
      const moment = now()
      // The process stood still: what has come meanwhile lies unread, and is nobody's silence.
      const stalled = Math.max(0, moment - looked - 2 * lookEveryMs)
      looked = moment
      const found: Array<Socket> = []
      for (const [socket, connection] of connections) {
        connection.since += stalled
        const limit = connection.hasAsked ? nextHeadMs : firstHeadMs
        if (connection.running === 0 && moment - connection.since >= limit) found.push(socket)
      }
      return found
    }
  }
}
