import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { rooms } from "../../scripts/lint/rooms.mjs"
import { files, read, root, tableRows } from "./Repository.ts"

const document = read("docs/internals/map.md")
const section = (heading: string): string =>
  document.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ""

/** Whether a source declares or offers something of that name. */
const declares = (source: string, name: string): boolean =>
  new RegExp(`(const|function|class|readonly|interface) ${name}\\b|\\b${name}(:|\\()|\\b${name},`).test(source)

describe("docs/internals/map.md", () => {
  it("follows a call through functions that exist where it says", () => {
    const steps = tableRows(section("The life of a call")).map(([, file, names]) => ({
      file: file!.replaceAll("`", ""),
      names: names!.split(",").map((name) => name.trim().replaceAll("`", ""))
    }))
    assert.isAbove(steps.length, 15)
    assert.deepStrictEqual(
      steps.flatMap(({ file, names }) => {
        if (!existsSync(join(root, file))) return [`no file ${file}`]
        return names.filter((name) => !declares(read(file), name)).map((name) => `${file} has no ${name}`)
      }),
      []
    )
  })

  it("names only files that exist", () => {
    const named = [...document.matchAll(/`(src\/[\w/.-]+|test\/[\w/.-]+)`/g)].map(([, path]) => path!)
    const here = section("Rooms, and who may import whom")
    const theirs = new Set(["src/utils/requestTracker", "src/utils/upstreamContext", "src/services/mcpService"])
    assert.isTrue([...theirs].every((path) => here.includes(path)))
    assert.deepStrictEqual(
      named.filter((path) => !theirs.has(path) && !existsSync(join(root, path))),
      []
    )
  })

  it("names every room", () => {
    const named = (room: string): boolean => {
      const [above, last] = [dirname(room), basename(room)]
      return (
        document.includes(`\`src/${room}\``) ||
        (document.includes(`\`src/${above}\``) && document.includes(`\`${last}/\``))
      )
    }
    assert.deepStrictEqual(
      rooms.filter((room) => !named(room)),
      []
    )
  })

  it("names modules that exist, by the services and verbs it tells of", () => {
    const modules = new Set(files("src").map((path) => path.replace(/^.*\//, "").replace(/\.ts$/, "")))
    const named = [...document.matchAll(/`([A-Z][A-Za-z]+)\.([a-z]\w+)`/g)].map(([, module, verb]) => ({
      module: module!,
      verb: verb!
    }))
    assert.isAbove(named.length, 8)
    const sources = (module: string) =>
      files("src")
        .filter((path) => path.includes(`/${module}`))
        .map(read)
        .join("\n")
    assert.deepStrictEqual(
      named
        .filter(({ module, verb }) => module !== "Hub" && (!modules.has(module) || !declares(sources(module), verb)))
        .map(({ module, verb }) => `${module}.${verb}`),
      []
    )
  })
})
