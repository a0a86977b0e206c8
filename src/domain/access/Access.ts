/**
 * The servers and tools a user may reach: one pure decision for discovery *and* calls, failing closed.
 *
 * No groups → every enabled server. Some groups, none active → nothing. A group that names tools admits only those;
 * several active groups add up. Settings-wide groups (`groups` in the settings file) only name a subset: they never
 * widen what the user's own groups admit.
 */
import type { GroupGrant } from "../identity/Principal.ts"
import type { SettingsValue } from "../servers/Settings.ts"
import type { Target } from "./Target.ts"
import { Predicate } from "effect"

/** The tools of one admitted server: all of them, or those a group names (`{server}-{tool}` or the bare name). */
export type ToolGrant = "all" | ReadonlySet<string>

/** Admitted servers by name, in the order of the settings. */
export type Access = ReadonlyMap<string, ToolGrant>

const nothing: Access = new Map()

const enabledServers = (settings: SettingsValue): ReadonlyArray<string> =>
  Object.entries(settings.mcpServers).flatMap(([name, config]) => (config.enabled === false ? [] : [name]))

const merge = (grants: Map<string, ToolGrant>, server: string, grant: ToolGrant): void => {
  const known = grants.get(server)
  if (known === "all") return
  if (known === undefined || grant === "all") grants.set(server, grant)
  else grants.set(server, new Set([...known, ...grant]))
}

const fromGroups = (groups: ReadonlyArray<GroupGrant>, servers: ReadonlyArray<string>): Access => {
  const named = new Map<string, ToolGrant>()
  for (const group of groups) {
    const grant: ToolGrant = group.tools === undefined || group.tools.length === 0 ? "all" : new Set(group.tools)
    for (const server of group.servers) merge(named, server, grant)
  }
  const access = new Map<string, ToolGrant>()
  for (const server of servers) {
    const grant = named.get(server)
    if (grant !== undefined) access.set(server, grant)
  }
  return access
}

const settingsGroup = (settings: SettingsValue, name: string): ReadonlySet<string> | undefined => {
  for (const group of settings.groups ?? []) {
    if (group["name"] !== name || !Array.isArray(group["servers"])) continue
    return new Set(
      group["servers"].flatMap((server: unknown) => {
        if (Predicate.isString(server)) return [server]
        return Predicate.isObject(server) && "name" in server && Predicate.isString(server.name) ? [server.name] : []
      })
    )
  }
  return undefined
}

/** Everything these groups admit, over all servers. */
export const accessOf = (groups: ReadonlyArray<GroupGrant>, settings: SettingsValue): Access => {
  const servers = enabledServers(settings)
  if (groups.length === 0) return new Map(servers.map((server) => [server, "all"]))
  return fromGroups(
    groups.filter((group) => group.isActive),
    servers
  )
}

/**
 * The access that a target admits. `undefined` where the user may not address it: the same answer as for a target that
 * does not exist.
 */
export const accessTo = (
  target: Target,
  groups: ReadonlyArray<GroupGrant>,
  settings: SettingsValue
): Access | undefined => {
  if (target.kind === "all") return accessOf(groups, settings)
  if (target.kind === "server") {
    const grant = accessOf(groups, settings).get(target.name)
    return grant === undefined ? undefined : new Map([[target.name, grant]])
  }
  const own = groups.filter((group) => group.isActive && group.name === target.name)
  if (own.length > 0) return fromGroups(own, enabledServers(settings))
  const shared = settingsGroup(settings, target.name)
  if (shared === undefined) return undefined
  const access = new Map([...accessOf(groups, settings)].filter(([server]) => shared.has(server)))
  return access.size === 0 && shared.size > 0 ? undefined : access
}

/** The access to a target, or none once the target is gone. */
export const accessOrNothing = (target: Target, groups: ReadonlyArray<GroupGrant>, settings: SettingsValue): Access =>
  accessTo(target, groups, settings) ?? nothing

/**
 * The target that the last segment of `/mcp/:target` names for this user. A group wins over a server; a name that is
 * neither, or belongs to somebody else, is `undefined`.
 */
export const resolveTarget = (
  name: string,
  groups: ReadonlyArray<GroupGrant>,
  settings: SettingsValue
): Target | undefined => {
  const group: Target = { kind: "group", name }
  if (accessTo(group, groups, settings) !== undefined) return group
  const server: Target = { kind: "server", name }
  return accessTo(server, groups, settings) !== undefined ? server : undefined
}

/** Whether a grant admits one tool, by its own name or by `{server}{separator}{tool}`. */
export const grantsTool = (grant: ToolGrant, server: string, tool: string, separator: string): boolean =>
  grant === "all" || grant.has(tool) || grant.has(`${server}${separator}${tool}`)
