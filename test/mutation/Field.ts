/** What servers and clients in use do that no specification foresees. */
import type { Mutation } from "./Mutation.ts"

const httpCalls = "src/actors/upstream/http/UpstreamHttpCalls.ts"
const stdio = "src/actors/upstream/stdio/StdioConnection.ts"
const exchange = "src/actors/upstream/http/UpstreamHttpExchange.ts"
const lists = "test/http/mcp/servers/OddLists.test.ts"
const odd = "test/http/mcp/servers/OddMessages.test.ts"
const progress = "test/http/mcp/calls/OwnProgress.test.ts"
const nulls = "test/http/mcp/calls/NullMembers.test.ts"
const folders = "test/http/mcp/servers/UserFolders.test.ts"
const forgotten = "test/http/mcp/servers/ForgottenSessions.test.ts"
const uris = "test/http/mcp/servers/GivenUris.test.ts"
const givenUris = "test/actors/catalog/GivenUris.test.ts"
const pings = "test/http/mcp/servers/ServerPings.test.ts"

export const fieldRules: ReadonlyArray<Mutation> = [
  {
    wrong: "the last words of a shared process are told to all who share it",
    file: "src/actors/upstream/stdio/UpstreamStdio.ts",
    find: 'config.isolation === "shared" ? "" : lastWords()',
    replace: "lastWords()",
    tests: ["test/http/mcp/servers/LastWords.test.ts"]
  },
  {
    wrong: "the words of a refusal keep the secrets its server was given",
    file: "src/actors/upstream/http/UpstreamHttpAnswer.ts",
    find: "shortened(scrubber.text(wordsIn(body)))",
    replace: "shortened(wordsIn(body))",
    tests: ["test/http/mcp/servers/RefusalsInWords.test.ts"]
  },
  {
    wrong: "what a compressed answer comes to counts against no limit",
    file: exchange,
    find: "      onData: (chunk) => this.read(chunk),",
    replace: "      onData: (chunk) => this.take(chunk),",
    tests: ["test/http/mcp/servers/CompressedAnswers.test.ts"]
  },
  {
    wrong: "an error that is null is one",
    file: "src/domain/protocol/JsonRpc.ts",
    find: "presentEnvelope(value as JsonObject)",
    replace: "value as JsonObject",
    tests: [odd]
  },
  {
    wrong: "a call that was refused in words of its own is sent again",
    file: "src/actors/upstream/http/UpstreamHttpSession.ts",
    find: "isSame(refusal, ping)",
    replace: "refusal !== ping",
    tests: [forgotten]
  },
  {
    wrong: "any refusal ends the session of all who share it",
    file: "src/actors/upstream/http/UpstreamHttpSession.ts",
    find: "if (ping === undefined) return then(end)",
    replace: "",
    tests: [forgotten]
  },
  {
    wrong: "what a server gave to one session is known in all",
    file: "src/actors/catalog/ResourceNames.ts",
    find: "const given = GivenUris.make(room)",
    replace: "const given: GivenUris.GivenUris = ((globalThis as any).given ??= GivenUris.make(room))",
    tests: [uris]
  },
  {
    wrong: "URIs that give way still count for their user",
    file: "src/actors/catalog/GivenUris.ts",
    find: "    room.release(bytesOf(uri))\n",
    replace: "",
    tests: [givenUris]
  },
  {
    wrong: "a server that gives many URIs pushes out those of the others",
    file: "src/actors/catalog/GivenUris.ts",
    find: "    return found\n",
    replace: "    return shares.keys().next().value ?? found\n",
    tests: [givenUris, uris]
  },
  {
    wrong: "a server that gives many URIs leaves the others no room",
    file: "src/actors/catalog/GivenUris.ts",
    find: "if (share.bytes > most)",
    replace: "if (share.bytes < 0)",
    tests: [givenUris, uris]
  },
  {
    wrong: "a list goes on while its pages add nothing",
    file: "src/actors/catalog/ListPages.ts",
    find: " || items.size === before ? undefined",
    replace: " ? undefined",
    tests: [lists]
  },
  {
    wrong: "a page that fails takes the earlier ones away",
    file: "src/actors/catalog/ListPages.ts",
    find: "fetched.pages > 0 &&",
    replace: "fetched.pages < 0 &&",
    tests: [lists]
  },
  {
    wrong: "a list that was cut is not said to be",
    file: "src/actors/catalog/Catalog.ts",
    find: "if (origin.incomplete !== undefined) missing.push",
    replace: "if (origin.incomplete === server) missing.push",
    tests: [lists]
  },
  {
    wrong: "what may stand on an unread page is unknown",
    file: "src/actors/catalog/Catalog.ts",
    find: "if (failed.length === 0 && cut !== undefined)",
    replace: "if (failed.length === 0 && cut === null)",
    tests: [lists]
  },
  {
    wrong: "the hub asks for no progress of its own over HTTP",
    file: httpCalls,
    find: "token !== undefined || call.onProgress !== undefined",
    replace: "token !== undefined",
    tests: [progress]
  },
  {
    wrong: "the hub asks for no progress of its own over stdio",
    file: stdio,
    find: "clientToken === undefined && call.onProgress === undefined ? {}",
    replace: "clientToken === undefined ? {}",
    tests: [progress]
  },
  {
    wrong: "a client hears of progress it has not asked for",
    file: httpCalls,
    find: "    if (token === undefined) return\n",
    replace: "",
    tests: [progress]
  },
  {
    wrong: "an event that is no message loses the answer after it",
    file: exchange,
    find: '    if (verdict === "noise") this.request.onNoise()\n    else if (verdict === "invalid") ',
    replace: '    if (verdict === "noise" || verdict === "invalid") ',
    tests: [odd]
  },
  {
    wrong: "an event in place of the answer is skipped",
    file: exchange,
    find: '    return this.request.wasAwaited?.(text) === true ? "invalid" : "noise"',
    replace: '    return text === "" ? "invalid" : "noise"',
    tests: [odd, "test/http/mcp/servers/ServerMessages.test.ts"]
  },
  {
    wrong: "an id that is a text is nobody's",
    file: "src/domain/protocol/JsonRpc.ts",
    find: "(typeof one !== typeof other && isId(one) && isId(other) && String(one) === String(other))",
    replace: "false",
    tests: [odd]
  },
  {
    wrong: "any text with the digits of an id is that id",
    file: "src/domain/protocol/JsonRpc.ts",
    find: "/^[1-9]\\d{0,14}$/.test(id)",
    replace: "/^\\d{1,15}$/.test(id)",
    tests: [odd]
  },
  {
    wrong: "a ping outside of every call is put to a client that knows none",
    file: "src/actors/session/SessionMessages.ts",
    find: 'if (message.method === "ping") return way.reply(success(message.id, {}))\n      if (era === "stateless") {',
    replace: 'if (era === "stateless") {',
    tests: [pings]
  },
  {
    wrong: "parameters that are null are refused",
    file: "src/domain/protocol/JsonRpc.ts",
    find: "params !== undefined && params !== null && (",
    replace: "params !== undefined && (",
    tests: [nulls]
  },
  {
    wrong: "what is null goes on as null",
    file: "src/domain/protocol/AbsentMembers.ts",
    find: "if (!known.test(method)) return params",
    replace: "if (known.test(method)) return params",
    tests: [nulls]
  },
  {
    wrong: "a log message that says null says nothing any more",
    file: "src/domain/protocol/AbsentMembers.ts",
    find: '["data", "requestState"]',
    replace: '["requestState"]',
    tests: [nulls]
  },
  {
    wrong: "all users have one folder at a server",
    file: "src/domain/context/UserFolders.ts",
    find: "join(usersFolder(dataFolder), userId.toLowerCase())",
    replace: 'join(usersFolder(dataFolder), "everybody")',
    tests: [folders]
  },
  {
    wrong: "a link leads from one user's folder to another's",
    file: "src/actors/upstream/stdio/UserFolder.ts",
    find: "real !== wanted",
    replace: 'real === ""',
    tests: [folders]
  },
  {
    wrong: "a link in a user's folder leads a server's cwd to another's",
    file: "src/actors/upstream/stdio/UpstreamStdio.ts",
    find: "folders.filter((one) => one !== below)",
    replace: 'folders.filter((one) => one === "")',
    tests: [folders]
  },
  {
    wrong: "a user's name is taken for a path or an option",
    file: "src/actors/upstream/connection/UpstreamHeaders.ts",
    find: "  if (isNameMisread) return",
    replace: "  if (isNameMisread && cwd === args[0]) return",
    tests: [folders]
  },
  {
    wrong: "a shared server may name the user",
    file: "src/domain/settings/ServerCheck.ts",
    find: "if (isPerUser(parseTemplate(text))) problem(path, reason)",
    replace: "if (userTokens(parseTemplate(text)).length > 0) problem(path, reason)",
    tests: ["test/domain/settings/SettingsCheck.test.ts"]
  },
  {
    wrong: "a server with a folder for each user may ask for the client's roots",
    file: "src/actors/calls/OfferedCapabilities.ts",
    find: "withholdsRoots(settings, server) ? others : declared",
    replace: "withholdsRoots(settings, server) ? declared : others",
    tests: [folders]
  },
  {
    wrong: "a server with a folder for each user hears that roots have changed",
    file: "src/actors/session/SessionNotifications.ts",
    find: "message.method !== rootsChanged || hearsRoots(server)",
    replace: "server !== message.method",
    tests: [folders]
  }
]
