/** Rules about what one user, or one server, can make the hub keep in memory. */
import type { Mutation } from "./Mutation.ts"

const ledger = "src/actors/limits/Retained.ts"
const counted = "test/actors/limits/Retained.test.ts"
const onTheirWay = "test/http/mcp/calls/AnswerBytes.test.ts"
const slowBodies = "test/http/admission/SlowBodies.test.ts"

export const memoryRules: ReadonlyArray<Mutation> = [
  {
    wrong: "what is kept for all users shares one user's room",
    file: ledger,
    find: "return (account?.held[kind] ?? 0) + bytes <= bounds[kind]",
    replace: "return total[kind] + bytes <= bounds[kind]",
    tests: [counted, onTheirWay, slowBodies]
  },
  {
    wrong: "each thing that is kept has its user's room to itself",
    file: ledger,
    find: "return (account?.held[kind] ?? 0) + bytes <= bounds[kind]",
    replace: "return bytes <= bounds[kind]",
    tests: [counted, onTheirWay]
  },
  {
    wrong: "what is kept of all kinds has no bound together",
    file: ledger,
    find: " && (account?.all ?? 0) + bytes <= config.maxMemoryPerUser",
    replace: "",
    tests: [counted]
  },
  {
    wrong: "what was released of a user still fills the room of the other kinds",
    file: ledger,
    find: "    account.all += bytes\n",
    replace: "    account.all += Math.max(0, bytes)\n",
    tests: [counted]
  }
]
