/** Looks for planted secrets where none may be: with other users, and in everything the hub says or writes. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Canaries } from "./Canaries.ts"
import type { Upstream } from "./CanaryServers.ts"
import type { HubProcess } from "./HubProcess.ts"

/** Whose canaries are in a text. */
export const ownersIn = (canaries: Canaries, text: string): ReadonlyArray<string> => [
  ...new Set(canaries.foundIn(text).map((name) => name.split("-")[0]!))
]

/** Being entitled is not enough: no user's call may go out with, or over, anything of another's. */
export const assertApart = (canaries: Canaries, server: Upstream): void => {
  for (const part of server.parts()) {
    const owners = ownersIn(canaries, part)
    assert.isAtMost(owners.length, 1, `${server.name} got secrets of ${owners.join(", ")} in one place`)
  }
}

/** What the operator's commands and `/metrics` of a running hub say, by command. */
export const said = Effect.fnUntraced(function* (hub: HubProcess) {
  const answers = yield* Effect.forEach(
    [
      ["status", "--json"],
      ["session", "ls", "--json"],
      ["server", "ls", "--json"],
      ["request", "ls", "--json"],
      ["user", "ls", "--json"],
      ["key", "ls", "--json"],
      ["token", "ls", "--user", "u10", "--json"],
      ["config", "print", "--json"]
    ],
    (command) =>
      Effect.map(hub.cli(...command), ({ code, stderr, stdout }) => {
        assert.strictEqual(code, 0, `${command.join(" ")}: ${stderr}`)
        return [command.join(" "), stdout + stderr] as const
      }),
    { concurrency: 2 }
  )
  const metrics = yield* hub.scrape
  assert.include(metrics, "mcphub_sessions")
  return { ...Object.fromEntries(answers), "/metrics": metrics } as Readonly<Record<string, string>>
})

/** What a hub has printed. */
export const printed = (hub: HubProcess, name = "the hub"): Readonly<Record<string, string>> => ({
  [`${name}'s standard output`]: hub.stdout(),
  [`${name}'s standard error`]: hub.stderr()
})

/** No canary in any of the places, in no table and in no file of the stopped hub's data folder. */
export const assertNowhere = (
  canaries: Canaries,
  hub: HubProcess,
  places: Readonly<Record<string, string>>,
  tables: ReadonlyMap<string, string>
): void => {
  assert.include(tables.get("mcphub_keys") ?? "", "sha256:")
  // What every user did is there, with the names and without the contents.
  assert.include(tables.get("audit_log") ?? "", '"method":"tools/call"')
  const all = [...Object.entries(places), ...Array.from(tables, ([table, rows]) => [`table ${table}`, rows] as const)]
  for (const [place, text] of all) assert.deepStrictEqual(canaries.foundIn(text), [], place)
  assert.deepStrictEqual(canaries.filesWith(hub.dataDir), [], "files of the data folder")
  assert.include(canaries.filesWith(hub.folder), "users.json", "the search itself finds what is there")
}
