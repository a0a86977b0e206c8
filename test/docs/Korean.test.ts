/** The documents that are there in Korean, too, say the same: the same headings, commands, names and links. */
import { assert, describe, it } from "@effect/vitest"
import { files, read } from "./Repository.ts"

const pairs = files()
  .filter((path) => path.endsWith(".ko.md"))
  .map((korean) => [korean.replace(".ko.md", ".md"), korean] as const)

const fence = /^```[\s\S]*?^```$/gm

/** Code without its comments, which are translated. */
const commands = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(fence)].map(([block]) => block.replaceAll(/(^|[ \t]+)# .*$/gm, "$1").replaceAll(/[ \t]+$/gm, ""))

const levels = (text: string): ReadonlyArray<number> =>
  [...text.replaceAll(fence, "").matchAll(/^(#+) /gm)].map(([, marks]) => marks!.length)

const sorted = (all: Iterable<string>): ReadonlyArray<string> => [...new Set(all)].sort()

const names = (text: string) =>
  sorted([...text.replaceAll(fence, "").matchAll(/`([^`\n]+)`/g)].map(([, name]) => name!))

/** Between the two languages: each leads to the other, and some lead to a document in their own. */
const links = (text: string) =>
  sorted(
    [...text.replaceAll(fence, "").matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) =>
      /(README|session-isolation-test-guide)(\.ko)?\.md$/.test(link!) &&
      !link!.endsWith("docs/README.md") &&
      !link!.endsWith("embedding/README.md")
        ? []
        : [link!]
    )
  )

describe("the documents in Korean", () => {
  it("are the README and the guide to try session isolation", () => {
    assert.deepStrictEqual(sorted(pairs.map(([, korean]) => korean)), [
      "README.ko.md",
      "docs/session-isolation-test-guide.ko.md"
    ])
  })

  for (const [english, korean] of pairs) {
    it(`${korean} has the headings, commands, names and links of ${english}`, () => {
      const [one, other] = [read(english), read(korean)]
      assert.isAbove(commands(one).length, 5)
      assert.deepStrictEqual(commands(other), commands(one))
      assert.deepStrictEqual(levels(other), levels(one))
      assert.deepStrictEqual(names(other), names(one))
      assert.deepStrictEqual(links(other), links(one))
      // It is Korean: more of its letters are than are not.
      const prose = other.replaceAll(fence, "").replaceAll(/`[^`\n]+`|\([^)]*\)/g, "")
      assert.isAbove(prose.match(/\p{Script=Hangul}/gu)!.length, prose.match(/[A-Za-z]/g)!.length)
    })
  }
})
