/**
 * Reads the servers out of another program's settings file: its syntax (JSON with comments, or TOML), its place for
 * servers, its words. What comes out is checked like the hub's own file before anything is written.
 *
 * Messages quote nothing of the text: what is next to a mistake may be a secret.
 */
import { Effect, Schema } from "effect"
import { type ParseError, parse as parseJsonc, visit } from "jsonc-parser"
import { parse as parseToml, TomlError } from "smol-toml"
import { isJsonObject } from "../protocol/JsonObjects.ts"
import { type ForeignProgramName, foreignPrograms, type ForeignProgram, type Imported } from "./ForeignPrograms.ts"
import { excess } from "../protocol/json/JsonLimits.ts"
import { lineAndColumn } from "./JsonPosition.ts"
import { deepest } from "./SettingsDepth.ts"

/** The file is not of its program's syntax, or holds no servers. */
export class ForeignSettingsUnreadable extends Schema.TaggedError<ForeignSettingsUnreadable>()(
  "ForeignSettingsUnreadable",
  { message: Schema.String }
) {}

const unreadable = (message: string) => new ForeignSettingsUnreadable({ message })

/** No program has near so many. */
const mostServers = 1_000

/** The parser would make it the parent of the object that it stands in, and nobody would miss it. */
const namesParent = (text: string): boolean => {
  let found = false
  const onObjectProperty = (name: string): void => void (found ||= name === "__proto__")
  if (text.includes("__proto__")) visit(text, { onObjectProperty })
  return found
}

const jsonOf = (text: string): Effect.Effect<unknown, ForeignSettingsUnreadable> =>
  Effect.suspend(() => {
    if (excess(text, { depth: deepest, members: 100_000, values: 100_000 }) !== undefined) {
      return unreadable(`it is nested deeper than ${deepest} levels, or has more members than any settings`)
    }
    if (namesParent(text)) return unreadable("it has a member named __proto__, which nothing can be called; rename it")
    const errors: Array<ParseError> = []
    const value: unknown = parseJsonc(text, errors, { allowTrailingComma: true })
    const [first] = errors
    return first === undefined
      ? Effect.succeed(value)
      : unreadable(`the file is not JSON from ${lineAndColumn(text, first.offset)} on`)
  })

const tomlOf = (text: string): Effect.Effect<unknown, ForeignSettingsUnreadable> =>
  Effect.try({
    try: (): unknown => parseToml(text),
    catch: (cause) =>
      unreadable(
        cause instanceof TomlError
          ? `the file is not TOML at line ${cause.line}, column ${cause.column}`
          : "the file is not TOML"
      )
  })

/** The value of a program's file, whose byte order mark does not count. */
export const parseForeign = (
  syntax: ForeignProgram["syntax"],
  text: string
): Effect.Effect<unknown, ForeignSettingsUnreadable> => {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text
  return syntax === "toml" ? tomlOf(source) : jsonOf(source)
}

export const readForeignSettings = Effect.fnUntraced(function* (
  program: ForeignProgramName,
  text: string
): Effect.fn.Return<Imported, ForeignSettingsUnreadable> {
  const { read, syntax, title }: ForeignProgram = foreignPrograms[program]
  const document = yield* parseForeign(syntax, text)
  const imported = isJsonObject(document) ? read(document) : { servers: {}, problems: [] }
  const count = Object.keys(imported.servers).length
  if (count > mostServers) return yield* unreadable(`it holds ${count} servers; up to ${mostServers} can be imported`)
  if (count === 0 && imported.problems.length === 0) {
    return yield* unreadable(`it holds no MCP servers where ${title} keeps them`)
  }
  return imported
})
