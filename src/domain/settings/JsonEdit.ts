/**
 * One value set in the text of a JSON document with comments, and nothing else touched: no line of a neighbour is
 * written anew, a comment at the end of a line stays there, and a comma at the end of a list stays the habit.
 *
 * The text must be one that parses.
 */
import { createScanner, findNodeAtLocation, type Node, parseTree, type SyntaxKind } from "jsonc-parser"

/** `const enum` of the library, which cannot be imported without its declarations. */
const comma: SyntaxKind = 5
const lineBreak: SyntaxKind = 14
const space: SyntaxKind = 15
const endOfFile: SyntaxKind = 17
const comments: ReadonlyArray<SyntaxKind> = [12, 13]

/** Indentation and line ends as in the rest of the text. */
const styleOf = (text: string) => ({
  unit: /^([ \t]+)["\]}/]/m.exec(text)?.[1] ?? "  ",
  eol: text.includes("\r\n") ? "\r\n" : "\n"
})

/** What follows a last member on its line: perhaps a comma, perhaps a comment. */
const tailOf = (text: string, from: number) => {
  const scanner = createScanner(text)
  scanner.setPosition(from)
  let end = from
  let hasComma = false
  for (let kind = scanner.scan(); ; kind = scanner.scan()) {
    if (kind === comma && !hasComma) hasComma = true
    else if (kind === lineBreak && !hasComma) continue
    else if (kind === lineBreak || kind === endOfFile || (kind !== space && !comments.includes(kind))) break
    if (kind !== space) end = scanner.getTokenOffset() + scanner.getTokenLength()
  }
  return { end, hasComma }
}

/** The white space at the beginning of an offset's line, if there is nothing else before it. */
const indentAt = (text: string, offset: number): string | undefined =>
  /(?:^|\n)([ \t]*)$/.exec(text.slice(0, offset))?.[1]

/** The text with one more member at the end of an object or a list. */
const inserted = (text: string, container: Node, depth: number, content: (indent: string) => string): string => {
  const { eol, unit } = styleOf(text)
  const members = container.children ?? []
  const closing = container.offset + container.length - 1
  const first = members[0]
  const last = members.at(-1)
  const indent = (first && indentAt(text, first.offset)) ?? unit.repeat(depth)
  if (last === undefined) {
    const before = text.slice(0, closing).trimEnd()
    return `${before}${eol}${indent}${content(indent)}${eol}${unit.repeat(depth - 1)}${text.slice(closing)}`
  }
  const lastEnd = last.offset + last.length
  const { end, hasComma } = tailOf(text, lastEnd)
  const rest = text.slice(end)
  const close = /^[ \t]*[\]}]/.test(rest) ? eol + unit.repeat(depth - 1) : ""
  const head = hasComma ? text.slice(0, end) : `${text.slice(0, lastEnd)},${text.slice(lastEnd, end)}`
  return `${head}${eol}${indent}${content(indent)}${hasComma ? "," : ""}${close}${rest}`
}

/** `path`: names of objects; a number is the place in a list, one beyond its last for another member. */
export const setInJson = (text: string, path: ReadonlyArray<string | number>, value: unknown): string => {
  const { eol, unit } = styleOf(text)
  const written = (one: unknown, indent: string) => JSON.stringify(one, null, unit).replaceAll("\n", eol + indent)
  const root = parseTree(text, [], { allowTrailingComma: true })!
  const found = findNodeAtLocation(root, [...path])
  if (found !== undefined) {
    const name = found.parent?.type === "property" ? found.parent : found
    const indent = indentAt(text, name.offset) ?? unit.repeat(path.length)
    return text.slice(0, found.offset) + written(value, indent) + text.slice(found.offset + found.length)
  }
  let depth = path.length - 1
  while (findNodeAtLocation(root, path.slice(0, depth)) === undefined) depth -= 1
  const container = findNodeAtLocation(root, path.slice(0, depth))!
  const [name, ...rest] = path.slice(depth)
  const nested = rest.reduceRight<unknown>(
    (inner, one) => (typeof one === "number" ? [inner] : { [one]: inner }),
    value
  )
  const key = typeof name === "number" ? "" : `${JSON.stringify(name)}: `
  return inserted(text, container, depth + 1, (indent) => key + written(nested, indent))
}
