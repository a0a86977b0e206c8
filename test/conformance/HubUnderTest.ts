/**
 * The real hub between the suite and the fixture server, once per pairing of eras: `/mcp/everything` leads to a server
 * of both eras, `/mcp/everything-2025` to one that knows only the 2025 revisions, and `/mcp/everything-2026` to the first
 * one again, spoken to in 2026-07-28 whoever asks.
 */
import { Effect, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import * as HubProcess from "../support/HubProcess.ts"
import * as Programs from "../support/Programs.ts"
import * as KeyedProxy from "./KeyedProxy.ts"

const fixture = "test/conformance/everything-server.ts"

export interface HubUnderTest {
  /** The endpoint of a server, with ada's key put on every request. */
  readonly endpoint: (server: string) => string
  readonly hub: HubProcess.HubProcess
}

export const make: Effect.Effect<HubUnderTest, unknown, Scope.Scope> = Effect.gen(function* () {
  const [both, only2025] = yield* Effect.all(
    [Programs.listening(fixture, { PORT: "0" }), Programs.listening(fixture, { PORT: "0", ERA: "2025" })],
    { concurrency: 2 }
  )
  const key = `mcphub_${randomBytes(32).toString("hex")}`
  const hub = yield* HubProcess.make({
    settings: {
      mcpServers: {
        everything: { url: both },
        "everything-2025": { url: only2025 },
        "everything-2026": { url: both, era: "stateless" }
      }
    },
    provision: { users: [{ username: "ada", keys: [{ key }] }] }
  })
  const origin = yield* KeyedProxy.make(hub.origin, key)
  return { endpoint: (server) => `${origin}/mcp/${server}`, hub }
})

export interface Pairing {
  readonly name: string
  readonly revision: "2025-11-25" | "2026-07-28"
  readonly server: string
  /** The file of what cannot pass between the two eras, with the reasons. */
  readonly expected?: string
  /** How many scenarios the revision requires, and how many of them pass. */
  readonly scored: number
  readonly green: number
}

const expectedFailures = (name: string) => join(import.meta.dirname!, "expected-failures", `${name}.yaml`)

export const pairings: ReadonlyArray<Pairing> = [
  {
    name: "a 2025 client on a server of both eras",
    revision: "2025-11-25",
    server: "everything",
    scored: 30,
    green: 30
  },
  {
    name: "a 2026 client on a server of both eras",
    revision: "2026-07-28",
    server: "everything",
    scored: 37,
    green: 37
  },
  { name: "a 2025 client on a 2025 server", revision: "2025-11-25", server: "everything-2025", scored: 30, green: 30 },
  {
    name: "a 2026 client on a 2025 server",
    revision: "2026-07-28",
    server: "everything-2025",
    expected: expectedFailures("2026-client-on-2025-upstream"),
    scored: 37,
    green: 34
  },
  {
    name: "a 2025 client on a 2026 server",
    revision: "2025-11-25",
    server: "everything-2026",
    expected: expectedFailures("2025-client-on-2026-upstream"),
    scored: 30,
    green: 26
  }
]
