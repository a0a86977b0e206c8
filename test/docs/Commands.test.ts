import { assert, describe, it } from "@effect/vitest"
import { basename } from "node:path"
import { files, read } from "./Repository.ts"

/** As much of a command as its name needs. */
interface Named {
  readonly name: string
  readonly subcommands: ReadonlyArray<{ readonly commands: ReadonlyArray<Named> }>
}

const modules = files("src/cli/commands").filter((path) => path.endsWith("Command.ts"))

/** Nouns with their verbs; an empty list where the noun is the command. */
const commands: ReadonlyMap<string, ReadonlyArray<string>> = new Map(
  await Promise.all(
    modules.map(async (path) => {
      const module = (await import(`../../${path}`)) as Record<string, Named>
      const command = module[basename(path, ".ts")]!
      const verbs = command.subcommands.flatMap((group) => group.commands.map((verb) => verb.name))
      return [command.name, verbs] as const
    })
  )
)

/** Command lines in code: after `mcphub` or `./bin/mcphub`, the words up to the first that is no plain word, with hyphens or without. */
const commandLines = (text: string): ReadonlyArray<string> => {
  const code = [...text.matchAll(/```(?:sh|console)\n([\s\S]*?)```|`([^`\n]+)`/g)].map(
    ([, block, inline]) => block ?? inline!
  )
  return code.flatMap((one) =>
    [
      ...one.matchAll(
        /(?:^|[\s|(]|\.\/bin\/)mcphub((?:[ \t]+(?:--data|--settings)[ \t]+\S+)?(?:[ \t]+[a-z]+(?:-[a-z]+)*)+)/gm
      )
    ].map(([, words]) => words!.replace(/--\w+[ \t]+\S+/, "").trim())
  )
}

/** What is wrong with a command line. Words after noun and verb are its arguments. */
const fault = (line: string): string | undefined => {
  const [noun = "", verb] = line.split(/\s+/)
  const verbs = commands.get(noun)
  if (verbs === undefined) return `there is no command ${noun}`
  if (verbs.length === 0 || verb === undefined || verbs.includes(verb)) return undefined
  return `there is no command ${noun} ${verb}`
}

/** Snippets for other programs, in which `mcphub` is the name of a server. */
const elsewhere = /claude mcp add .* mcphub/

describe("the commands in the documents", () => {
  const documents = files().filter((path) => path.endsWith(".md"))

  it("exist", () => {
    const found = documents.flatMap((path) =>
      commandLines(read(path).replaceAll(new RegExp(elsewhere, "g"), "")).map((line) => ({ path, line }))
    )
    assert.isAbove(found.length, 40)
    assert.deepStrictEqual(
      found.flatMap(({ path, line }) => {
        const wrong = fault(line)
        return wrong === undefined ? [] : [`${path}: ${wrong}`]
      }),
      []
    )
  })

  it("are all of them", () => {
    const named = new Set(
      documents.flatMap((path) => commandLines(read(path))).map((line) => line.split(/\s+/).slice(0, 2).join(" "))
    )
    const all = [...commands].flatMap(([noun, verbs]) =>
      verbs.length === 0 ? [noun] : verbs.map((verb) => `${noun} ${verb}`)
    )
    const isNamed = (command: string): boolean =>
      [...named].some((line) => line === command || line.startsWith(`${command} `))
    // The clients of `connect` are said in one line.
    assert.deepStrictEqual(
      all.filter((command) => !isNamed(command) && !command.startsWith("connect ")),
      []
    )
  })

  it("would be noticed if they did not exist", () => {
    assert.deepStrictEqual(commandLines("`mcphub user add ada` and\n```sh\n./bin/mcphub --data X key revoke ID\n```"), [
      "user add ada",
      "key revoke"
    ])
    assert.isUndefined(fault("user add ada"))
    assert.isDefined(fault("user befriend"))
    assert.isDefined(fault("conjure"))
  })
})
