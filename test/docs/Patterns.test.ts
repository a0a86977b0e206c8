import { assert, describe, it } from "@effect/vitest"
import { files, read } from "./Repository.ts"

const sources = files("src").filter((path) => path.endsWith(".ts"))

const literal =
  /(?<=[=(,:[!&|?{}; ])\/(?![*/ ])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+)\/[dgimsuvy]*(?=[.,;)\]} \n])/g

/** The regular expressions written in a source. */
const patternsOf = (text: string): ReadonlyArray<string> => [...text.matchAll(literal)].map(([, pattern]) => pattern!)

/** A repetition within a repetition: what takes exponential time when a text can be divided in several ways. */
const isNested = (pattern: string): boolean => {
  const bare = pattern.replace(/\\./g, "e").replace(/\[[^\]]*\]/g, "c")
  for (let inner = bare; ;) {
    const group = /\((?:\?[:=!]|\?<[=!]|\?<\w+>)?([^()]*)\)([*+]|\{\d+,\d*\})?/.exec(inner)
    if (group === null) return false
    const repeats = /[*+]|\{\d+,\}/.test(group[1]!)
    if (repeats && group[2] !== undefined) return true
    inner = inner.replace(group[0], repeats || group[2] !== undefined ? "r+" : "g")
  }
}

describe("regular expressions", () => {
  it("A41: are written in the sources and never made of what a client, a server or the settings say", () => {
    const made = sources.flatMap((path) => [...read(path).matchAll(/\bRegExp\(/g)].map(() => path))
    // Both put constants together.
    assert.deepStrictEqual([...new Set(made)].sort(), [
      "src/domain/protocol/json/JsonLimits.ts",
      "src/domain/requests/RequestId.ts"
    ])
  })

  it("A41: have no repetition within a repetition, except where the parts cannot be confused", () => {
    const all = sources.flatMap((path) => patternsOf(read(path)).map((pattern) => ({ path, pattern })))
    assert.isAbove(all.length, 60)
    assert.deepStrictEqual(
      all.filter(({ pattern }) => isNested(pattern)).map(({ path }) => path),
      // Each part of a base path begins with the slash that no part holds otherwise.
      ["src/domain/config/HubConfig.ts"]
    )
  })

  it("would notice one", () => {
    for (const pattern of ["^(a+)+$", "(?:[a-z]*,)*x+", "((ab)*c)+", "(\\w+\\s?)*$"])
      assert.isTrue(isNested(pattern), pattern)
    for (const pattern of ["^(a+)$", "(?:abc)*", "[(a+)]+", "\\(a+\\)+", "(ab){2}"]) {
      assert.isFalse(isNested(pattern), pattern)
    }
    assert.deepStrictEqual(patternsOf('x = /^(a+)+$/i.test("/no/")'), ["^(a+)+$"])
  })
})
