/** Rules about the owner of a session, who ends it, and which of its streams can be resumed. */
import { everybodys, type Mutation } from "./Mutation.ts"

const registry = "src/actors/registry/SessionRegistry.ts"
const stateful = "src/http/mcp/McpStateful.ts"
const stored = "src/domain/records/SessionStore.ts"
const ownership = "test/http/mcp/sessions/SessionOwnership.test.ts"
const endings = "test/http/mcp/sessions/Endings.test.ts"
const defects = "test/http/mcp/sessions/EdgeDefects.test.ts"
const ends = "test/http/admin/handlers/SessionEnds.test.ts"

/** Lets whoever knows the id of a session find it. */
const findable = {
  file: registry,
  find: "entries.get(keyOf(principal, target, wireId))?.actor,",
  replace: "entries.get(keyOf(principal, target, wireId))?.actor, anyones: (wireId) => byMinted.get(wireId)?.actor,"
}

export const sessions: ReadonlyArray<Mutation> = [
  {
    wrong: "a session's key holds no user",
    file: registry,
    find: "${principal.userId}\\n${principal.keyId}",
    replace: "${principal.keyId}",
    tests: ["test/actors/session/SessionKeys.test.ts"]
  },
  {
    wrong: "a session's key holds neither user nor key",
    file: registry,
    find: "${principal.userId}\\n${principal.keyId}",
    replace: "",
    tests: [ownership]
  },
  {
    wrong: "a session's key holds no key",
    file: registry,
    find: "${principal.userId}\\n${principal.keyId}",
    replace: "${principal.userId}",
    tests: [ownership]
  },
  {
    wrong: "a session's key holds no target",
    file: registry,
    find: "\\n${target.text}",
    replace: "",
    tests: [ownership]
  },
  {
    wrong: "a session's key holds no wire id",
    file: registry,
    find: "\\n${wireId}`",
    replace: "`",
    tests: [ownership]
  },
  {
    wrong: "POST finds another user's session by its id",
    file: stateful,
    find: "live ?? (yield* recoveredOrAdopted",
    replace: "live ?? (sessions as any).anyones(id) ?? (yield* recoveredOrAdopted",
    also: [findable],
    tests: [ownership]
  },
  {
    wrong: "GET finds another user's session by its id",
    file: stateful,
    find: "const actor = yield* existing(admitted, id)\n    if (actor === undefined || !rate",
    replace:
      "const actor = (sessions as any).anyones(id) ?? (yield* existing(admitted, id))\n    if (actor === undefined || !rate",
    also: [findable],
    tests: [ownership]
  },
  {
    wrong: "DELETE finds another user's session by its id",
    file: stateful,
    find: "const actor = yield* existing(admitted, id)\n    if (actor === undefined) return",
    replace:
      "const actor = (sessions as any).anyones(id) ?? (yield* existing(admitted, id))\n    if (actor === undefined) return",
    also: [findable],
    tests: [ownership]
  },
  {
    wrong: "an id that looks like one of the hub's is adopted",
    file: stateful,
    find: " || isMinted(id)",
    replace: "",
    tests: ["test/http/mcp/sessions/SeedCommands.test.ts", ownership]
  },
  {
    wrong: "a label is adopted again after its session has ended",
    file: stateful,
    find: 'if (found.kind === "ended" || !hub.sessionAdopt',
    replace: "if (!hub.sessionAdopt",
    tests: ["test/http/mcp/sessions/SeedCommands.test.ts"]
  },
  {
    wrong: "another user's session id is not written down",
    file: "src/http/mcp/OpenSession.ts",
    find: "if (theirs !== undefined) audit.refused",
    replace: "if (theirs === undefined) audit.refused",
    tests: ["test/http/mcp/sessions/AuditTrail.test.ts"]
  },
  {
    wrong: "the own session's id under another key counts as another user's",
    file: registry,
    find: " || found.principal().userId === principal.userId",
    replace: "",
    tests: ["test/http/mcp/sessions/AuditTrail.test.ts"]
  },
  {
    wrong: "a user who opens one session too many ends another user's",
    file: registry,
    find: "actor.principal().userId !== principal.userId || ",
    replace: "",
    tests: ["test/http/mcp/sessions/Limits.test.ts"]
  },
  {
    wrong: "a revoked key ends everybody's sessions",
    file: registry,
    find: "principal.userId === event.userId && (event.keyId",
    replace: "(event.keyId",
    tests: [endings, ends]
  },
  {
    wrong: "a revoked key ends the sessions of the user's other keys",
    file: registry,
    find: "principal.userId === event.userId && (event.keyId === undefined || principal.keyId === event.keyId)",
    replace: "principal.userId === event.userId",
    tests: [endings]
  },
  {
    wrong: "a revoked key ends no session",
    file: registry,
    find: "event.revoked\n",
    replace: "false\n",
    tests: [endings]
  },
  {
    wrong: "sessions go on after their key has expired",
    file: "src/domain/identity/Principals.ts",
    find: "const due = cache.seen(now)",
    replace: "const due = cache.seen(0)",
    tests: [endings]
  },
  {
    wrong: "the sessions of a key that was extended end all the same",
    file: "src/domain/identity/Principals.ts",
    find: "return check(due).pipe(",
    replace: "return Effect.fail(undefined).pipe(",
    tests: [endings]
  },
  {
    wrong: "ending one user's sessions ends everybody's",
    file: registry,
    find: "closeWhere((principal) => principal.userId === userId, reason)",
    replace: "closeWhere(() => true, reason)",
    tests: [ends]
  },
  {
    wrong: "ending one key's sessions ends everybody's",
    file: registry,
    find: "closeWhere((principal) => principal.keyId === keyId, reason)",
    replace: "closeWhere(() => true, reason)",
    tests: [ends]
  },
  {
    wrong: "a stateless client's named state is no part of its session",
    file: "src/http/mcp/McpStateless.ts",
    find: "const own = state ?? ",
    replace: "const own = ",
    tests: ["test/http/mcp/sessions/StatelessSessions.test.ts"]
  },
  {
    wrong: "clients of two names share a stateless session",
    file: "src/http/mcp/McpStateless.ts",
    find: "    own,\n",
    replace: "",
    tests: ["test/http/mcp/sessions/StatelessSessions.test.ts"]
  },
  {
    wrong: "clients of other capabilities share a stateless session",
    file: "src/http/mcp/McpStateless.ts",
    find: "    own,\n    capabilityClass(meta.clientCapabilities)\n",
    replace: "    own\n",
    tests: ["test/http/mcp/sessions/StatelessSessions.test.ts"]
  },
  {
    wrong: "a stateful client can name a stateless client's session",
    file: "src/http/mcp/McpStateless.ts",
    find: "unspeakable + createHash",
    replace: "createHash",
    tests: ["test/http/mcp/sessions/StatelessSessions.test.ts"]
  },
  {
    wrong: "an event id of another session resumes that session's stream",
    file: "src/actors/streams/SessionReplay.ts",
    find: 'if (own !== ownPart()) return { kind: "foreign" }',
    replace: "",
    also: [
      {
        file: "src/actors/streams/SessionReplay.ts",
        find: "const streams = new Map<string, ReplayStream>()",
        replace: `const streams: Map<string, ReplayStream> = ${everybodys("Streams")}`
      }
    ],
    tests: ["test/http/mcp/streams/Resumption.test.ts"]
  },
  {
    wrong: "an event id of another session is one of a stream that is not kept any more",
    file: "src/actors/streams/SessionReplay.ts",
    find: 'if (own !== ownPart()) return { kind: "foreign" }',
    replace: "",
    tests: ["test/actors/streams/SessionReplay.test.ts"]
  },
  {
    wrong: "the newest reader of a session's stream does not take over",
    file: "src/actors/streams/SessionEvents.ts",
    find: "if (ended) {\n        writer.end()",
    replace: "if (ended || stream !== undefined) {\n        writer.end()",
    tests: ["test/http/mcp/streams/EventStream.test.ts"]
  },
  {
    wrong: "a stream that listens hears what it did not ask for",
    file: "src/actors/streams/SessionEvents.ts",
    find: "if (asksFor(filter, message)) listener.send(message)",
    replace: "listener.send(message)",
    tests: ["test/actors/streams/SessionEvents.test.ts"]
  },
  ...["userId", "keyId", "target", "wireId"].map((part): Mutation => ({
    wrong: `a session is found after a restart without its ${part}`,
    file: stored,
    find: "JSON.stringify([userId, keyId, target, wireId])",
    replace: `JSON.stringify([userId, keyId, target, wireId].filter((part) => part !== ${part}))`,
    tests: ["test/domain/storage/SessionStore.test.ts"]
  })),
  {
    wrong: "a user who guesses session ids makes others wait",
    file: "src/actors/registry/SessionRecovery.ts",
    find: "const known = guesses.get(user)\n    const left",
    replace: "const known = [...guesses.values()][0]\n    const left",
    tests: ["test/http/mcp/sessions/Recovery.test.ts"]
  },
  {
    wrong: "a session stays whose client could not be told its id",
    file: stateful,
    find: "if (guard.hasFailed) guard.background(",
    replace: "if (false) guard.background(",
    tests: [defects]
  }
]
