/** Rules about what a user's requests cost them. */
import type { Mutation } from "./Mutation.ts"

const cost = "src/http/admission/Cost.ts"
const ledger = "src/actors/limits/FairShare.ts"
const connector = "src/actors/upstream/UpstreamConnector.ts"
const counted = "test/actors/limits/FairShare.test.ts"
const waiting = "test/http/mcp/sessions/FairShare.test.ts"

export const costs: ReadonlyArray<Mutation> = [
  {
    wrong: "a process costs nothing to start",
    file: "src/actors/upstream/stdio/UpstreamStdio.ts",
    find: 'const paid = turn(share, context.principal.userId, "process", unitsOfStart)\n',
    replace: "const paid = Effect.void\n",
    tests: ["test/actors/upstream/stdio/UpstreamStdioStart.test.ts"]
  },
  {
    wrong: "a large body costs no more than a small one",
    file: cost,
    find: "(bytes: number): number => bytes / bytesPerUnit",
    replace: "(bytes: number): number => 0 * bytes",
    tests: [waiting]
  },
  {
    wrong: "many values in a small body cost no more than few",
    file: "src/http/mcp/McpEndpoint.ts",
    find: 'if (units > 0) share.charge(userId, "body", units)',
    replace: "void units",
    tests: [waiting]
  },
  {
    wrong: "little work takes off what is owed for a large piece",
    file: ledger,
    find: "Math.min(account.units, Math.max(-most, account.units - units))",
    replace: "Math.max(-most, account.units - units)",
    tests: [counted]
  },
  {
    wrong: "of a large piece of work no more is owed than of little ones",
    file: ledger,
    find: "? units : burst\n",
    replace: "? burst : burst\n",
    tests: [counted, waiting]
  },
  {
    wrong: "what the hub itself asks of servers costs nothing",
    file: connector,
    find: 'share.charge(call.context.principal.userId, "server", 1)',
    replace: "void share",
    tests: [waiting]
  },
  {
    wrong: "a notification costs the same however many servers hear it",
    file: connector,
    find: 'share.charge(context.principal.userId, "server", 1)\n            return',
    replace: "return",
    tests: [waiting]
  },
  {
    wrong: "a batch that waits to be paid for counts for nobody",
    file: cost,
    find: "if (!room.hold(bytes)) return false",
    replace: "if (!room.hold(0)) return false",
    tests: [waiting]
  },
  {
    wrong: "a batch costs no more than one message",
    file: "src/http/mcp/McpEndpoint.ts",
    find: "messages.items.length - 1",
    replace: "0 * messages.items.length",
    tests: [waiting]
  },
  {
    wrong: "a session costs no more than the request that opens it",
    file: cost,
    find: "export const unitsOfSession = 8",
    replace: "export const unitsOfSession = 0",
    tests: [waiting]
  },
  {
    wrong: "what is sent again costs nothing",
    file: cost,
    find: "1 + kept.events / eventsPerUnit + kept.bytes / bytesPerUnit",
    replace: "0 * kept.events",
    tests: [waiting]
  }
]
