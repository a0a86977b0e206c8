/** What servers may say, whose words an error carries, and what becomes of an exception. */
import type { Mutation } from "./Mutation.ts"

const limits = "src/domain/protocol/json/JsonLimits.ts"
const messages = "src/domain/protocol/json/ServerMessages.ts"
const stdio = "src/actors/upstream/stdio/StdioConnection.ts"
const catalog = "src/actors/catalog/Catalog.ts"
const reading = "test/domain/protocol/json/ServerMessages.test.ts"
const saying = "test/http/mcp/servers/ServerMessages.test.ts"
const naming = "test/actors/catalog/Catalog.test.ts"
const callbacks = "test/actors/Guards.test.ts"
const defects = "test/cli/start/LastResort.test.ts"

export const serverMessages: ReadonlyArray<Mutation> = [
  {
    wrong: "a server may nest as deep as it likes",
    file: limits,
    find: "if (++depth > limits.depth)",
    replace: "if (++depth > Number.POSITIVE_INFINITY)",
    tests: [reading, saying]
  },
  {
    wrong: "a server may send any number of members",
    file: limits,
    find: 'if (++members > limits.members) return tooMany(limits.members, "members")\n    } else if (code === closeObject',
    replace: "++members\n    } else if (code === closeObject",
    tests: [reading]
  },
  {
    wrong: "a member may be named __proto__",
    file: limits,
    find: "if (prototypeMember.test(text)) return",
    replace: "if (text === prototypeMember.source) return",
    tests: [reading, saying]
  },
  {
    wrong: "an error may be of any size",
    file: messages,
    find: "text.length > maxErrorLength && holdsError",
    replace: "text.length < 0 && holdsError",
    tests: [reading]
  },
  {
    wrong: "a server's error carries the hub's marks",
    file: messages,
    find: "if (!isJsonObject(data) || !hubMarks.some((mark) => mark in data)) return",
    replace: "if (hubMarks.length > 0) return",
    tests: [reading, saying]
  },
  {
    wrong: "an answer has a result and an error",
    file: "src/domain/protocol/JsonRpc.ts",
    find: 'if ("result" in message && "error" in message) return',
    replace: 'if ("result" in message && "error" in message && id === null) return',
    tests: [saying]
  },
  {
    wrong: "an error has a code and a message of any type",
    file: "src/domain/protocol/JsonRpc.ts",
    find: "  Number.isSafeInteger(value.code) &&\n",
    replace: "",
    tests: [saying]
  },
  {
    wrong: "an answer that nobody can read leaves its call waiting",
    file: stdio,
    find: "refused(answeredId(line), read.reason)",
    replace: "options.onNoise()",
    tests: [saying]
  },
  {
    wrong: "a name leads to a server while another's list is missing",
    file: catalog,
    find: "return twin === undefined ? bare[0]!.route : yield* undecided(name, twin.route.server)",
    replace: "return twin === null ? yield* undecided(name, name) : bare[0]!.route",
    tests: [naming]
  },
  {
    wrong: "a name of two servers leads to one of them while the other's list is missing",
    file: catalog,
    find: "return twin === undefined ? usable[0]! : yield* undecided(name, twin.route.server)",
    replace: "return twin === null ? yield* undecided(name, name) : usable[0]!",
    tests: [naming]
  },
  {
    wrong: "an exception that nothing caught ends the process at once",
    file: "src/cli/start/LastResort.ts",
    find: '    process.on("uncaughtException", met)\n',
    replace: "",
    tests: [defects]
  },
  {
    wrong: "a hub with an exception that nothing caught is ready",
    file: "src/http/probes/Probes.ts",
    find: "if (defects.uncaught() > 0) return",
    replace: "if (defects.uncaught() < 0) return",
    tests: [defects]
  },
  {
    wrong: "an exception in a callback ends the process",
    file: "src/domain/Guard.ts",
    find: "    this.hasFailed = true\n",
    replace: "    this.hasFailed = true\n    if (this.hasFailed) throw defect\n",
    tests: ["test/http/wire/Guard.test.ts"]
  },
  {
    wrong: "an exception while a child's output is read ends the process",
    file: "src/actors/upstream/stdio/StdioChild.ts",
    find: 'guard.on(child.stdout, "data", (chunk: Buffer) => {',
    replace: 'child.stdout.on("data", (chunk: Buffer) => {',
    tests: [callbacks]
  },
  {
    wrong: "an exception in the end of a request is nobody's",
    file: "src/actors/requests/RequestTracker.ts",
    find: "guarding(request).fail(defect)",
    replace: "throw defect",
    tests: [callbacks]
  }
]
