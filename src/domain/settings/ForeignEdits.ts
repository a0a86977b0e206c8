/**
 * Changes to another program's settings file as text, so that its comments, order and spaces stay.
 *
 * What comes out is read again before it is given away: it holds the new values and, besides them, exactly what the file
 * held before. Where a text cannot be changed so, the change is refused.
 */
import { Effect, Equal } from "effect"
import { stringify } from "smol-toml"
import type { EntryChange } from "../ClientEntries.ts"
import { isJsonObject, objectOrEmpty } from "../protocol/JsonObjects.ts"
import type { JsonObject } from "../protocol/JsonRpc.ts"
import type { ForeignProgram } from "./ForeignPrograms.ts"
import { ForeignSettingsUnreadable, parseForeign } from "./ForeignSettings.ts"
import { setInJson } from "./JsonEdit.ts"

const refused = (message: string) => new ForeignSettingsUnreadable({ message })

/** A list with the value in place of the one like it, and where that is. */
const placed = (list: ReadonlyArray<unknown>, { sameBy, value }: EntryChange) => {
  const found = list.findIndex((one) => isJsonObject(one) && one[sameBy!] === value[sameBy!])
  const at = found === -1 ? list.length : found
  return { at, list: [...list.slice(0, at), value, ...list.slice(at + 1)] }
}

/** The document with the change, as values; fails where something else is in the way. */
const changed = (document: JsonObject, change: EntryChange): Effect.Effect<JsonObject, ForeignSettingsUnreadable> => {
  const [name, ...rest] = change.path
  const [next, ...more] = rest
  const present = document[name]
  if (next !== undefined) {
    if (present !== undefined && !isJsonObject(present)) return Effect.fail(refused(`its member ${name} is no object`))
    return Effect.map(changed(objectOrEmpty(present), { ...change, path: [next, ...more] }), (value): JsonObject => ({
      ...document,
      [name]: value
    }))
  }
  if (change.sameBy === undefined) return Effect.succeed({ ...document, [name]: change.value })
  if (present !== undefined && !Array.isArray(present)) return Effect.fail(refused(`its member ${name} is no list`))
  return Effect.succeed({ ...document, [name]: placed(present ?? [], change).list })
}

const inJson = (text: string, document: JsonObject, change: EntryChange): string => {
  if (change.sameBy === undefined) return setInJson(text, change.path, change.value)
  const list = change.path.reduce<unknown>((value, name) => objectOrEmpty(value)[name], document)
  return setInJson(text, [...change.path, placed(Array.isArray(list) ? list : [], change).at], change.value)
}

const tableHeader = /^[ \t]*\[/

/** The whole table under the header of the path is written anew, or at the end of the file. Its subtables stay. */
const inToml = (text: string, { path, value }: EntryChange): string => {
  const eol = text.includes("\r\n") ? "\r\n" : "\n"
  const header = `[${path.join(".")}]`
  const body = stringify(value).trimEnd().split("\n")
  const lines = text.split(/\r?\n/)
  const at = lines.findIndex((line) => line.replaceAll(/[ \t"']|#.*$/g, "") === header)
  if (at === -1) {
    const before = text.trimEnd()
    return [...(before === "" ? [] : [before, ""]), header, ...body, ""].join(eol)
  }
  const next = lines.findIndex((line, i) => i > at && tableHeader.test(line))
  const end = next === -1 ? lines.length : next
  // Empty lines and comments right before the next table belong to that.
  let last = end
  while (last > at + 1 && /^[ \t]*(#.*)?$/.test(lines[last - 1]!)) last -= 1
  return [...lines.slice(0, at + 1), ...body, ...lines.slice(last)].join(eol)
}

/** A table's own values give way; its subtables are other tables of the text. */
const withSubtables = (document: JsonObject, change: EntryChange): EntryChange => {
  const present = change.path.reduce<unknown>((value, name) => objectOrEmpty(value)[name], document)
  const subtables = Object.entries(objectOrEmpty(present)).filter(([, value]) => isJsonObject(value))
  return { ...change, value: { ...Object.fromEntries(subtables), ...change.value } }
}

/** The text of the file with all changes; an empty text is a file that is not there. */
export const editForeign = Effect.fnUntraced(function* (
  syntax: ForeignProgram["syntax"],
  text: string,
  changes: ReadonlyArray<EntryChange>
): Effect.fn.Return<string, ForeignSettingsUnreadable> {
  const mark = text.startsWith("\uFEFF") ? "\uFEFF" : ""
  let source = text.slice(mark.length)
  if (source.trim() === "") source = syntax === "json" ? "{}\n" : ""
  for (const change of changes) {
    const document = yield* parseForeign(syntax, source)
    if (!isJsonObject(document)) return yield* refused("it is no object")
    const expected = yield* changed(document, syntax === "toml" ? withSubtables(document, change) : change)
    if (Equal.equals(document, expected)) continue
    const edited = syntax === "json" ? inJson(source, document, change) : inToml(source, change)
    const found = yield* Effect.orElseSucceed(parseForeign(syntax, edited), () => undefined)
    if (!Equal.equals(found, expected)) {
      return yield* refused(`${change.path.join(".")} is written there in a way that has to be changed by hand`)
    }
    source = edited
  }
  return mark + source
})
