/** Rules of the admin API: whose things are whose, who may change what, what is shown, and who comes too late. */
import type { Mutation } from "./Mutation.ts"

const keys = "src/http/admin/handlers/KeyHandlers.ts"
const live = "src/http/admin/handlers/LiveHandlers.ts"
const me = "src/http/admin/rest/MeRoutes.ts"
const viewer = "src/domain/access/Viewer.ts"
const masks = "src/domain/settings/SecretMasks.ts"
const file = "src/domain/settings/SettingsFile.ts"
const own = ["test/http/admin/rest/OwnThings.test.ts"]
const operators = ["test/http/admin/rest/Operators.test.ts"]
const settings = ["test/http/admin/rest/Settings.test.ts"]
const viewers = ["test/http/admin/rest/Viewers.test.ts"]

export const adminApi: ReadonlyArray<Mutation> = [
  {
    wrong: "a role that an admin had before comes out when they are made a user",
    file: "src/domain/storage/sql/UsersSql.ts",
    find: "if (before.isAdmin !== admin) yield* signInRows.removeRole(id)",
    replace: "void before",
    tests: ["test/domain/storage/SignIns.test.ts"]
  },
  {
    wrong: "a user lifts their own restriction by the old interface",
    file: "src/http/admin/legacy/GroupRoutes.ts",
    find: 'need: "change",',
    replace: 'need: "own",',
    tests: ["test/http/admin/legacy/LegacyAccess.test.ts"]
  },
  {
    wrong: "anybody reads anybody's key",
    file: keys,
    find: "keys.byId(KeyId.make(key), ownerOf(owner))",
    replace: "keys.byId(KeyId.make(key))",
    tests: own
  },
  {
    wrong: "anybody renames anybody's key",
    file: keys,
    find: "keys.rename(KeyId.make(key), name, ownerOf(owner))",
    replace: "keys.rename(KeyId.make(key), name)",
    tests: own
  },
  {
    wrong: "anybody extends anybody's key",
    file: keys,
    find: "keys.extend(KeyId.make(key), days, ownerOf(owner))",
    replace: "keys.extend(KeyId.make(key), days)",
    tests: own
  },
  {
    wrong: "anybody revokes anybody's key",
    file: keys,
    find: "keys.revoke(KeyId.make(key), ownerOf(owner))",
    replace: "keys.revoke(KeyId.make(key))",
    tests: own
  },
  {
    wrong: "anybody sees and ends anybody's sessions and requests",
    file: live,
    find: "owner === undefined || userId === owner",
    replace: "owner === undefined || userId !== undefined",
    tests: own
  },
  {
    wrong: "the admin API shows a user everybody's sessions",
    file: me,
    find: "operations.sessionList({ user: yield* user })",
    replace: "operations.sessionList({ user: null })",
    tests: own
  },
  {
    wrong: "the admin API shows a user everybody's requests",
    file: me,
    find: "operations.requestList({ user: yield* user })",
    replace: "operations.requestList({ user: null })",
    tests: own
  },
  {
    wrong: "a user reads everybody's audit rows",
    file: me,
    find: "request }, { id: viewer.userId }, query)",
    replace: "request }, undefined, query)",
    tests: own
  },
  {
    wrong: "a body's misspelt member is dropped, and more is done than was meant",
    file: "src/http/admin/rest/api/RestApi.ts",
    find: 'PayloadParseOptions, { onExcessProperty: "error" }',
    replace: "PayloadParseOptions, {}",
    tests: ["test/http/admin/rest/UnknownNames.test.ts"]
  },
  {
    wrong: "a query's misspelt name is dropped, and everybody's is done",
    file: "src/http/admin/rest/api/RestApi.ts",
    find: 'QueryParseOptions, { onExcessProperty: "error" }',
    replace: "QueryParseOptions, {}",
    tests: ["test/http/admin/rest/UnknownNames.test.ts"]
  },
  {
    wrong: "whoever has another's id for a name is that user",
    file: "src/http/admin/handlers/Lookup.ts",
    find: 'if (typeof named !== "string") return byId(users, named.id)',
    replace: 'if (typeof named !== "string") return findUser(users, named.id)',
    tests: own
  },
  {
    wrong: "a key of an admin changes other users and servers",
    file: viewer,
    find: 'role === "admin" && via === "cookie"',
    replace: 'role === "admin"',
    tests: operators
  },
  {
    wrong: "an auditor changes what they see",
    file: viewer,
    find: 'role === "admin" && via === "cookie"',
    replace: 'role !== "user" && via === "cookie"',
    tests: operators
  },
  {
    wrong: "a plain user sees what admins see",
    file: viewer,
    find: 'return role !== "user"',
    replace: "return role !== undefined",
    tests: operators
  },
  {
    wrong: "an operation that says nothing is for everybody",
    file: "src/http/admin/rest/api/Admission.ts",
    find: '{ defaultValue: () => "change" }',
    replace: '{ defaultValue: () => "own" }',
    tests: operators
  },
  {
    wrong: "a page of another site changes things with the browser's cookie",
    file: "src/http/admin/rest/Viewers.ts",
    find: "if (isChange(request.method) &&",
    replace: "if (false &&",
    tests: viewers
  },
  {
    wrong: "values of headers and of a child's environment are shown",
    file: masks,
    find: "(secretParts.has(key) || namesSecret(key))",
    replace: "namesSecret(key)",
    tests: settings
  },
  {
    wrong: "a mask takes a value from wherever it stood",
    file: masks,
    find: "if (given === shown && isSame) return kept",
    replace: "if (kept !== undefined && isSame) return kept",
    tests: settings
  },
  {
    wrong: "a mask gives its secret to another server or flag",
    file: masks,
    find: "if (given === shown && isSame) return kept",
    replace: "if (given === shown) return kept",
    tests: settings
  },
  {
    wrong: "a change made too late overwrites the one before",
    file: "src/http/admin/operations/ChangeTags.ts",
    find: 'expected.trim() === "*" ||',
    replace: 'expected.trim() !== "" ||',
    tests: [...operators, ...settings]
  },
  {
    wrong: "a change over the API undoes one in the file",
    file,
    find: 'if (now === "" || (now === readStamp && rejection === undefined)) return Effect.void',
    replace: "if (now !== undefined) return Effect.void",
    tests: settings
  },
  {
    wrong: "a change over the API writes over what was rejected in the file",
    file,
    find: 'if (now === "" || (now === readStamp && rejection === undefined)) return Effect.void',
    replace: 'if (now === "" || now === readStamp) return Effect.void',
    tests: settings
  },
  {
    file: "src/http/admin/rest/Admitting.ts",
    find: "hasBody || hasWaited ? yield* admitted : viewer",
    replace: "viewer",
    wrong: "a body that was under way when its key ended still changes something",
    tests: ["test/http/admin/rest/Viewers.test.ts"]
  }
]
