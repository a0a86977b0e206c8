/** Rules about when authority is looked at: where the effect is, and not only at the door. */
import type { Mutation } from "./Mutation.ts"

const endpoint = "src/http/mcp/McpEndpoint.ts"
const groups = "test/http/mcp/sessions/ChangedGroups.test.ts"
const doors = "test/http/mcp/sessions/RevokedDoors.test.ts"
const sent = "test/actors/upstream/UpstreamConnector.test.ts"
const shared = "test/http/mcp/servers/SharedServers.test.ts"
const named = "test/domain/provisioning/NamesOfUsers.test.ts"
const revocation = "test/http/mcp/sessions/Revocation.test.ts"

const legacy = "test/http/admin/legacy/Legacy.test.ts"
const legacyAccess = "test/http/admin/legacy/LegacyAccess.test.ts"

export const authority: ReadonlyArray<Mutation> = [
  {
    wrong: "plain users and keys change servers and users by the old interface",
    file: "src/http/admin/legacy/Routes.ts",
    find: "(one) => mayDo(one, need)",
    replace: '(one) => mayDo(one, "own")',
    tests: [legacyAccess]
  },
  {
    wrong: "a token of the old interface is believed what it says of its user's rights",
    file: "src/http/admin/legacy/LegacyTokens.ts",
    find: 'role: isAdmin ? "admin"',
    replace: 'role: isAdmin || user.isAdmin ? "admin"',
    tests: [legacyAccess]
  },
  {
    wrong: "another user's key is found by its id in the old interface",
    file: "src/http/admin/legacy/KeyRoutes.ts",
    find: '[KeyId.make(param("id")), viewer.userId] as const',
    replace: '[KeyId.make(param("id")), undefined] as const',
    tests: [legacy]
  },
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
    tests: [named]
  },
  {
    wrong: "calls at a server that is no longer admitted go on",
    file: "src/actors/session/SessionAdmission.ts",
    find: "!changed.includes(server) &&",
    replace: "server === reason &&",
    tests: [groups]
  },
  {
    wrong: "calls of a tool that is no longer granted go on",
    file: "src/actors/session/SessionAccess.ts",
    find: 'method !== "tools/call" || names.some',
    replace: 'method !== "" || names.some',
    tests: [groups]
  },
  {
    wrong: "calls parked at a server that is no longer admitted stay",
    file: "src/actors/session/SessionAdmission.ts",
    find: "Effect.andThen(parked.end(server), drop(",
    replace: "Effect.andThen(parked.end(reason), drop(",
    tests: [groups]
  },
  {
    wrong: "a connection is opened to a server that is no longer admitted",
    file: "src/actors/upstream/links/UpstreamLinks.ts",
    find: "if (!options.admits(server)) {",
    replace: 'if (server === "") {',
    tests: [groups]
  },
  {
    wrong: "lists that changed with the user's groups are not announced",
    file: "src/actors/session/SessionAdmission.ts",
    find: "if (changed.length === 0 && text === shown) return",
    replace: "if (changed.length === 0) return",
    tests: [groups]
  },
  {
    wrong: "a body that was under way is admitted under the groups of before",
    file: "src/http/mcp/McpEndpoint.ts",
    find: "if (!principal.standing.isCurrent || settings.current() !== inForce) {",
    replace: "if (principal.standing.key.isRevoked) {",
    tests: [groups]
  },
  {
    wrong: "a body under way outlives its key",
    file: "src/http/mcp/McpEndpoint.ts",
    find: "if (principal.standing.isCurrent) return principal",
    replace: "if (principal.keyName !== undefined) return principal",
    tests: [doors]
  },
  {
    wrong: "nobody hears that a key was revoked who has looked it up before",
    file: "src/domain/identity/PrincipalCache.ts",
    find: "        state.revoke()\n",
    replace: "",
    tests: [doors]
  },
  {
    wrong: "a body is refused because what was known of its key has grown old",
    file: "src/domain/identity/Standing.ts",
    find: "isCurrent = true",
    replace: "isCurrent = false",
    tests: [doors]
  },
  {
    wrong: "a session is opened with a key that has ended",
    file: "src/actors/registry/SessionRegistry.ts",
    find: "if (options.principal.standing.key.isRevoked) return yield* keyEnded",
    replace: "",
    tests: [doors]
  },
  {
    wrong: "a place is held for a key that has ended",
    file: "src/actors/registry/SessionRegistry.ts",
    find: "if (principal.standing.key.isRevoked) return yield* keyEnded",
    replace: "",
    tests: [doors]
  },
  {
    wrong: "a request is sent although its key has ended while it waited",
    file: "src/actors/upstream/UpstreamConnector.ts",
    find: "if (call.context.principal.standing.key.isRevoked) return keyEnded(connection.server)",
    replace: "",
    tests: [sent]
  },
  {
    wrong: "a notification or an answer is sent although its key has ended",
    file: "src/actors/upstream/UpstreamConnector.ts",
    find: "principal.standing.key.isRevoked ? keyEnded(server) : Effect.void",
    replace: "principal.standing.key.isRevoked ? Effect.void : Effect.void",
    tests: [sent]
  },
  {
    wrong: "a name of several users means the first of them",
    file: "src/domain/provisioning/ProvisioningPlan.ts",
    find: '?? "several"',
    replace: "?? users[0]",
    tests: [named]
  },
  {
    wrong: "a log line that names no call reaches every user",
    file: "src/actors/upstream/links/SharedHolders.ts",
    find: "if (!oneUser && aboutCalls",
    replace: "if (oneUser && aboutCalls",
    tests: [shared]
  },
  {
    wrong: "a question outside of calls is put to the first of several users",
    file: "src/actors/upstream/links/SharedHolders.ts",
    find: "if (oneUser && only !== undefined && others.length === 0) return only.hear(message)",
    replace: "if (only !== undefined && others.length >= 0) return only.hear(message)",
    tests: [shared]
  }
]
