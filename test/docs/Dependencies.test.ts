import { assert, describe, it } from "@effect/vitest"
import { files, read, tableRows } from "./Repository.ts"

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

interface NpmLock {
  readonly packages: Readonly<
    Record<string, { readonly version: string; readonly optionalDependencies?: Readonly<Record<string, string>> }>
  >
}

const manifest = JSON.parse(read("package.json")) as Manifest
const npmLock = JSON.parse(read("package-lock.json")) as NpmLock
const denoLock = JSON.parse(read("deno.lock")) as { readonly npm: Readonly<Record<string, unknown>> }
const all = { ...manifest.dependencies, ...manifest.devDependencies }

const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")

describe("dependencies", () => {
  it("are each explained in docs/internals/dependencies.md, with no others", () => {
    const explained = tableRows(read("docs/internals/dependencies.md")).map(([name]) => name?.replaceAll("`", ""))
    assert.deepStrictEqual([...explained].sort(), Object.keys(all).sort())
  })

  it("are pinned exactly", () => {
    const loose = Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    assert.deepStrictEqual(loose, [])
  })

  it("are declared where the sources import them: the hub's own code needs no development dependency", () => {
    const statement = /^(?:import|(?:import|export|\})[^"\n]*\sfrom) "([^".][^"]*)"/gm
    const imported = files("src")
      // What the dashboard's app imports is bundled with it.
      .filter((path) => path.endsWith(".ts") && !path.startsWith("src/http/dashboard/app/"))
      .flatMap((path) => [...read(path).matchAll(statement)].map((match) => ({ path, name: match[1] ?? "" })))
      .filter(({ name }) => !name.startsWith("node:"))
    assert.isAbove(imported.length, 0)
    const undeclared = imported.filter(({ name }) => !(packageOf(name) in manifest.dependencies))
    assert.deepStrictEqual(undeclared, [])
  })

  it("are locked in the same versions for npm and Deno", () => {
    const npm = new Set(
      Object.entries(npmLock.packages).map(([path, entry]) => `${path.split("node_modules/").at(-1)}@${entry.version}`)
    )
    const deno = Object.keys(denoLock.npm).map((key) => /^@?[^@]+@[^_]+/.exec(key)?.[0] ?? key)
    assert.isAbove(deno.length, 100)
    assert.deepStrictEqual(
      deno.filter((name) => !npm.has(name)),
      []
    )
    for (const [name, version] of Object.entries(all)) assert.include(deno, `${name}@${version}`)
  })

  it("are locked with the binaries of every platform, so that the lock installs everywhere", () => {
    const missing = Object.entries(npmLock.packages).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter(
        (name) => !(`node_modules/${name}` in npmLock.packages) && !(`${path}/node_modules/${name}` in npmLock.packages)
      )
    )
    assert.deepStrictEqual(missing, [])
  })
})
