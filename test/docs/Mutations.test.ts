import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { editsOf, occurrences } from "../mutation/Mutation.ts"
import { mutations } from "../mutation/Mutations.ts"
import { read, root } from "./Repository.ts"

describe("the mutations of `npm run mutate`", () => {
  it("can still be made: what each replaces stands exactly once in its file, and its tests exist", () => {
    assert.isAbove(mutations.length, 200)
    assert.deepStrictEqual(
      mutations.flatMap((mutation) => [
        ...editsOf(mutation)
          .filter((edit) => occurrences(read(edit.file), edit) !== 1 || edit.find === edit.replace)
          .map(({ file, find }) => `${mutation.wrong}: not once in ${file}: ${find}`),
        ...mutation.tests
          .filter((path) => !existsSync(join(root, path)))
          .map((path) => `${mutation.wrong}: no test ${path}`)
      ]),
      []
    )
  })

  it("are told apart by what is wrong", () => {
    const all = mutations.map(({ wrong }) => wrong)
    assert.deepStrictEqual(
      all.filter((wrong, index) => all.indexOf(wrong) !== index),
      []
    )
  })

  it("break the sources and nothing else", () => {
    assert.deepStrictEqual(
      mutations.flatMap(editsOf).filter(({ file }) => !/^src\/(domain|actors|http|cli)\/.*\.ts$/.test(file)),
      []
    )
  })
})
