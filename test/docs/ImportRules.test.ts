/**
 * The linter is what keeps the folders apart (domain ← actors ← http ← cli ← main), so each of its rules is shown a
 * file that breaks it. The files stand in a temporary folder with the project's own configuration.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import { root } from "./Repository.ts"

const oxlint = join(root, "node_modules", "oxlint", "bin", "oxlint")

/** Lints one file with the given imports, as if it stood at `path` in the project, and returns the refused ones. */
const refused = (path: string, imports: ReadonlyArray<string>): ReadonlyArray<string> => {
  const folder = mkdtempSync(join(tmpdir(), "mcphub-import-rules-"))
  try {
    copyFileSync(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"))
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    const lines = imports.map((name, i) => `import * as a${i} from "${name}"\n`).join("")
    const used = imports.map((_, i) => `a${i}`).join(", ")
    writeFileSync(join(folder, path), `${lines}export const all = [${used}]\n`)
    const deno = "Deno" in globalThis ? ["run", "-A"] : []
    const linted = spawnSync(process.execPath, [...deno, oxlint, "--format=json", "src"], {
      cwd: folder,
      encoding: "utf8"
    })
    const diagnostics = (JSON.parse(linted.stdout) as Diagnostics).diagnostics
    assert.deepStrictEqual(
      diagnostics.filter((one) => one.code !== "eslint(no-restricted-imports)"),
      [],
      "the file breaks no other rule"
    )
    assert.strictEqual(linted.status, diagnostics.length === 0 ? 0 : 1)
    const lineNumbers = diagnostics.map((one) => one.labels[0]?.span.line ?? 0)
    return imports.filter((_, i) => lineNumbers.includes(i + 1))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Diagnostics {
  readonly diagnostics: ReadonlyArray<{
    readonly code: string
    readonly labels: ReadonlyArray<{ readonly span: { readonly line: number } }>
  }>
}

const drivers = [
  "@effect/platform-node",
  "@effect/platform-node/NodeServices",
  "@effect/sql-pg",
  "@electric-sql/pglite"
]
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
      "../../actors/Sessions.ts",
      "../../http/McpRoutes.ts",
      "../../cli/Cli.ts",
      "../../testkit/Users.ts",
      "../../Hub.ts",
      "../../index.ts",
      "../../main.ts",
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
    good: ["../Ids.ts", "./JsonRpc.ts", "effect", "effect/sql", "effect/crypto", "node:crypto"]
  },
  "actors import the domain, and neither http nor cli nor a driver nor the SDK's server and client": {
    path: "src/actors/upstream/X.ts",
    bad: [
      "../../http/McpRoutes.ts",
      "../../cli/Cli.ts",
      "../../testkit/Users.ts",
      "../../Hub.ts",
      "../../main.ts",
      ...drivers,
      ...sdk
    ],
    good: [
      "../RequestTracker.ts",
      "./UpstreamHeaders.ts",
      "../../domain/Ids.ts",
      "effect/http/Cookies",
      "undici",
      "node:child_process"
    ]
  },
  "http imports domain and actors, and neither cli nor a driver nor the SDK's server and client": {
    path: "src/http/X.ts",
    bad: ["../cli/Cli.ts", "../testkit/Users.ts", "../Hub.ts", "../main.ts", ...drivers, ...sdk],
    good: ["../actors/Sessions.ts", "../domain/Ids.ts", "./api/Api.ts", "effect/http", "node:http"]
  },
  "http's runtime folder may bind the HTTP server of the runtime, and nothing else": {
    path: "src/http/runtime/X.ts",
    bad: ["../../cli/Cli.ts", "../../testkit/Users.ts", "@effect/sql-pg", "@electric-sql/pglite", ...sdk],
    good: ["@effect/platform-node", "../McpRoutes.ts", "node:http"]
  },
  "the hub's composition root is free of drivers, command line and SDK": {
    path: "src/Hub.ts",
    bad: ["./cli/Cli.ts", "./main.ts", ...drivers, ...sdk],
    good: ["./http/McpRoutes.ts", "./actors/Sessions.ts", "./domain/Ids.ts"]
  },
  "the command line chooses drivers, and imports neither main nor test kit nor the SDK": {
    path: "src/cli/database/X.ts",
    bad: ["../../main.ts", "../../testkit/Users.ts", ...sdk],
    good: [...drivers, "../../Hub.ts", "../../http/McpRoutes.ts"]
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
  for (const [title, { path, bad, good }] of Object.entries(cases)) {
    it(title, () => {
      assert.deepStrictEqual(refused(path, [...good, ...bad]), bad)
    })
  }
})
