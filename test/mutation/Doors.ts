/** What the hub shares with the machine it runs on: addresses, locks, files, settings, the terminal. */
import type { Mutation } from "./Mutation.ts"

const addresses = "src/domain/config/UpstreamAddresses.ts"
const addressTests = ["test/domain/config/UpstreamAddresses.test.ts"]

const settingsGroups = "src/domain/access/SettingsGroups.ts"
const accessTest = "test/domain/access/Access.test.ts"

const dataFolder = "src/cli/database/DataDirAccess.ts"
const hubFile = "src/http/admin/HubFile.ts"
const folderTest = "test/cli/start/DataFolder.test.ts"

const silent = "src/http/runtime/SilentSockets.ts"
const silentTest = "test/http/runtime/SilentSockets.test.ts"

export const doors: ReadonlyArray<Mutation> = [
  {
    wrong: "of two Authorization headers the first counts",
    file: "src/http/admission/Authentication.ts",
    find: 'request.disagrees("authorization") ? undefined : ',
    replace: "",
    tests: ["test/http/admission/Keys.test.ts"]
  },
  {
    wrong: "a token of somebody else's counts as a key",
    file: "src/http/admission/Authentication.ts",
    find: "if (!looksLikeKey(found.key))",
    replace: 'if (found.key === "no key")',
    tests: ["test/http/admission/Keys.test.ts"]
  },
  {
    wrong: "a page of any origin may read answers",
    file: "src/http/admission/Sites.ts",
    find: "if (!isAllowedOrigin(origin, host, config)) {",
    replace: "if (host === origin && !isAllowedOrigin(origin, host, config)) {",
    tests: ["test/http/admission/Browsers.test.ts"]
  },
  {
    wrong: "an origin that begins like an allowed one is allowed",
    file: "src/http/admission/Sites.ts",
    find: "config.allowedOrigins.includes(origin.toLowerCase())",
    replace: "config.allowedOrigins.some((one) => origin.toLowerCase().startsWith(one))",
    tests: ["test/http/admission/Browsers.test.ts"]
  },
  {
    wrong: "a copied hub.json leads to the hub it was copied from",
    file: hubFile,
    find: "folder === undefined || folder === folderIdentity(dataDir)",
    replace: 'folder !== ""',
    tests: ["test/cli/start/CopiedFolder.test.ts"]
  },
  {
    wrong: "only keys that the hub made are redacted",
    file: "src/domain/Redaction.ts",
    find: '.replace(chosenKey, "mcphub_<redacted>")',
    replace: "",
    tests: ["test/domain/Redaction.test.ts"]
  },
  {
    wrong: "lines that are no table draw on the terminal",
    file: "src/cli/terminal/Output.ts",
    find: 'text.replaceAll(drawing, (character) => (character === "\\n" ? "\\n" : "�"))',
    replace: "text",
    tests: ["test/cli/terminal/Output.test.ts"]
  },
  {
    wrong: "a name that several users go by means any of them",
    file: "src/domain/storage/sql/UsersSql.ts",
    find: "if (goingBy.length > 1)",
    replace: "if (goingBy.length > 2)",
    tests: ["test/domain/storage/LegacyDatabase.test.ts"]
  },
  {
    wrong: "a connection may stay silent for ever before its first request",
    file: silent,
    find: "connection.hasAsked ? nextHeadMs : firstHeadMs",
    replace: "connection.hasAsked ? nextHeadMs : Number.POSITIVE_INFINITY",
    tests: [silentTest]
  },
  {
    wrong: "a connection is closed while a request is under way",
    file: silent,
    find: "connection.running === 0 && ",
    replace: "",
    tests: [silentTest]
  },
  {
    wrong: "a standstill of the process counts as its clients' silence",
    file: silent,
    find: "connection.since += stalled",
    replace: "connection.since += 0 * stalled",
    tests: [silentTest]
  },
  {
    wrong: "connections of one address share with another's",
    file: silent,
    find: 'const address = socket.remoteAddress ?? ""',
    replace: 'const address = socket.remoteAddress === undefined ? "" : "one"',
    tests: [silentTest]
  },
  {
    wrong: "an IPv4-compatible address is public",
    file: addresses,
    find: '  [IpNetwork.fromStringUnsafe("::/96"), 6],\n',
    replace: "",
    tests: addressTests
  },
  {
    wrong: "an IPv4-translated address is public",
    file: addresses,
    find: '  [IpNetwork.fromStringUnsafe("::ffff:0:0:0/96"), 6],\n',
    replace: "",
    tests: addressTests
  },
  {
    wrong: "a translator of the operator's network is public",
    file: addresses,
    find: '  "64:ff9b:1::/48",\n',
    replace: "",
    tests: addressTests
  },
  {
    wrong: "two turns at the database have one number",
    file: "src/domain/storage/sql/Turns.ts",
    find: "provisioning: 6_274_824",
    replace: "provisioning: 6_274_822",
    tests: ["test/domain/storage/Turns.test.ts"]
  },
  {
    wrong: "a group of the settings with a misspelt member admits all its servers",
    file: settingsGroups,
    find: " || unknownOfGroup(group).length > 0",
    replace: "",
    tests: [accessTest]
  },
  {
    wrong: "an entry of a group with a misspelt member admits all tools",
    file: settingsGroups,
    find: " || unknownOfEntry(entry as Members).length > 0",
    replace: "",
    tests: [accessTest]
  },
  {
    wrong: "the tool list of a group in the settings does not matter",
    file: settingsGroups,
    find: "[server, bothOf(own, grantIn(tools))]",
    replace: "[server, own]",
    tests: [accessTest]
  },
  {
    wrong: "what the settings' group admits replaces what the user's own groups admit",
    file: "src/domain/access/Access.ts",
    find: "access.set(server, bothOf(grant, narrowing))",
    replace: "access.set(server, narrowing)",
    tests: [accessTest]
  },
  {
    wrong: "a data folder that others may read stays as it is",
    file: dataFolder,
    find: "  const problem = closed(dataDir, folder, uid, 0o700)\n",
    replace: "  const problem = undefined as string | undefined\n",
    tests: [folderTest]
  },
  {
    wrong: "files in the data folder that others may read stay as they are",
    file: dataFolder,
    find: "status === undefined ? undefined : closed(file, status, uid, 0o600)",
    replace: "undefined as string | undefined",
    tests: [folderTest]
  },
  {
    wrong: "a folder that all users share is taken",
    file: dataFolder,
    find: "(folder.mode & sticky) !== 0",
    replace: "folder.mode < 0",
    tests: [folderTest]
  },
  {
    wrong: "another user's hub.json is followed",
    file: hubFile,
    find: "if (owner !== uid && owner !== 0) return",
    replace: "if (owner < 0) return",
    tests: [folderTest]
  },
  {
    wrong: "a hub.json that others may write is followed",
    file: hubFile,
    find: "(mode & foreignWrite) === 0",
    replace: "mode >= 0",
    tests: [folderTest]
  },
  {
    wrong: "a hub.json leads to another machine",
    file: hubFile,
    find: "if (!isLoopback(hub.value.url))",
    replace: "if (hub.value.url === hub.value.token)",
    tests: [folderTest]
  },
  {
    wrong: "whoever has the port of a killed hub is told its token",
    file: "src/cli/admin/AdminConnection.ts",
    find: "return response.headers[proofHeader] === proofOf(hub.token, challenge)",
    replace: "return response.status === 204",
    tests: [folderTest]
  }
]
