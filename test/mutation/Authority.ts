/** Rules about when authority is looked at: where the effect is, and not only at the door. */
import type { Mutation } from "./Mutation.ts"

const endpoint = "src/http/mcp/McpEndpoint.ts"
const revocation = "test/http/mcp/sessions/Revocation.test.ts"

export const authority: ReadonlyArray<Mutation> = [
  {
    wrong: "what a key opened when its request began it opens when the body has come",
    file: endpoint,
    find: "!principal.standing.isCurrent || settings.current() !== inForce",
    replace: "settings.current() !== inForce",
    tests: [revocation]
  },
  {
    wrong: "a link that is no longer admitted stays",
    file: "src/actors/session/SessionAdmission.ts",
    find: "filter((server) => !now.has(server))",
    replace: "filter(() => false)",
    tests: [revocation]
  },
  {
    wrong: "what a server says of no call is given to the only call in flight, of several users",
    file: "src/actors/upstream/stdio/StdioConnection.ts",
    find: "if (options.severalUsers) return undefined",
    replace: "if (options.severalUsers && pending.size > 1) return undefined",
    tests: ["test/actors/upstream/stdio/StdioConnection.test.ts"]
  },
  {
    wrong: "a name that several users go by means the last one",
    file: "src/domain/provisioning/ProvisioningPlan.ts",
    find: "const own = users.find(({ isOwnName }) => isOwnName)",
    replace: "const own = users.at(-1)",
    tests: ["test/domain/provisioning/NamesOfUsers.test.ts"]
  }
]
