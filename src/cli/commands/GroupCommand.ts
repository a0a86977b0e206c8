/** `mcphub group …`: the servers and tools that a user reaches. */
import { Argument, Command, Flag } from "effect/cli"
import { answer } from "../admin/Answer.ts"
import type { GroupView } from "../../http/admin/operations/GroupOperations.ts"
import { table, yesNo } from "../terminal/Output.ts"
import { onlyUser, user } from "../terminal/UserFlag.ts"

const name = Argument.String("name").pipe(Argument.withDescription("Name of the group"))
const server = Flag.String("server").pipe(Flag.withDescription("A server of the group; repeat for more"))
const tool = Flag.String("tool").pipe(
  Flag.withDescription("A tool of the group, {server}-{tool} or a bare name; repeat for more (default: all tools)")
)

const described = (group: GroupView): string =>
  `Group "${group.name}" of ${group.username}: ${group.servers.join(", ") || "no servers"}` +
  (group.tools === null ? "" : `; only ${group.tools.join(", ") || "no tools"}`) +
  (group.isActive ? "" : " (disabled)") +
  (group.unknownServers.length === 0
    ? ""
    : `\nwarning: the settings have no server ${group.unknownServers.join(", ")}; see \`mcphub server ls\``)

const create = Command.make(
  "create",
  {
    name,
    user,
    server: Flag.atLeast(server, 1),
    tool: Flag.atLeast(tool, 0)
  },
  ({ name, server, tool, user }) =>
    answer(
      (admin) => admin.groupCreate({ user, name, servers: server, tools: tool.length === 0 ? null : tool }),
      described
    )
).pipe(
  Command.withDescription("Create a group"),
  Command.withExamples([
    { command: "mcphub group create work --user ada --server github --server jira", description: "Two servers" }
  ])
)

const ls = Command.make("ls", { user: onlyUser("groups") }, ({ user }) =>
  answer(
    (admin) => admin.groupList({ user }),
    (groups) =>
      table(
        ["user", "name", "active", "servers", "tools"],
        groups.map((group) => [
          group.username,
          group.name,
          yesNo(group.isActive),
          group.servers.join(","),
          group.tools === null ? "all" : group.tools.join(",")
        ]),
        "No groups: every user reaches all servers"
      )
  )
).pipe(Command.withDescription("List groups"))

const rm = Command.make("rm", { name, user }, ({ name, user }) =>
  answer(
    (admin) => admin.groupRemove({ user, name }),
    (group) => `Removed group "${group.name}" of ${group.username}`
  )
).pipe(Command.withDescription("Remove a group"))

const set = Command.make(
  "set",
  {
    name,
    user,
    server: Flag.atLeast(server, 0),
    tool: Flag.atLeast(tool, 0),
    allTools: Flag.Boolean("all-tools").pipe(
      Flag.withDescription("Lift the restriction to single tools"),
      Flag.withDefault(false)
    )
  },
  ({ allTools, name, server, tool, user }) =>
    answer(
      (admin) =>
        admin.groupSet({
          user,
          name,
          servers: server.length === 0 ? null : server,
          tools: tool.length === 0 ? null : tool,
          allTools
        }),
      described
    )
).pipe(
  Command.withDescription(
    "Replace the servers or tools of a group; what is not named stays, so give --all-tools or --tool with new servers"
  )
)

const setActive = (verb: "enable" | "disable", description: string) =>
  Command.make(verb, { name, user }, ({ name, user }) =>
    answer((admin) => admin.groupSetActive({ user, name, isActive: verb === "enable" }), described)
  ).pipe(Command.withDescription(description))

export const GroupCommand = Command.make("group").pipe(
  Command.withDescription("Create, list, change and remove a user's groups"),
  Command.withSubcommands([
    create,
    ls,
    rm,
    set,
    setActive("enable", "Switch a group on"),
    setActive("disable", "Switch a group off; a user with groups and none active reaches nothing")
  ])
)
