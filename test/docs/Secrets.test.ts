import { assert, describe, it } from "@effect/vitest"
import { files, read } from "./Repository.ts"

/** What must not stand in the repository. Built from parts, so that this file does not hold them either. */
const forbidden: Readonly<Record<string, RegExp>> = {
  "an address of a package registry": new RegExp(
    ["registry", "npmjs"].join("\\.") + '|jsr\\.io/@|"(resolved|tarball)":',
    "i"
  ),
  "a path of a developer's machine": new RegExp(["(^|[\\s\"'`(=:])/work", "(main|shared|briefs|node24)\\b"].join("/")),
  "a shared folder outside the repository": new RegExp(["\\.\\.", "shared/"].join("/")),
  "a conflict of a merge": new RegExp(`^(${"<".repeat(7)}|${">".repeat(7)}) `, "m"),
  "a key that looks real": /mcphub_(?=[0-9a-f]{64})(?!([0-9a-f])\1{63})[0-9a-f]{64}/
}

/** Which of the forbidden things a text holds. */
const found = (text: string): ReadonlyArray<string> =>
  Object.entries(forbidden).flatMap(([what, pattern]) => (pattern.test(text) ? [what] : []))

describe("the repository", () => {
  it("defect 35: holds no real-looking key, no registry address, no path of a machine and no half-done merge", () => {
    const paths = files()
    assert.include(paths, "package-lock.json")
    assert.include(paths, "deno.lock")
    assert.deepStrictEqual(
      paths.flatMap((path) => found(read(path)).map((what) => `${path}: ${what}`)),
      []
    )
  })

  it("would notice each of them", () => {
    const hex = "0123456789abcdef".repeat(4)
    assert.deepStrictEqual(found(`key=mcphub_${hex}`), ["a key that looks real"])
    assert.deepStrictEqual(found(`https://${["registry", "npmjs", "org"].join(".")}/x`), [
      "an address of a package registry"
    ])
    assert.deepStrictEqual(found(`see ${["", "work", "main", "src"].join("/")}`), ["a path of a developer's machine"])
    assert.deepStrictEqual(found(`see ${["..", "shared", "x.md"].join("/")}`), [
      "a shared folder outside the repository"
    ])
    assert.deepStrictEqual(found(`one\n${"<".repeat(7)} HEAD\ntwo`), ["a conflict of a merge"])
    assert.deepStrictEqual(found(`mcphub_${"0".repeat(64)} is a placeholder, ./docs/x.md a path`), [])
  })
})
