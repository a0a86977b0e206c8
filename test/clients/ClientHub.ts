/** One real hub for the tests of this folder, in front of real servers of both eras, with ada and bo as its users. */
import { Context, Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { createRequire } from "node:module"
import process from "node:process"
import { pathToFileURL } from "node:url"
import { runtimeCommand } from "../../src/cli/sample/RuntimeCommand.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as Programs from "../support/Programs.ts"
import type { Person } from "./Answering.ts"

const person = (name: string): Person => ({ name, key: `mcphub_${randomBytes(32).toString("hex")}` })

export interface RunningClientHub {
  /**
   * The endpoint of a server: `old` knows only the 2025 revisions, `new` is spoken to in 2026-07-28 only, `both` in the
   * client's own; `everything` and `everything-stdio` are the published server.
   */
  readonly endpoint: (server: "old" | "new" | "both" | "everything" | "everything-stdio") => string
  readonly ada: Person
  readonly bo: Person
  readonly hub: HubProcess.HubProcess
}

export class ClientHub extends Context.Service<ClientHub, RunningClientHub>()("mcphub/test/clients/ClientHub") {
  static readonly layer = Layer.effect(
    ClientHub,
    Effect.gen(function* () {
      const fixture = "test/conformance/everything-server.ts"
      const [both, old, everything] = yield* Effect.all(
        [
          Programs.listening(fixture, { PORT: "0" }),
          Programs.listening(fixture, { PORT: "0", ERA: "2025" }),
          Programs.listening("test/clients/programs/server-everything.mjs", {})
        ],
        { concurrency: 3 }
      )
      const published = createRequire(import.meta.url).resolve("@modelcontextprotocol/server-everything/dist/index.js")
      const stdio = runtimeCommand(pathToFileURL(published))
      const [ada, bo] = [person("ada"), person("bo")]
      const hub = yield* HubProcess.make({
        settings: {
          mcpServers: {
            both: { url: both },
            old: { url: old },
            new: { url: both, era: "stateless" },
            everything: { url: everything },
            "everything-stdio": { command: stdio.command, args: [...stdio.args, "stdio"] }
          }
        },
        provision: { users: [ada, bo].map(({ name, key }) => ({ username: name, keys: [{ key }] })) }
      })
      return { ada, bo, hub, endpoint: (server) => `${hub.url}/${server}` }
    })
  )
}

/** A Node to run published command line programs on: they are written for it. `MCPHUB_NODE`, this process, or the PATH. */
export const node: string =
  process.env["MCPHUB_NODE"] ?? (process.versions["deno"] === undefined ? process.execPath : "node")
