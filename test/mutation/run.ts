/**
 * Breaks each rule of `Mutations.ts` in a copy of the checkout and runs its tests there:
 *
 *   npm run mutate [-- words]      only mutations with one of the words in what is wrong or in the file's path
 *
 * Prints `killed` with the test that noticed, or `SURVIVED`. Ends with 1 when one survived, when a text to be replaced is
 * no longer there exactly once, or when tests fail without any mutation.
 */
import process from "node:process"
import { read } from "../docs/Repository.ts"
import { Copy } from "./Copy.ts"
import { editsOf, type Mutation, occurrences } from "./Mutation.ts"
import { mutations } from "./Mutations.ts"

const words = process.argv.slice(2)
const chosen = mutations.filter(
  ({ file, wrong }) => words.length === 0 || words.some((word) => file.includes(word) || wrong.includes(word))
)

/** Runs one mutation; true when a test has noticed. */
const isKilled = async (copy: Copy, mutation: Mutation): Promise<boolean> => {
  const { file, tests, wrong } = mutation
  const edits = editsOf(mutation)
  const lost = edits.filter((edit) => occurrences(read(edit.file), edit) !== 1)
  if (lost.length > 0) {
    console.log(`LOST      ${wrong} (${file}): a text to be replaced is not there exactly once`)
    return false
  }
  edits.forEach((edit) => copy.edit(edit))
  const { failed, trouble } = await copy.test(tests, true)
  for (const edit of edits) copy.restore(edit.file)
  if (failed.length > 0) console.log(`killed    ${wrong} (${file}): ${failed[0]}`)
  else if (trouble === undefined) console.log(`SURVIVED  ${wrong} (${file}): ${tests.join(" ")}`)
  else console.log(`BROKEN    ${wrong} (${file}): no test failed, and yet\n${trouble}`)
  return failed.length > 0
}

const copy = new Copy()
process.once("exit", () => copy.remove())
if (chosen.length === 0) {
  console.log(`No mutation has ${words.join(" or ")} in its description or its file`)
  process.exit(1)
}
const inUse = [...new Set(chosen.flatMap(({ tests }) => tests))]
let unbroken = await copy.test(inUse, false)
// Side by side on a busy machine a test may miss its time, which says nothing about any mutation.
if (unbroken.files.length > 0) unbroken = await copy.test(unbroken.files, false)
if (unbroken.failed.length > 0 || unbroken.trouble !== undefined) {
  console.log(`Without any mutation these fail: ${[...unbroken.failed, unbroken.trouble ?? ""].join("\n")}`)
  process.exit(1)
}
console.log(`${unbroken.passed} tests pass without any mutation`)
let killed = 0
for (const mutation of chosen) if (await isKilled(copy, mutation)) killed++
console.log(`${killed} of ${chosen.length} mutations killed`)
process.exit(killed === chosen.length && chosen.length > 0 ? 0 : 1)
