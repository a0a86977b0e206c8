/**
 * The servers whose lists a session has had to do without, and why, until their lists are there: `ListPatience` goes by it.
 *
 * A server that could not be reached is unwell for all its lists, one that stands and does not answer for that list alone.
 * What other sessions of the user have met counts as well (`UpstreamBreakers`).
 */
import type { ListKind } from "../../domain/protocol/Methods.ts"
import { isOfServer, type UpstreamError, UpstreamUnavailable } from "../../domain/requests/UpstreamErrors.ts"

export interface UnwellServers {
  /** A list was answered without the server, or could not be had. */
  readonly note: (server: string, kind: ListKind, error: UpstreamError) => void
  /** Why a list need not wait; undefined: nothing is known against the server. */
  readonly why: (server: string, kind: ListKind) => UpstreamError | undefined
  /** A connection to the server stands. */
  readonly reached: (server: string) => void
  /** The list has come. */
  readonly listed: (server: string, kind: ListKind) => void
  readonly forget: (server: string) => void
}

export interface UnwellOptions {
  readonly stands: (server: string) => boolean
  /** Why the user's latest attempt at the server failed, in whichever session, lately and with no success since. */
  readonly failing: (server: string) => string | undefined
}

export const make = ({ failing, stands }: UnwellOptions): UnwellServers => {
  const unreached = new Map<string, UpstreamError>()
  const unlisted = new Map<string, Map<ListKind, UpstreamError>>()

  const elsewhere = (server: string): UpstreamError | undefined => {
    const message = stands(server) ? undefined : failing(server)
    return message === undefined ? undefined : new UpstreamUnavailable({ server, reason: "backoff", message })
  }

  return {
    note: (server, kind, error) => {
      // What a user or an operator mends at any moment says nothing about the server.
      if (!isOfServer(error)) return
      if (!stands(server)) return void unreached.set(server, error)
      const kinds = unlisted.get(server) ?? new Map<ListKind, UpstreamError>()
      unlisted.set(server, kinds.set(kind, error))
    },
    why: (server, kind) => unreached.get(server) ?? unlisted.get(server)?.get(kind) ?? elsewhere(server),
    reached: (server) => void unreached.delete(server),
    listed: (server, kind) => {
      unreached.delete(server)
      unlisted.get(server)?.delete(kind)
    },
    forget: (server) => {
      unreached.delete(server)
      unlisted.delete(server)
    }
  }
}
