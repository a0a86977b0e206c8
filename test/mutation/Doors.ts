/** What the hub shares with the machine it runs on: addresses, locks, files, settings, the terminal. */
import type { Mutation } from "./Mutation.ts"

const addresses = "src/domain/config/UpstreamAddresses.ts"
const addressTests = ["test/domain/config/UpstreamAddresses.test.ts"]

const settingsGroups = "src/domain/access/SettingsGroups.ts"
const accessTest = "test/domain/access/Access.test.ts"

export const doors: ReadonlyArray<Mutation> = [
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
  }
]
