import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { runtimeCommand } from "../../src/cli/sample/RuntimeCommand.ts"
import { files, read, root } from "./Repository.ts"

/** The tasks that scripts/run.mjs names when it is called without one. */
const tasks = (): ReadonlyArray<string> => {
  const { args, command } = runtimeCommand(pathToFileURL(join(root, "scripts/run.mjs")))
  const { stderr } = spawnSync(command, args, { encoding: "utf8" })
  return /^Usage: run\.mjs <([^>]+)>/m.exec(stderr)?.[1]?.split("|") ?? []
}

const npm = (JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> }).scripts
const deno = (JSON.parse(read("deno.json")) as { readonly tasks: Readonly<Record<string, string>> }).tasks

/** Runs a task under another name, because npm asks for it. */
const npmOnly = { prepack: "build" }
/** Needs what only Node has, or brings. */
const nodeOnly = ["bench:profile", "package:check"]

/** `bin/mcphub` is the task of that name, and what it is told the others. */
const taskOf = (line: string): string | undefined =>
  (/scripts\/run\.mjs (\S+)$/.exec(line) ?? /^exec \.\/bin\/(?:mcphub )?(\S+)$/.exec(line))?.[1]

describe("the package", () => {
  it("field D7: asks for the runtimes that the hub runs on", () => {
    const { engines } = JSON.parse(read("package.json")) as { readonly engines: Readonly<Record<string, string>> }
    const [, major, minor] = /major === (\d+) && minor >= (\d+)/.exec(read("scripts/runtime.mjs")) ?? []
    assert.strictEqual(engines["node"], `>=${major}.${minor}`)
  })
})

describe("the scripts", () => {
  it("of package.json are the tasks of scripts/run.mjs, all of them", () => {
    const all = tasks()
    assert.isAbove(all.length, 15)
    const expected = { ...Object.fromEntries(all.map((task) => [task, task])), ...npmOnly }
    assert.deepStrictEqual(
      Object.fromEntries(Object.entries(npm).map(([name, line]) => [name, taskOf(line)])),
      expected
    )
  })

  it("of deno.json are the same, without those that need Node", () => {
    const all = tasks().filter((task) => !nodeOnly.includes(task))
    assert.deepStrictEqual(
      Object.fromEntries(Object.entries(deno).map(([name, line]) => [name, taskOf(line)])),
      Object.fromEntries(all.map((task) => [task, task]))
    )
  })

  it("named in the documents exist", () => {
    const named = files()
      .filter((path) => path.endsWith(".md") && path !== "CHANGELOG.md")
      .flatMap((path) =>
        [...read(path).matchAll(/\b(npm run|deno task) ([a-z][\w:]*)/g)].map(([, how, name]) => ({ path, how, name }))
      )
    assert.isAbove(named.length, 10)
    assert.deepStrictEqual(
      named.filter(({ how, name }) => !Object.hasOwn(how === "npm run" ? npm : deno, name!)),
      []
    )
  })
})
