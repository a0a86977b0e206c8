import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { files, read, root } from "./Repository.ts"

const documents = files().filter((path) => path.endsWith(".md"))

/** The text without fenced code, in which brackets are no links and `#` is no heading. */
const prose = (text: string): string => text.replaceAll(/^```[\s\S]*?^```/gm, "")

/** A heading's fragment, as GitHub makes it. */
const fragment = (heading: string): string =>
  heading
    .replaceAll(/[`*]/g, "")
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-")

const fragments = (text: string): ReadonlySet<string> =>
  new Set([...prose(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => fragment(heading!)))

/** What is wrong with the links of one document. */
const faults = (path: string, text: string): ReadonlyArray<string> =>
  [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
    if (/^(https?|mailto):/.test(link!)) return []
    const [target = "", anchor] = link!.split("#")
    const file = target === "" ? path : normalize(join(dirname(path), target))
    if (!existsSync(join(root, file))) return [`${path}: ${link} leads nowhere`]
    if (anchor === undefined || !file.endsWith(".md")) return []
    return fragments(file === path ? text : read(file)).has(anchor) ? [] : [`${path}: ${link} names no heading`]
  })

describe("the links of the documents", () => {
  it("lead to files and headings that exist", () => {
    assert.include(documents, "README.md")
    assert.deepStrictEqual(
      documents.flatMap((path) => faults(path, read(path))),
      []
    )
  })

  it("would be noticed if they did not", () => {
    assert.deepStrictEqual(
      faults("docs/README.md", "[a](../README.md#one-minute) [b](https://example.com) [c](#here)\n# Here"),
      []
    )
    assert.lengthOf(faults("docs/README.md", "[a](../NOWHERE.md)"), 1)
    assert.lengthOf(faults("docs/README.md", "[a](../README.md#no-such-heading)"), 1)
    assert.lengthOf(faults("docs/README.md", "[a](#there)\n# Here"), 1)
  })

  it("reach every document from docs/README.md or README.md", () => {
    const linked = new Set(["README.md"])
    for (const path of linked) {
      if (!path.endsWith(".md")) continue
      for (const [, link] of prose(read(path)).matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
        if (!/^https?:/.test(link!)) linked.add(normalize(join(dirname(path), link!)))
      }
    }
    const inLinkedFolder = (path: string): boolean => linked.has(`${dirname(path)}/`)
    const ours = documents.filter((path) => path.startsWith("docs/") || !path.includes("/"))
    assert.deepStrictEqual(
      ours.filter((path) => !linked.has(path) && !inLinkedFolder(path)),
      []
    )
  })
})
