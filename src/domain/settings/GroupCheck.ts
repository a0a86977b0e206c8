/**
 * The rules for the groups of a settings document. What has the wrong shape is a problem; a member or a server that
 * nobody knows is a warning, and the group admits nothing by it (`SettingsGroups`).
 */
import { isToolList, unknownOfEntry, unknownOfGroup } from "../access/SettingsGroups.ts"
import type { SettingsFinding } from "./SettingsFinding.ts"

type Members = Readonly<Record<string, unknown>>

export interface GroupReport {
  readonly problems: ReadonlyArray<SettingsFinding>
  readonly warnings: ReadonlyArray<SettingsFinding>
}

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const mayRestrict = (what: string): string =>
  `This key has no meaning here and may be a misspelt restriction; ${what} admits nothing until it is gone`

const toolList = 'Expected "all" or a list of tool names'

/** Checks the groups against the names of the servers. Names and values of the document are not repeated. */
export const checkGroups = (groups: ReadonlyArray<unknown>, servers: ReadonlySet<string>): GroupReport => {
  const problems: Array<SettingsFinding> = []
  const warnings: Array<SettingsFinding> = []
  const names = new Set<unknown>()

  const checkEntry = (entry: unknown, path: string): void => {
    if (typeof entry !== "string" && !(isMembers(entry) && typeof entry["name"] === "string")) {
      problems.push({ path, reason: "Expected the name of a server, or an object with its name" })
      return
    }
    const name = typeof entry === "string" ? entry : entry["name"]
    if (!servers.has(name as string)) warnings.push({ path, reason: "No server in mcpServers has this name" })
    if (typeof entry === "string") return
    if (!isToolList(entry["tools"])) problems.push({ path: `${path}.tools`, reason: toolList })
    for (const key of unknownOfEntry(entry)) {
      warnings.push({ path: `${path}.${key}`, reason: mayRestrict("the entry") })
    }
  }

  const checkGroup = (group: Members, path: string): void => {
    const { audit, name, servers: entries, tools } = group
    if (typeof name !== "string") problems.push({ path: `${path}.name`, reason: "Expected a text" })
    else if (names.has(name)) warnings.push({ path, reason: "A group before this one has the same name and counts" })
    names.add(name)
    // A misspelt word must not switch a rule off.
    if (audit !== undefined && audit !== "required") {
      problems.push({ path: `${path}.audit`, reason: 'Expected "required", or no such key' })
    }
    if (!isToolList(tools)) problems.push({ path: `${path}.tools`, reason: toolList })
    if (Array.isArray(entries)) entries.forEach((entry, at) => checkEntry(entry, `${path}.servers[${at}]`))
    // One for an audit rule alone needs no servers; it is no address then.
    else if (entries !== undefined) problems.push({ path: `${path}.servers`, reason: "Expected a list of servers" })
    for (const key of unknownOfGroup(group)) warnings.push({ path: `${path}.${key}`, reason: mayRestrict("the group") })
  }

  for (const [index, group] of groups.entries()) if (isMembers(group)) checkGroup(group, `groups[${index}]`)
  return { problems, warnings }
}
