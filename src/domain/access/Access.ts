/**
 * The servers and tools a user may reach: one pure decision for discovery *and* calls, failing closed.
 *
 * No groups → every enabled server. Some groups, none active → nothing. A group that names tools admits only those;
 * several active groups add up. The groups of the settings file only narrow what the user's own groups admit.
 */
import type { GroupGrant } from "../identity/Principal.ts"
import type { SettingsValue } from "../servers/Settings.ts"
import { settingsGroup } from "./SettingsGroups.ts"
import { type Target, targetNamed } from "./Target.ts"
import { bothOf, eitherOf, grantOf, type NamedTools, type ToolGrant } from "./ToolGrant.ts"

/** Admitted servers by name, in the order of the settings. */
export type Access = ReadonlyMap<string, ToolGrant>

const nothing: Access = new Map()

const enabledServers = (settings: SettingsValue): ReadonlyArray<string> =>
  Object.entries(settings.mcpServers).flatMap(([name, config]) => (config.enabled === false ? [] : [name]))

const fromGroups = (groups: ReadonlyArray<GroupGrant>, servers: ReadonlyArray<string>): Access => {
  const named = new Map<string, NamedTools>()
  for (const group of groups) {
    const tools = grantOf(group.tools)
    for (const server of group.servers) named.set(server, eitherOf(named.get(server), tools))
  }
  const access = new Map<string, ToolGrant>()
  for (const server of servers) {
    const grant = named.get(server)
    if (grant !== undefined) access.set(server, grant)
  }
  return access
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
  const access = new Map<string, ToolGrant>()
  for (const [server, grant] of accessOf(groups, settings)) {
    const narrowing = shared.get(server)
    if (narrowing !== undefined) access.set(server, bothOf(grant, narrowing))
  }
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
  const group = targetNamed("group", name)
  if (accessTo(group, groups, settings) !== undefined) return group
  const server = targetNamed("server", name)
  return accessTo(server, groups, settings) !== undefined ? server : undefined
}
