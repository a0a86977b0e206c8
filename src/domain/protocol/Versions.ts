/**
 * The protocol revisions this hub speaks. Revisions are dates and compare as text.
 *
 * Source: MCP `basic/lifecycle` (version negotiation): a server that does not know the requested revision answers with
 * the latest it knows.
 */

/** Revisions with `initialize` and sessions, oldest first. */
export const statefulVersions = ["2025-03-26", "2025-06-18", "2025-11-25"] as const
export type StatefulVersion = (typeof statefulVersions)[number]

export const latestStateful: StatefulVersion = "2025-11-25"

/** The revision whose transport is HTTP+SSE; the hub does not speak it over streamable HTTP. */
export const eventTransportVersion = "2024-11-05"

/** The revision of a session: one with `initialize`, over whichever transport, or the stateless one. */
export type SessionVersion = typeof eventTransportVersion | StatefulVersion | typeof statelessVersion

/** The revision of a request without the header (MCP `basic/transports`, since 2025-06-18). */
export const assumedVersion: StatefulVersion = "2025-03-26"

export const statelessVersion = "2026-07-28"

/** The era with sessions or the one without. A client and an upstream need not speak the same one. */
export type Era = "stateful" | "stateless"

export const eraOf = (version: string): Era => (version >= statelessVersion ? "stateless" : "stateful")

/** The same, for looking one up. */
export const statefulRevisions: ReadonlySet<string> = new Set(statefulVersions)

export const isStateful = (value: unknown): value is StatefulVersion =>
  (statefulVersions as ReadonlyArray<unknown>).includes(value)

/** The revision an `initialize` request gets: the requested one if the hub knows it, otherwise the latest. */
export const negotiate = (requested: unknown): StatefulVersion => (isStateful(requested) ? requested : latestStateful)

/** The same over HTTP+SSE, whose clients may ask for its own revision as well as for later ones. */
export const negotiateOverEvents = (requested: unknown): StatefulVersion | typeof eventTransportVersion =>
  requested === eventTransportVersion ? requested : negotiate(requested)

/**
 * Whether event streams begin with an event that has an id and no data, and the answer of a POST may be such a stream
 * from the start (MCP `basic/transports`, since 2025-11-25). Clients of older revisions take that event for a broken
 * message.
 */
export const primesStreams = (version: string): boolean => version >= "2025-11-25" && version < statelessVersion

/** JSON-RPC batches exist in 2025-03-26 only. */
export const allowsBatch = (version: string): boolean => version === "2025-03-26"
