/**
 * Finds the position at which a text stops being JSON, for error messages that may not quote it.
 *
 * The runtimes' own messages quote the text around the mistake, which in a settings file is often a secret, and some of
 * them give no position at all.
 */

const blank = /[ \t\r\n]*/y
const scalar =
  /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y

/** The offset of the first character that breaks the grammar; undefined when the text is JSON. */
export const jsonErrorOffset = (text: string): number | undefined => {
  let at = 0
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at += found.length
    return found
  }
  const next = (): string => {
    take(blank)
    return text.charAt(at)
  }
  const open: Array<"{" | "["> = []
  // The next token allowed: a value; a value or the end of an empty container; or what follows a value.
  let expected: "value" | "first" | "after" = "value"
  for (;;) {
    const character = next()
    const inside = open.at(-1)
    if (expected === "after") {
      if (inside === undefined) return at === text.length ? undefined : at
      if (character === ",") expected = "value"
      else if (character === (inside === "{" ? "}" : "]")) open.pop()
      else return at
      at++
      continue
    }
    if (expected === "first" && character === (inside === "{" ? "}" : "]")) {
      open.pop()
      at++
      expected = "after"
      continue
    }
    if (inside === "{") {
      if (character !== '"' || take(scalar) === undefined) return at
      if (next() !== ":") return at
      at++
    }
    const value = next()
    if (value === "{" || value === "[") {
      open.push(value)
      at++
      expected = "first"
    } else {
      if (take(scalar) === undefined) return at
      expected = "after"
    }
  }
}

/** `line 3, column 7`, both from 1. */
export const lineAndColumn = (text: string, offset: number): string => {
  const before = text.slice(0, offset)
  return `line ${before.split("\n").length}, column ${offset - before.lastIndexOf("\n")}`
}
