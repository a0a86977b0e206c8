/** A hub before servers that are child processes (`programs/listing.mjs`) and list what the test tells them to. */
import { Context, Effect, Redacted } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { StdioChildren } from "../../../src/actors/upstream/stdio/StdioChildren.ts"
import { runtimeCommand } from "../../../src/cli/sample/RuntimeCommand.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { TestHub, type TestHubOptions } from "../../../src/testkit/index.ts"

const { args = [], command } = runtimeCommand(new URL("../mcp/servers/programs/listing.mjs", import.meta.url))

/** A hub with such servers, started with their user's token, and a file with the names of their tools. */
export const listingHub = Effect.fnUntraced(function* (names: ReadonlyArray<string>, options: TestHubOptions = {}) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-listing-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const file = join(folder, "names")
  const list = (text: string) => Effect.sync(() => writeFileSync(file, text))
  yield* list("pid login")
  const env = { TOKEN: "${USER_LISTING_TOKEN}", NODE_NO_WARNINGS: "1" }
  const server = { command, args: [...args, file], env }
  const hub = yield* TestHub.make({
    ...options,
    servers: { ...Object.fromEntries(names.map((name) => [name, server])), ...options.servers }
  })
  const keys = Context.get(hub.services, HubKeys)
  const give = (keyId: string, token: string) =>
    keys.setTokens({ keyId: keyId as never }, { LISTING_TOKEN: Redacted.make(token) })
  yield* give(hub.ada.row.id, "ada")
  yield* give(hub.bo.row.id, "bo")
  const children = Context.get(hub.services, StdioChildren)
  return { ...hub, keys, give, list, started: children.started }
})
