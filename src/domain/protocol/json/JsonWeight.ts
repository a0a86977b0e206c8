/**
 * The memory that a parsed JSON value takes, in bytes and nearly enough for a ledger: what a value costs in the heap goes
 * by the number of its parts as much as by its text, so a list of little objects weighs several times what it is long.
 */

const perObject = 40
const perMember = 12
const perItem = 8
const perText = 16
const perNumber = 8

/** Of a value nested no deeper than the limits of `JsonLimits`. */
export const weightOf = (value: unknown): number => {
  if (typeof value === "string") return perText + value.length
  if (typeof value !== "object" || value === null) return typeof value === "number" ? perNumber : 0
  let weight = perObject
  if (Array.isArray(value)) {
    for (const item of value) weight += perItem + weightOf(item)
    return weight
  }
  for (const name in value) {
    weight += perMember + name.length + weightOf((value as Readonly<Record<string, unknown>>)[name])
  }
  return weight
}
