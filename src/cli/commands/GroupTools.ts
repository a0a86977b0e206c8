/**
 * Names in the tool lists of groups that no server of the group has: misspelt, they admit nothing, and nobody is told.
 * Looked for only where the lists of all servers concerned are known.
 */
import { Predicate } from "effect"
import { grantsTool } from "../../domain/access/ToolGrant.ts"
import type { SettingsValue } from "../../domain/servers/Settings.ts"
import type { GroupView } from "../../http/admin/operations/GroupOperations.ts"
import type { ServerTestView } from "../../http/admin/operations/ServerOperations.ts"

export interface UnknownTools {
  /** Whose group it is, for a sentence. */
  readonly group: string
  readonly tools: ReadonlyArray<string>
}

interface Listed {
  readonly group: string
  readonly servers: ReadonlyArray<string>
  readonly tools: ReadonlyArray<string>
}

const texts = (value: unknown): ReadonlyArray<string> => (Array.isArray(value) ? value.filter(Predicate.isString) : [])

/** The lists of a group of the settings: its own, for all its servers, and those of its entries. */
const listsOf = (group: NonNullable<SettingsValue["groups"]>[number]): ReadonlyArray<Listed> => {
  const entries: ReadonlyArray<unknown> = Array.isArray(group["servers"]) ? group["servers"] : []
  const named = entries.map((entry) =>
    Predicate.isObject(entry) ? (entry as Record<string, unknown>) : { name: entry }
  )
  const all = named.map(({ name }) => name).filter(Predicate.isString)
  const title = `group "${group.name}" of the settings`
  return [
    { group: title, servers: all, tools: texts(group["tools"]) },
    ...named.map((entry) => ({ group: title, servers: texts([entry["name"]]), tools: texts(entry["tools"]) }))
  ]
}

export const unknownTools = (
  settings: SettingsValue | undefined,
  ofUsers: ReadonlyArray<GroupView>,
  tested: ReadonlyArray<ServerTestView>,
  separator: string
): ReadonlyArray<UnknownTools> => {
  const known = new Map(
    tested.flatMap(({ name, outcome, tools }) =>
      outcome === "ok" ? [[name, tools.map((tool) => tool.name)] as const] : []
    )
  )
  const lists: ReadonlyArray<Listed> = [
    ...(settings?.groups ?? []).flatMap(listsOf),
    ...ofUsers.map(({ name, servers, tools, username }) => ({
      group: `group "${name}" of ${username}`,
      servers,
      tools: tools ?? []
    }))
  ]
  return lists.flatMap(({ group, servers, tools }) => {
    if (!servers.every((server) => known.has(server))) return []
    const isThere = (tool: string): boolean =>
      servers.some((server) => known.get(server)!.some((own) => grantsTool(new Set([tool]), server, own, separator)))
    const missing = tools.filter((tool) => !isThere(tool))
    return missing.length === 0 ? [] : [{ group, tools: missing }]
  })
}
