/**
 * The output of a command: one JSON document with `--json`, otherwise plain aligned text. Nothing else goes to standard
 * output, so that both can be piped.
 */
import { Console, Effect } from "effect"
import { JsonFlag } from "./GlobalFlags.ts"

/** Prints the value for scripts, or the text for people. */
export const print = Effect.fnUntraced(function* (value: unknown, human: () => string) {
  const text = (yield* JsonFlag) ? JSON.stringify(value, null, 2) : printable(human())
  if (text !== "") yield* Console.log(text)
})

/**
 * With these a stored name, or what a server says, could draw on the operator's terminal, or turn its text around
 * (Unicode UAX #9).
 */
// oxlint-disable-next-line no-control-regex
const drawing = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

/** One cell or value. */
const visible = (text: string): string => text.replaceAll(drawing, "�")

/** A whole text, whose lines stay. */
export const printable = (text: string): string =>
  text.replaceAll(drawing, (character) => (character === "\n" ? "\n" : "�"))

/** Columns as wide as their widest cell, two spaces apart; `empty` when there is no row. */
export const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  empty: string
): string => {
  if (rows.length === 0) return empty
  const all = [head.map((cell) => cell.toUpperCase()), ...rows.map((row) => row.map(visible))]
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

/** `name  value` lines, aligned. */
export const facts = (pairs: ReadonlyArray<readonly [name: string, value: string]>): string => {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${visible(value)}`).join("\n")
}

/** `2026-11-23 09:00` in UTC from ISO 8601. */
export const minute = (iso: string | null): string => (iso === null ? "never" : iso.slice(0, 16).replace("T", " "))

export const yesNo = (value: boolean): string => (value ? "yes" : "no")
