/**
 * The text of a `.env` file as variables: `NAME=value` lines, as shells, Docker and the old hub's library write them.
 *
 * Values are data: nothing in them is expanded or run. A line that is none of this is an error with its number, since a
 * variable that is silently missing is a hub that runs with a default. Errors quote nothing, for values are secrets.
 */

export interface DotEnvProblem {
  /** From 1. */
  readonly line: number
  readonly reason: string
}

export type DotEnvRead = { readonly variables: ReadonlyMap<string, string> } | { readonly problem: DotEnvProblem }

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*(.*)$/s

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\", $: "$" }

/** The value that begins at a place and ends before its quote, and the place behind that; undefined where none is. */
const quoted = (
  text: string,
  start: number,
  quote: string
): { readonly value: string; readonly end: number } | undefined => {
  let value = ""
  for (let at = start; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === quote) return { value, end: at + 1 }
    const escaped = quote === '"' && character === "\\" ? escapes[text.charAt(at + 1)] : undefined
    if (escaped !== undefined) at++
    value += escaped ?? character
  }
  return undefined
}

/** A value without quotes ends at its line's end, or at a `#` behind a space. */
const bare = (text: string): string => text.replace(/(?:^|\s)#.*$/, "").trim()

const lineEnd = (text: string, from: number): number => {
  const end = text.indexOf("\n", from)
  return end === -1 ? text.length : end
}

/** Of two lines with one name the later counts. */
export const readDotEnv = (written: string): DotEnvRead => {
  const text = written.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n")
  const variables = new Map<string, string>()
  for (let at = 0, number = 1; at < text.length; number++) {
    const end = lineEnd(text, at)
    const line = text.slice(at, end)
    const start = at
    at = end + 1
    if (/^\s*(?:#|$)/.test(line)) continue
    const wrong = (reason: string): DotEnvRead => ({ problem: { line: number, reason } })
    const found = assignment.exec(line)
    if (found === null) return wrong("expected NAME=value, a comment that begins with #, or nothing")
    const [, name = "", given = ""] = found
    const quote = given.charAt(0)
    let value = bare(given)
    if (quote === '"' || quote === "'") {
      // What stands in quotes may have several lines, as a certificate has.
      const inside = start + line.length - given.length + 1
      const read = quoted(text, inside, quote)
      if (read === undefined) return wrong(`the value of ${name} has no closing ${quote}`)
      const last = lineEnd(text, read.end)
      if (bare(text.slice(read.end, last)) !== "") return wrong(`something follows the closing ${quote} of ${name}`)
      value = read.value
      number += text.slice(start, last).split("\n").length - 1
      at = last + 1
    }
    if (value.includes("\0")) return wrong(`the value of ${name} holds a NUL`)
    variables.set(name, value)
  }
  return { variables }
}
