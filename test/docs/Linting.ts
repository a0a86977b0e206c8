/** The project's linter on files of a test, which stand in a temporary folder with the project's own configuration. */
import { assert } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import { root } from "./Repository.ts"

const oxlint = join(root, "node_modules", "oxlint", "bin", "oxlint")

export interface Diagnostics {
  readonly diagnostics: ReadonlyArray<{
    readonly code: string
    readonly filename: string
    readonly labels: ReadonlyArray<{ readonly span: { readonly line: number } }>
  }>
}

/** Lints the files with the project's own configuration, as if they stood in the project. */
export const lint = (sources: Readonly<Record<string, string>>): Diagnostics["diagnostics"] => {
  const folder = mkdtempSync(join(tmpdir(), "mcphub-import-rules-"))
  try {
    for (const path of [".oxlintrc.json", "scripts/lint/rooms.mjs", "scripts/lint/guards.mjs"]) {
      mkdirSync(join(folder, dirname(path)), { recursive: true })
      copyFileSync(join(root, path), join(folder, path))
    }
    for (const [path, text] of Object.entries(sources)) {
      mkdirSync(join(folder, dirname(path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    const deno = "Deno" in globalThis ? ["run", "-A"] : []
    const linted = spawnSync(process.execPath, [...deno, oxlint, "--format=json", "src"], {
      cwd: folder,
      encoding: "utf8",
      maxBuffer: 64 << 20
    })
    const { diagnostics } = JSON.parse(linted.stdout) as Diagnostics
    assert.strictEqual(linted.status, diagnostics.length === 0 ? 0 : 1)
    return diagnostics
  } finally {
    rmSync(folder, { recursive: true })
  }
}
