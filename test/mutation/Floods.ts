/** Rules about servers that say too much. */
import type { Mutation } from "./Mutation.ts"

const reading = "src/actors/upstream/connection/PacedReading.ts"
const stdio = "src/actors/upstream/stdio/StdioConnection.ts"
const news = "src/actors/session/ServerNews.ts"
const paced = "test/actors/upstream/connection/PacedReading.test.ts"
const overHttp = "test/actors/upstream/http/UpstreamHttpPace.test.ts"
const lines = "test/actors/upstream/stdio/StdioConnection.test.ts"
const heard = "test/actors/session/ServerNews.test.ts"
const floods = "test/http/mcp/servers/Floods.test.ts"

export const floodRules: ReadonlyArray<Mutation> = [
  {
    wrong: "a shared server is read within the share of whoever opened it",
    file: "src/actors/limits/Payer.ts",
    find: 'isolation === "shared" ? `server:${server}` : openedBy',
    replace: 'isolation === "shared" && server === "" ? `server:${server}` : openedBy',
    tests: [floods]
  },
  {
    wrong: "a shared server is never beside others",
    file: "src/actors/limits/FairShare.ts",
    find: "return one !== undefined && (another !== undefined || busy > (one.open > 0 ? 1 : 0))",
    replace: "return one !== undefined && another !== undefined && busy < 0",
    tests: ["test/actors/limits/FairShare.test.ts"]
  },
  {
    wrong: "what a call makes a shared server say costs its user nothing",
    file: stdio,
    find: "    if (call !== undefined) options.onWork?.(call, messageUnits)\n",
    replace: "",
    tests: [lines]
  },
  {
    wrong: "what a server says costs nothing",
    file: reading,
    find: "this.owed += this.source.handle(message)",
    replace: "this.source.handle(message)",
    tests: [paced, floods]
  },
  {
    wrong: "a server whose user is over their share is read all the same",
    file: reading,
    find: "    if (this.noRest !== undefined) this.source.pause()\n",
    replace: "",
    tests: [paced]
  },
  {
    wrong: "the end of a stream overtakes what was said before it",
    file: reading,
    find: "    if (this.noRest === undefined) step()\n    else this.atEnd = step",
    replace: "    step()",
    tests: [paced, overHttp]
  },
  {
    wrong: "a stream that was given up goes on with what waits",
    file: reading,
    find: "    this.isStopped = true\n    this.waiting = []",
    replace: "    this.isStopped = true",
    tests: [paced, overHttp]
  },
  {
    wrong: "reading an HTTP server costs its user nothing",
    file: "src/actors/upstream/http/UpstreamHttpWire.ts",
    find: 'share.spend(payer, "answer", units, goOn)',
    replace: "void goOn",
    tests: [floods]
  },
  {
    wrong: "reading a child process costs its user nothing",
    file: "src/actors/upstream/stdio/UpstreamStdio.ts",
    find: 'share.spend(payer, "answer", units, goOn)',
    replace: "void goOn",
    tests: [floods]
  },
  {
    wrong: "an answer of a child process is paid for twice",
    file: stdio,
    find: "    entry.resume(outcomeOf(entry.call, response, length))\n    return 0",
    replace: "    entry.resume(outcomeOf(entry.call, response, length))\n    return messageUnits",
    tests: [lines]
  },
  {
    wrong: "a batch of a child process may have any length",
    file: stdio,
    find: "read.value.length > maxBatch",
    replace: "read.value.length > Infinity",
    tests: [lines]
  },
  {
    wrong: "a server may say as much beside calls as it likes",
    file: news,
    find: "news.held.size === 0 && news.rate.take(now())",
    replace: "news.held.size === 0",
    tests: [heard, floods]
  },
  {
    wrong: "all servers of a session share one rate",
    file: news,
    find: "let news = servers.get(server)",
    replace: "let news = [...servers.values()][0]",
    tests: [heard]
  },
  {
    wrong: "of what a server says again and again nothing goes on",
    file: news,
    find: "    held.set(key, { message: brief, bytes })\n",
    replace: "",
    tests: [heard]
  },
  {
    wrong: "what waits of a server has no bound",
    file: news,
    find: "held.size >= maxHeld",
    replace: "held.size >= Infinity",
    tests: [heard]
  },
  {
    wrong: "answers to a server that takes none have no bound",
    file: "src/actors/session/SessionMessages.ts",
    find: "if (replies >= maxReplies) return",
    replace: "",
    tests: [floods]
  }
]
