/**
 * The comments of the sources: a file's header says what the file is, and no room is more comment than it needs.
 */
import { assert, describe, it } from "@effect/vitest"
import { dirname } from "node:path"
import { rooms } from "../../scripts/lint/rooms.mjs"
import { files, read } from "./Repository.ts"

const sources = files("src").filter((path) => path.endsWith(".ts"))

/** The comment in which a file begins, without its marks; "" when it begins with code. */
const headerOf = (text: string): string => /^\s*(?:\/\*\*?|\/\/)[\s*]*([^\n]*)/.exec(text)?.[1] ?? ""

const isQuestion = (header: string): boolean => /^(?:what|which|how|why|who|whose|where|when)\b/i.test(header)

interface Lines {
  readonly comments: number
  readonly all: number
}

/** The lines that are not blank, and those of them that hold nothing but comment. */
const linesOf = (text: string): Lines => {
  let comments = 0
  let all = 0
  let inBlock = false
  for (const line of text.split("\n").map((line) => line.trim())) {
    if (line === "") continue
    all++
    if (!inBlock && !line.startsWith("//") && !line.startsWith("/*")) continue
    comments++
    inBlock = (inBlock || line.startsWith("/*")) && !line.includes("*/")
  }
  return { comments, all }
}

/** The room of a file: the longest folder that contains it. The files beside the rooms count together, as `.`. */
const roomOf = (path: string): string => {
  for (let at = dirname(path.slice("src/".length)); at !== "."; at = dirname(at)) if (rooms.includes(at)) return at
  return "."
}

const sum = (texts: ReadonlyArray<string>): Lines =>
  texts.map(linesOf).reduce((a, b) => ({ comments: a.comments + b.comments, all: a.all + b.all }), {
    comments: 0,
    all: 0
  })

/** Whether comments take a quarter or more. */
const isTalkative = ({ all, comments }: Lines): boolean => comments * 4 >= all

describe("the comments of the sources", () => {
  it("begin no file with a question word", () => {
    const wrong = sources
      .map((path) => ({ path, header: headerOf(read(path)) }))
      .filter((one) => isQuestion(one.header))
    assert.deepStrictEqual(
      wrong.map(({ header, path }) => `${path}: ${header}`),
      []
    )
  })

  it("take less than a quarter of the lines of each room", () => {
    const byRoom = Map.groupBy(sources, roomOf)
    assert.isAbove(byRoom.size, 30)
    const wrong = [...byRoom].flatMap(([room, paths]) => {
      const lines = sum(paths.map(read))
      return isTalkative(lines) ? [`${room}: ${lines.comments} of ${lines.all} lines`] : []
    })
    assert.deepStrictEqual(wrong, [])
  })

  it("would be noticed if they did", () => {
    for (const header of [
      "/** How it works. */",
      "/**\n * What it is.\n */",
      "// where it is",
      "/*\n * Why not.\n */"
    ]) {
      assert.isTrue(isQuestion(headerOf(`${header}\nimport "x"\n`)), header)
    }
    for (const header of ["/** The way it works. */", "/** Whatever is left. */", 'import "x" // how']) {
      assert.isFalse(isQuestion(headerOf(`${header}\n/** How it works. */\n`)), header)
    }
    const text = '/**\n * Two.\n */\nimport "x" // none\n\n  // One.\nconst a = `/*`\n/* One. */\n'
    assert.deepStrictEqual(linesOf(text), { comments: 5, all: 7 })
    assert.isTrue(isTalkative(linesOf("// One.\na\nb\nc\n")))
    assert.isFalse(isTalkative(linesOf("// One.\na\nb\nc\nd\n")))
    assert.strictEqual(roomOf("src/domain/protocol/json/Pieces.ts"), "domain/protocol/json")
    assert.strictEqual(roomOf("src/domain/Ids.ts"), "domain")
    assert.strictEqual(roomOf("src/main.ts"), ".")
  })
})
