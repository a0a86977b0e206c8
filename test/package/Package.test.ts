import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { files, read, root } from "../docs/Repository.ts"
import { built, page, wrongFiles } from "./Package.ts"

const manifest = JSON.parse(read("package.json")) as {
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly files: ReadonlyArray<string>
}

describe("the package", () => {
  it("names files that the sources become, and folders that are there", () => {
    const entries = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === "string" ? [] : Object.values(entry).map((path) => path.replace("./", ""))
    )
    assert.isAbove(entries.length, 4)
    assert.includeMembers([...built()], entries)
    const there = [...manifest.files.filter((path) => path !== "dist"), ...Object.values(manifest.bin)]
    assert.deepStrictEqual(
      there.filter((path) => !existsSync(join(root, path))),
      []
    )
  })

  it("has the programs that run in a process or thread of their own", () => {
    const programs = files("src").flatMap((path) =>
      [...read(path).matchAll(/new URL\(\s*`?"?(\.\/[\w-]+)\./g)].map(([, name]) =>
        join(path, "..", name!).replace(/^src/, "dist")
      )
    )
    assert.isAbove(programs.length, 3)
    assert.includeMembers(
      [...built()],
      programs.map((name) => `${name}.js`)
    )
  })

  it("is checked for what is missing, left over or does not belong there", () => {
    const whole = [...built(), page, "package.json", "README.md", "bin/mcphub", "docs/README.md"]
    assert.deepStrictEqual(wrongFiles(whole), [])
    const thread = "dist/cli/database/sqlite-connection.js"
    assert.deepStrictEqual(wrongFiles(whole.filter((path) => path !== thread)), [`${thread} is missing`])
    assert.deepStrictEqual(wrongFiles(whole.filter((path) => path !== page)), [`${page} is missing`])
    assert.deepStrictEqual(wrongFiles([...whole, "dist/Old.js"]), ["dist/Old.js is no source's"])
    assert.deepStrictEqual(wrongFiles([...whole, "test/docs/Links.test.ts"]), [
      "test/docs/Links.test.ts does not belong there"
    ])
  })
})
