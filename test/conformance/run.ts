/**
 * Conformance of the hub, in both eras and both directions, as one command:
 *
 *   node test/conformance/run.ts [server|client]      deno run -A test/conformance/run.ts [server|client]
 *
 * The last line is `N passed, N failed` over the scenarios that count: one that is expected to fail and does (see
 * expected-failures) is in neither number, one that passes against expectation is a failure. The exit code is 0 only when
 * nothing failed.
 */
import { Effect } from "effect"
import process from "node:process"
import * as ClientRuns from "./ClientRuns.ts"
import * as HubUnderTest from "./HubUnderTest.ts"
import * as Suite from "./Suite.ts"

const print = (line: string) => void process.stdout.write(`${line}\n`)

const counted = { passed: 0, failed: 0 }

const servers = Effect.gen(function* () {
  const { endpoint } = yield* HubUnderTest.make
  for (const { expected, green, name, revision, scored, server } of HubUnderTest.pairings) {
    const verdict = yield* Suite.server(endpoint(server), revision, expected)
    const unscored = verdict.scenarios.filter((scenario) => !scenario.scored)
    const beside = `${unscored.filter(({ ok }) => ok).length}/${unscored.length} of those that do not count`
    print(`${revision}, ${name}: ${verdict.green}/${scored}, expected ${green}; ${beside}`)
    counted.passed += verdict.green
    if (verdict.code === 0 && verdict.green === green && verdict.scored === scored) continue
    counted.failed += Math.max(1, green - verdict.green)
    print(Suite.complaints(verdict))
  }
}).pipe(Effect.scoped)

const clients = Effect.forEach(
  ClientRuns.scenarios,
  ({ revision, scenario }) =>
    Effect.map(Suite.client(ClientRuns.command, scenario, revision), ({ complaints, failed, ok, output, passed }) => {
      print(`${revision}, upstream side, ${scenario}: ${passed} checks passed, ${failed} failed`)
      counted[ok ? "passed" : "failed"]++
      if (!ok) print((complaints.length > 0 ? complaints : [output]).map((line) => `    ${line}`).join("\n"))
    }),
  { concurrency: 4 }
)

const only = process.argv[2]
await Effect.runPromise(
  Effect.andThen(only === "client" ? Effect.void : servers, only === "server" ? Effect.void : clients)
)
print(`${counted.passed} passed, ${counted.failed} failed`)
process.exit(counted.failed === 0 ? 0 : 1)
