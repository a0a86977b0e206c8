/**
 * The linter keeps the rooms in order (`scripts/lint/rooms.mjs`) and drivers, wires and the SDK in their places. The
 * test shows each rule a file that breaks it.
 */
import { assert, describe, it } from "@effect/vitest"
import { dirname, relative } from "node:path"
import { rooms } from "../../scripts/lint/rooms.mjs"
import { lint } from "./Linting.ts"
import { files } from "./Repository.ts"

const importing = (imports: ReadonlyArray<string>): string =>
  imports.map((name, i) => `import * as a${i} from "${name}"\n`).join("") +
  `export const all = [${imports.map((_, i) => `a${i}`).join(", ")}]\n`

/** Which of the imports of one file are refused. */
const refused = (path: string, imports: ReadonlyArray<string>): ReadonlyArray<string> => {
  const diagnostics = lint({ [path]: importing(imports) })
  assert.deepStrictEqual(
    diagnostics.filter((one) => !["eslint(no-restricted-imports)", "rooms(direction)"].includes(one.code)),
    [],
    "the file breaks no other rule"
  )
  const lineNumbers = diagnostics.map((one) => one.labels[0]?.span.line ?? 0)
  return imports.filter((_, i) => lineNumbers.includes(i + 1))
}

const drivers = ["@effect/platform-node", "@effect/platform-node/NodeServices", "@effect/sql-pg", "node:sqlite"]
const sdk = [
  "@modelcontextprotocol/server",
  "@modelcontextprotocol/client",
  "@modelcontextprotocol/sdk/client/index.js"
]

interface Case {
  readonly path: string
  readonly bad: ReadonlyArray<string>
  readonly good: ReadonlyArray<string>
}

const cases: Readonly<Record<string, Case>> = {
  "the domain imports no other folder, no wire, no process, no driver and no SDK": {
    path: "src/domain/protocol/X.ts",
    bad: [
      "../eras/Admission.ts",
      "../../actors/registry/Sessions.ts",
      "effect/http",
      "effect/process",
      "effect/rpc",
      "node:http",
      "node:net",
      "node:child_process",
      "undici",
      ...drivers,
      ...sdk
    ],
    good: ["./JsonRpc.ts", "./Versions.ts", "effect", "effect/sql", "effect/crypto", "node:crypto"]
  },
  "actors import the domain, and neither http nor cli nor a driver nor the SDK's server and client": {
    path: "src/actors/upstream/X.ts",
    bad: ["./links/UpstreamLinks.ts", "../session/SessionActor.ts", "../../http/wire/Wire.ts", ...drivers, ...sdk],
    good: [
      "../requests/RequestTracker.ts",
      "./connection/UpstreamHeaders.ts",
      "../../domain/Ids.ts",
      "effect/http/Cookies",
      "undici",
      "node:child_process"
    ]
  },
  "http imports domain and actors, and neither cli nor a driver nor the SDK's server and client": {
    path: "src/http/mcp/X.ts",
    bad: ["../runtime/NodeServer.ts", "../../Hub.ts", "../../cli/Cli.ts", ...drivers, ...sdk],
    good: ["../../actors/registry/Sessions.ts", "../../domain/Ids.ts", "../wire/Wire.ts", "effect/http", "node:http"]
  },
  "http's runtime folder may bind the HTTP server of the runtime, and nothing else": {
    path: "src/http/runtime/X.ts",
    bad: ["../../cli/Cli.ts", "@effect/sql-pg", "node:sqlite", ...sdk],
    good: ["@effect/platform-node", "../mcp/McpEndpoint.ts", "node:http"]
  },
  "the hub's composition root is free of drivers, command line and SDK": {
    path: "src/Hub.ts",
    bad: ["./cli/Cli.ts", "./main.ts", ...drivers, ...sdk],
    good: ["./http/mcp/McpEndpoint.ts", "./actors/registry/Sessions.ts", "./domain/Ids.ts"]
  },
  "the command line chooses drivers, and imports neither main nor test kit nor the SDK": {
    path: "src/cli/database/X.ts",
    bad: ["../../main.ts", "../../testkit/Users.ts", ...sdk],
    good: [...drivers, "../../Hub.ts", "../../http/mcp/McpEndpoint.ts"]
  },
  "the sample server stands on the SDK": {
    path: "src/cli/sample/X.ts",
    bad: ["../../main.ts", "../../testkit/Users.ts"],
    good: sdk
  },
  "main imports everything": {
    path: "src/main.ts",
    bad: [],
    good: [...drivers, "./cli/Cli.ts", "./Hub.ts"]
  }
}

describe("import rules", () => {
  it("know every folder of the sources, each once, and each exists", () => {
    const folders = new Set(files("src").flatMap((path) => (path.split("/").length > 2 ? [dirname(path)] : [path])))
    assert.deepStrictEqual([...folders].map((path) => path.slice("src/".length)).sort(), [...rooms].sort())
  })

  it("a room imports from the rooms below it and from none above", () => {
    const inRoom = (room: string) => (room.endsWith(".ts") ? `src/${room}` : `src/${room}/X.ts`)
    const from = (path: string, room: string) => {
      const target = relative(dirname(path), inRoom(room))
      return target.startsWith(".") ? target : `./${target}`
    }
    const sources = Object.fromEntries(
      rooms.map((room) => {
        const others = rooms.filter((other) => other !== room)
        return [inRoom(room), importing(others.map((other) => from(inRoom(room), other)))]
      })
    )
    const diagnostics = lint(sources).filter((one) => one.code === "rooms(direction)")
    for (const [at, room] of rooms.entries()) {
      const lines = diagnostics.filter((one) => one.filename === inRoom(room)).map((one) => one.labels[0]?.span.line)
      const above = rooms.slice(at + 1).map((_, i) => at + i + 1)
      assert.deepStrictEqual(
        lines.sort((a, b) => (a ?? 0) - (b ?? 0)),
        above,
        room
      )
    }
  })

  it("a folder without a place is refused, below a room as well, whatever it imports", () => {
    const diagnostics = lint({
      "src/newroom/A.ts": "export const a = 1\n",
      "src/domain/newroom/A.ts": 'export type { JsonObject } from "../protocol/JsonRpc.ts"\n',
      "src/actors/upstream/websocket/A.ts": "export const a = 1\n"
    })
    assert.deepStrictEqual(diagnostics.map((one) => `${one.code} ${one.filename}`).sort(), [
      "rooms(direction) src/actors/upstream/websocket/A.ts",
      "rooms(direction) src/domain/newroom/A.ts",
      "rooms(direction) src/newroom/A.ts"
    ])
  })

  it("two files that import each other are refused, types included", () => {
    const diagnostics = lint({
      "src/domain/A.ts": 'import type { B } from "./B.ts"\nexport type A = B | undefined\n',
      "src/domain/B.ts": 'import type { A } from "./A.ts"\nexport type B = A | undefined\n'
    })
    assert.deepStrictEqual([...new Set(diagnostics.map((one) => one.code))], ["import(no-cycle)"])
  })

  for (const [title, { path, bad, good }] of Object.entries(cases)) {
    it(title, () => {
      assert.deepStrictEqual(refused(path, [...good, ...bad]), bad)
    })
  }
})
