/** What the hub shares with the machine it runs on: addresses, locks, files, settings, the terminal. */
import type { Mutation } from "./Mutation.ts"

const addresses = "src/domain/config/UpstreamAddresses.ts"
const addressTests = ["test/domain/config/UpstreamAddresses.test.ts"]

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
  }
]
