/**
 * The abilities that a server declares in its answer to `initialize` or `server/discover`, in the shape that strict
 * clients take and with the oddities named: an ability that is `true` or an empty array is that ability, what is no ability is
 * none. A server that declares no list at all may have some all the same, so it counts as having every one of them, as a
 * guess.
 *
 * Source: MCP 2025-11-25 and 2026-07-28 schemas, `ServerCapabilities`.
 */
import { Predicate } from "effect"
import { withoutNulls } from "../AbsentMembers.ts"
import type { JsonObject } from "../JsonRpc.ts"
import { isJsonObject } from "../JsonObjects.ts"
import { lists } from "../Methods.ts"

export interface Abilities {
  readonly capabilities: JsonObject
  readonly serverInfo: JsonObject
  readonly instructions?: string | undefined
  /** The lists among the capabilities are guessed: that one of them cannot be had is no failure. */
  readonly isGuess: boolean
  /** What no specification foresees, in sentences. */
  readonly oddities: ReadonlyArray<string>
}

const known: ReadonlySet<string> = new Set([
  "tools",
  "prompts",
  "resources",
  "completions",
  "logging",
  "tasks",
  "experimental",
  "extensions"
])

const listed: ReadonlyArray<string> = [...new Set(Object.values(lists).map(({ capability }) => capability))]

const isEmptyArray = (value: unknown): boolean => Array.isArray(value) && value.length === 0

/** Whether changes are announced, or can be subscribed to, is true or false. */
const flags: ReadonlySet<string> = new Set(["listChanged", "subscribe"])

const abilityOf = (value: unknown): JsonObject | undefined => {
  if (value === true || isEmptyArray(value)) return {}
  if (!isJsonObject(value)) return undefined
  const wrong = Object.entries(value).filter(([name, flag]) => flags.has(name) && !Predicate.isBoolean(flag))
  if (wrong.length === 0) return value
  return Object.fromEntries(Object.entries(value).filter((entry) => !wrong.some(([name]) => name === entry[0])))
}

export const readAbilities = (given: JsonObject): Abilities => {
  const oddities: Array<string> = []
  const object = (name: string): JsonObject => {
    const value = given[name] ?? {}
    if (isJsonObject(value)) return withoutNulls(value) as JsonObject
    if (!isEmptyArray(value)) oddities.push(`What it says as ${name} is no object and counts as none`)
    return {}
  }
  const declared: Record<string, unknown> = { ...object("capabilities") }
  for (const name of Object.keys(declared)) {
    if (!known.has(name)) continue
    const ability = abilityOf(declared[name])
    if (ability !== undefined) declared[name] = ability
    else {
      if (declared[name] !== false) oddities.push(`Its capability ${name} is no object and counts as none`)
      delete declared[name]
    }
  }
  const isGuess = !listed.some((name) => name in declared)
  if (isGuess) {
    oddities.push("It declares neither tools nor prompts nor resources and is asked for all of them")
    for (const name of listed) declared[name] = {}
  }
  const { instructions } = given
  const isText = Predicate.isString(instructions)
  if (!isText && (instructions ?? null) !== null) oddities.push("Its instructions are no text and count as none")
  return {
    capabilities: declared,
    serverInfo: object("serverInfo"),
    ...(isText ? { instructions } : {}),
    isGuess,
    oddities
  }
}
