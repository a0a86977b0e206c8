/**
 * The groups of the settings file (`groups`): each names a part of the servers and, where given, of their tools. They fail
 * closed: a group or an entry with a member that the hub does not know admits nothing, because the member may be a
 * misspelt restriction.
 */
import { Predicate } from "effect"
import type { SettingsValue } from "../servers/Settings.ts"
import { bothOf, eitherOf, grantOf, type NamedTools, type ToolGrant } from "./ToolGrant.ts"

type Members = Readonly<Record<string, unknown>>

/** The members of a group, those among them that only the old hub knew, and the members of an entry of `servers`. */
const groupMembers: ReadonlySet<string> = new Set(["name", "servers", "tools", "audit", "id", "description", "owner"])
const entryMembers: ReadonlySet<string> = new Set(["name", "tools"])

const unknownIn = (members: Members, known: ReadonlySet<string>): ReadonlyArray<string> =>
  Object.keys(members).filter((name) => !known.has(name))

export const unknownOfGroup = (group: Members): ReadonlyArray<string> => unknownIn(group, groupMembers)
export const unknownOfEntry = (entry: Members): ReadonlyArray<string> => unknownIn(entry, entryMembers)

const isTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every(Predicate.isString)

/** `"all"`, or a list of names; undefined is all as well. */
export const isToolList = (tools: unknown): tools is "all" | ReadonlyArray<string> | undefined =>
  tools === undefined || tools === "all" || isTexts(tools)

const grantIn = (tools: "all" | ReadonlyArray<string> | undefined): NamedTools =>
  tools === "all" ? "all" : grantOf(tools)

/** The server that an entry names, and its tools; undefined for an entry that admits nothing. */
const entryOf = (entry: unknown): readonly [server: string, tools: NamedTools] | undefined => {
  if (Predicate.isString(entry)) return [entry, "all"]
  if (!Predicate.isObject(entry)) return undefined
  const { name, tools } = entry as Members
  if (!Predicate.isString(name) || !isToolList(tools) || unknownOfEntry(entry as Members).length > 0) return undefined
  return [name, grantIn(tools)]
}

/** The servers of the first group of this name, with their tools; undefined where there is no such group. */
export const settingsGroup = (settings: SettingsValue, wanted: string): ReadonlyMap<string, ToolGrant> | undefined => {
  const group = settings.groups?.find(({ name }) => name === wanted)
  if (group === undefined || !Array.isArray(group["servers"])) return undefined
  const { tools } = group
  if (!isToolList(tools) || unknownOfGroup(group).length > 0) return new Map()
  const named = new Map<string, NamedTools>()
  for (const each of group["servers"]) {
    const entry = entryOf(each)
    if (entry !== undefined) named.set(entry[0], eitherOf(named.get(entry[0]), entry[1]))
  }
  return new Map([...named].map(([server, own]) => [server, bothOf(own, grantIn(tools))]))
}
