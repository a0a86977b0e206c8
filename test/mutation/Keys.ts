/**
 * Rules about who gets in, at the endpoint and at the operator's door, and about what must be written down before the
 * hub acts.
 */
import type { Mutation } from "./Mutation.ts"

const cache = "src/domain/identity/PrincipalCache.ts"
const principals = "src/domain/identity/Principals.ts"
const guard = "src/domain/identity/KeyGuard.ts"
const wrongKeys = "src/http/admission/WrongKeys.ts"
const endpoint = "src/http/mcp/McpEndpoint.ts"
const door = "src/http/admin/LocalDoor.ts"
const trail = "src/actors/observing/AuditTrail.ts"
const identity = "test/domain/identity/Principals.test.ts"
const guessing = "test/http/admission/KeyGuessing.test.ts"
const audited = "test/http/mcp/sessions/AuditTrail.test.ts"
const beside = "test/cli/commands/BesideHub.test.ts"
const stored = "test/domain/storage/Repositories.test.ts"

export const keyRules: ReadonlyArray<Mutation> = [
  {
    wrong: "a key comes with another user's tokens",
    file: "src/domain/storage/sql/UserTokensSql.ts",
    find: `as u where u."userId" = \${sql.literal(user)})`,
    replace: 'as u order by u."userId" limit 1)',
    tests: [stored]
  },
  {
    wrong: "the tokens of a removed user wait for whoever has the id next",
    file: "src/domain/storage/sql/UsersSql.ts",
    find: "yield* userTokens.removeAll(id)",
    replace: "",
    tests: [stored]
  },
  {
    wrong: "an expired key opens the hub while it is remembered",
    file: cache,
    find: " || now.wall >= entry.principal.expiresAt",
    replace: "",
    tests: [identity]
  },
  {
    wrong: "a key is remembered for ever",
    file: cache,
    find: "now.mono >= entry.until || ",
    replace: "",
    tests: [identity]
  },
  {
    wrong: "what changes for a whole user is not forgotten",
    file: cache,
    find: "event.keyId === undefined || event.keyId === keyId",
    replace: "event.keyId === keyId",
    tests: [identity]
  },
  {
    wrong: "what changes for one key is not forgotten",
    file: cache,
    find: "event.keyId === undefined || event.keyId === keyId",
    replace: "event.keyId === undefined",
    tests: [identity]
  },
  {
    wrong: "a key made after it was rejected stays rejected",
    file: cache,
    find: "    this.generation++\n    this.#rejected.clear()\n",
    replace: "    this.generation++\n",
    tests: [identity]
  },
  {
    wrong: "a change heard of during a read does not count",
    file: cache,
    find: "    this.generation++\n    this.#rejected.clear()\n",
    replace: "    this.#rejected.clear()\n",
    tests: [identity]
  },
  {
    wrong: "a read that a change overtook is believed",
    file: principals,
    find: "if (cache.generation !== generation) return read(digest, key)",
    replace: "",
    tests: [identity]
  },
  {
    wrong: "news of a change leaves what is remembered",
    file: principals,
    find: "      cache.apply(event)\n",
    replace: "",
    tests: [identity]
  },
  {
    wrong: "answers from before a lost connection are still believed",
    file: cache,
    find: "    this.#entries.clear()\n    this.#digests.clear()\n",
    replace: "",
    tests: [identity]
  },
  {
    wrong: "a read from before a lost connection is still believed",
    file: cache,
    find: "    this.generation++\n    for (const { state } of this.#all()) state.change()\n",
    replace: "    for (const { state } of this.#all()) state.change()\n",
    tests: [identity]
  },
  {
    wrong: "a key is not looked at again at its expiry",
    file: cache,
    find: "keys.filter((key) => key.checkAt <= now)",
    replace: "[]",
    tests: [identity]
  },
  {
    wrong: "all keys are the first one's",
    file: principals,
    find: "const digest = keyDigest(text)\n    const now",
    replace: 'const digest = ""\n    const now',
    tests: [identity]
  },
  {
    wrong: "two keys looked up at once get one answer",
    file: principals,
    find: "lookups.run(digest, ",
    replace: 'lookups.run("", ',
    tests: [identity]
  },
  {
    wrong: "what runs for one key is the answer for another that is asked for at the same time",
    file: "src/domain/SingleFlight.ts",
    find: "flights.get(key)\n",
    replace: "flights.values().next().value\n",
    tests: ["test/domain/SingleFlight.test.ts"]
  },
  {
    wrong: "what several wait for ends with whoever asked first",
    file: "src/domain/SingleFlight.ts",
    find: "Effect.forkIn(working, scope)",
    replace: "Effect.forkChild(working)",
    tests: ["test/domain/SingleFlight.test.ts"]
  },
  {
    wrong: "valid keys are refused while others guess",
    file: guard,
    find: "          const exists = Deferred.makeUnsafe<boolean, DatabaseUnavailable>()\n",
    replace:
      "          if (bucket !== undefined) return Effect.succeed(false)\n          const exists = Deferred.makeUnsafe<boolean, DatabaseUnavailable>()\n",
    tests: [identity]
  },
  {
    wrong: "keys asked for together get each other's answers",
    file: guard,
    find: "exit.value[index] === true",
    replace: "exit.value[asked.length - 1 - index] === true",
    tests: [identity]
  },
  {
    wrong: "guessing reads the database at any rate",
    file: guard,
    find: "if (bucket.take(monotonic())) return",
    replace: "if (bucket !== undefined) return",
    tests: [identity]
  },
  {
    wrong: "valid keys use up what guessing may read",
    file: guard,
    find: 'if (found._tag === "Some") bucket.give()',
    replace: "",
    tests: [identity]
  },
  {
    wrong: "valid keys are refused behind an address that guesses",
    file: endpoint,
    find: "const known = principals.peek(presented.key)\n",
    replace:
      "const wait = wrongKeys.count(request.address)\n    if (wait !== undefined) return rejectKey(reply, wait)\n    const known = principals.peek(presented.key)\n",
    tests: [guessing]
  },
  {
    wrong: "all addresses share one allowance of wrong keys",
    file: wrongKeys,
    find: "buckets.take(siteOf(address))",
    replace: "buckets.take(siteOf(address).slice(0, 0))",
    tests: [guessing]
  },
  {
    wrong: "wrong keys are never too many",
    file: "src/domain/TokenBuckets.ts",
    find: "bucket.take(now) ? undefined",
    replace: "bucket.take(now) || true ? undefined",
    tests: [guessing]
  },
  {
    wrong: "two keys in one request are no conflict",
    file: "src/http/admission/Authentication.ts",
    find: "else if (first.key !== found.key) return",
    replace: "else if (first.key === undefined) return",
    tests: ["test/http/admission/Keys.test.ts"]
  },
  {
    wrong: "a foreign Host or Origin is served",
    file: endpoint,
    find: "if (!isSameSite && !admitSite(request, reply, hub)) return",
    replace: "",
    tests: ["test/http/admission/Keys.test.ts"]
  },
  {
    wrong: "a connection that was admitted once is admitted under every Host",
    file: endpoint,
    find: 'headers["host"] === peer.admittedHost',
    replace: "peer.admittedHost !== undefined",
    tests: ["test/http/admission/Keys.test.ts"]
  },
  {
    wrong: "a page is admitted on a connection that was admitted without one",
    file: endpoint,
    find: 'headers["origin"] === undefined && ',
    replace: "",
    tests: ["test/http/admission/Keys.test.ts"]
  },
  {
    wrong: "without an audit trail nothing is refused",
    file: trail,
    find: "  writable: () => false,\n",
    replace: "  writable: () => true,\n",
    tests: [audited, "test/actors/observing/AuditTrail.test.ts"]
  },
  {
    wrong: "users who need the audit trail are served without it",
    file: endpoint,
    find: "!audit.writable(principal.userId) && auditRequired",
    replace: "false && auditRequired",
    tests: [audited]
  },
  {
    wrong: "users who need no audit trail are refused without it",
    file: endpoint,
    find: "!audit.writable(principal.userId) && auditRequired(target, principal.groups, settings.current())",
    replace: "!audit.writable(principal.userId)",
    tests: [audited]
  },
  {
    wrong: "an audit trail that fails counts as written",
    file: "src/actors/observing/AuditWriter.ts",
    find: "!isFailing() && room.has(userId)",
    replace: "room.has(userId)",
    tests: [audited, "test/actors/observing/AuditTrail.test.ts"]
  },
  {
    wrong: "an audit trail that is full counts as written",
    file: "src/actors/observing/AuditWriter.ts",
    find: "!isFailing() && room.has(userId)",
    replace: "!isFailing() || userId === undefined",
    tests: ["test/actors/observing/AuditTrail.test.ts"]
  },
  {
    wrong: "a group's condition does not hold for its own address",
    file: "src/domain/access/AuditPolicy.ts",
    find: '(target.kind === "group" && target.name === name) ||',
    replace: "",
    tests: [audited]
  },
  {
    wrong: "a group's condition does not hold for its users elsewhere",
    file: "src/domain/access/AuditPolicy.ts",
    find: "groups.some((group) => group.isActive && group.name === name)",
    replace: "false",
    tests: [audited]
  },
  {
    wrong: "everybody can read the door's token",
    file: door,
    find: '{ mode: 0o600, flag: "w" }',
    replace: '{ mode: 0o644, flag: "w" }',
    also: [{ file: door, find: "fs.chmod(aside, 0o600)", replace: "fs.chmod(aside, 0o644)" }],
    tests: [beside]
  },
  { wrong: "the door opens without its token", file: door, find: "!same || ", replace: "", tests: [beside] },
  {
    wrong: "the door opens to any text as long as its token",
    file: door,
    find: "presented.length === expected.length && timingSafeEqual(presented, expected)",
    replace: "presented.length === expected.length",
    tests: [beside]
  },
  {
    wrong: "the door opens to a browser",
    file: door,
    find: "return !same || isBrowser ?",
    replace: "return !same ?",
    tests: [beside]
  },
  {
    wrong: "the door listens beyond the machine",
    file: "src/http/admin/AdminDoor.ts",
    find: 'host: "127.0.0.1"',
    replace: 'host: "0.0.0.0"',
    tests: [beside]
  },
  {
    wrong: "in the database a key is changed by whoever names its id",
    file: "src/domain/storage/sql/HubKeysSql.ts",
    find: 'owner === undefined ? sql`` : sql`and cast(${table}."userId" as text) = ${owner}`',
    replace: "owner === undefined ? sql`` : sql``",
    tests: [stored]
  },
  {
    wrong: "in the database a group is changed by whoever names its id",
    file: "src/domain/storage/sql/GroupsSql.ts",
    find: ' and cast(${table}."userId" as text) = ${owner}`',
    replace: "`",
    tests: [stored]
  },
  {
    wrong: "whoever asks for the audit rows of one user gets everybody's",
    file: "src/domain/storage/sql/AuditLogSql.ts",
    find: "if (userId !== undefined) conditions",
    replace: "if (userId === null) conditions",
    tests: ["test/domain/storage/AuditLog.test.ts"]
  },
  {
    wrong: "what another process does with a key in the embedded database is not heard",
    file: "src/cli/database/KeyEventsSqlite.ts",
    find: "if (now === others) return",
    replace: "if (now !== others) return",
    tests: ["test/cli/database/EmbeddedDatabase.test.ts"]
  },
  {
    wrong: "values that another credential key has sealed are left among what is sealed anew",
    file: "src/domain/storage/sql/SealingSql.ts",
    find: "if (lost.length === 0) return",
    replace: "if (lost.length >= 0) return",
    tests: ["test/domain/storage/Sealing.test.ts"]
  },
  {
    wrong: "sealing keeps no text of a key for the way back",
    file: "src/domain/storage/sql/SealingSql.ts",
    find: "yield* rows.keep(kept)",
    replace: "yield* rows.keep([])",
    tests: ["test/domain/storage/Sealing.test.ts"]
  },
  {
    wrong: "child processes inherit the variables of a .env file",
    file: "src/domain/config/Environment.ts",
    find: "Object.hasOwn(environment, name) ? environment[name] : undefined",
    replace: "environment[name]",
    tests: ["test/domain/config/DotEnv.test.ts"]
  }
]
