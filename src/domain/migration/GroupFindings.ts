/** The groups of an old hub's users, which filter calls here as well as lists. */
import { counted, findingsIn, type MigrationFinding, ofSome } from "./MigrationFinding.ts"
import { namesIn, type OldGroup, type OldHub } from "./OldHub.ts"

const { ok, warn } = findingsIn("groups")

/** `servers` undefined: the settings could not be read, so nothing is said of unknown ones. */
export const groupFindings = (
  hub: Pick<OldHub, "users" | "groups">,
  servers: ReadonlySet<string> | undefined
): ReadonlyArray<MigrationFinding> => {
  const owner = namesIn(hub)
  const place = (group: OldGroup): string => `group "${group.name ?? ""}" of ${owner(group.userId)} (${group.id})`
  const active = hub.groups.filter((group) => group.isActive)
  const unknown = active.flatMap((group) => {
    const names = servers === undefined ? [] : group.servers.filter((name) => !servers.has(name))
    return names.length === 0 ? [] : [`${place(group)}: ${names.join(", ")}`]
  })
  const byName = new Map<string, Array<OldGroup>>()
  for (const group of hub.groups) {
    const key = JSON.stringify([group.userId, group.name])
    byName.set(key, [...(byName.get(key) ?? []), group])
  }
  const withGroups = new Set(hub.groups.map((group) => group.userId))
  const withActive = new Set(active.map((group) => group.userId))
  return [
    ok({
      kind: "groups",
      detail: `${counted(hub.groups.length, "group")}, ${active.length} of them active; they filter lists and, new, calls`
    }),
    ...ofSome(unknown, warn, () => ({
      kind: "unknownServers",
      detail: "The settings have no server of these names; the groups admit nothing by them",
      remedy: "correct the groups: mcphub group set NAME --user USER --server A --server B"
    })),
    ...ofSome(active.filter((group) => group.servers.length === 0).map(place), warn, () => ({
      kind: "emptyGroups",
      detail: "These name no server; by them their users reach nothing",
      remedy: "give them servers, or remove them: mcphub group rm NAME --user USER"
    })),
    ...ofSome(hub.groups.filter((group) => group.name === null || group.name === "").map(place), warn, () => ({
      kind: "namelessGroups",
      detail: "These have no name: they filter as before, and no address and no command can name them",
      remedy: "make a group with a name in place of each"
    })),
    ...ofSome(
      [...byName.values()].flatMap((all) => (all.length < 2 ? [] : all.slice(1).map(place))),
      warn,
      () => ({
        kind: "duplicateGroups",
        detail:
          "Their user has another group of the same name: /mcp/NAME joins them, and the command line finds only one",
        remedy: "remove or rename them"
      })
    ),
    ...ofSome(
      [...withGroups].filter((id) => !withActive.has(id)).map((id) => `user ${owner(id)} (${id})`),
      warn,
      () => ({
        kind: "noActiveGroup",
        detail: "These have groups and none that is active: they see nothing, as in the old hub, and can call nothing",
        remedy: "switch a group on: mcphub group enable NAME --user USER"
      })
    )
  ]
}
