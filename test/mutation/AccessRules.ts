/** Rules about what a user may reach: groups, targets, grants of tools, for lists and for calls alike. */
import type { Mutation } from "./Mutation.ts"

const grants = "src/domain/access/ToolGrant.ts"
const access = "src/domain/access/Access.ts"
const catalog = "src/actors/catalog/Catalog.ts"
const resources = "src/actors/catalog/ResourceNames.ts"
const entries = "test/http/mcp/servers/OddEntries.test.ts"
const decided = "test/domain/access/Access.test.ts"
const seen = "test/actors/catalog/Catalog.test.ts"
const targets = "test/http/mcp/servers/Targets.test.ts"

export const accessRules: ReadonlyArray<Mutation> = [
  {
    wrong: "a user all of whose groups are inactive reaches everything",
    file: access,
    find: "if (groups.length === 0) return",
    replace: "if (!groups.some((group) => group.isActive)) return",
    tests: [decided]
  },
  {
    wrong: "an inactive group gives access",
    file: access,
    find: "    groups.filter((group) => group.isActive),\n",
    replace: "    groups,\n",
    tests: [decided]
  },
  {
    wrong: "an inactive group is a target",
    file: access,
    find: "group.isActive && group.name === target.name",
    replace: "group.name === target.name",
    tests: [decided]
  },
  {
    wrong: "the target of any group is all groups",
    file: access,
    find: "group.isActive && group.name === target.name",
    replace: "group.isActive",
    tests: [decided]
  },
  {
    wrong: "a disabled server can be reached",
    file: access,
    find: "config.enabled === false ? [] : [name]",
    replace: "[name]",
    tests: [decided]
  },
  {
    wrong: "an unknown group is everything",
    file: access,
    find: "if (shared === undefined) return undefined",
    replace: "if (shared === undefined) return accessOf(groups, settings)",
    tests: [decided]
  },
  {
    wrong: "a group of the settings gives what the user may not reach",
    file: access,
    find: "const [server, grant] of accessOf(groups, settings)",
    replace: "const [server, grant] of shared",
    tests: [decided]
  },
  {
    wrong: "a group of the settings without a server in reach is a target",
    file: access,
    find: "access.size === 0 && shared.size > 0 ? undefined : access",
    replace: "access",
    tests: [decided]
  },
  {
    wrong: "any server is a target",
    file: access,
    find: "return grant === undefined ? undefined : new Map([[target.name, grant]])",
    replace: 'return new Map([[target.name, grant ?? "all"]])',
    tests: [decided]
  },
  {
    wrong: "the target of one server gives all its tools",
    file: access,
    find: "new Map([[target.name, grant]])",
    replace: 'new Map([[target.name, "all" as const]])',
    tests: [decided]
  },
  {
    wrong: "a group's tools do not matter",
    file: grants,
    find: 'tools === undefined ? "all" : new Set(tools)',
    replace: 'tools === undefined || tools.length > 0 ? "all" : new Set(tools)',
    tests: [decided]
  },
  {
    wrong: "the tools of a second group replace those of the first",
    file: grants,
    find: "new Set([...one, ...other])",
    replace: "other",
    tests: [decided]
  },
  {
    wrong: "a grant admits every tool",
    file: grants,
    find: "return grant.has(tool) ||",
    replace: "return true || grant.has(tool) ||",
    tests: [decided]
  },
  {
    wrong: "a target that has gone admits everything",
    file: access,
    find: "accessTo(target, groups, settings) ?? nothing",
    replace: "accessTo(target, groups, settings) ?? accessOf([], settings)",
    tests: [decided]
  },
  {
    wrong: "the list shows tools that are not granted",
    file: catalog,
    find: '        if (kind === "tools" && !mayUse(access, server, key)) continue\n',
    replace: "",
    tests: [seen]
  },
  {
    wrong: "a tool that is not granted can be called",
    file: catalog,
    find: 'kind === "prompts" || mayUse(access, route.server, route.name)',
    replace: "true",
    tests: [seen]
  },
  {
    wrong: "a tool that is not granted can be called behind its server's endpoint",
    file: catalog,
    find: "server === undefined || !permitted(kind, access, { server, name })",
    replace: "server === undefined",
    tests: [targets]
  },
  {
    wrong: "a tool that is not granted can be called once it is known",
    file: catalog,
    find: "if (!permitted(kind, access, only)) return unknown(kind, name)\n",
    replace: "return Effect.succeed(only)",
    tests: [seen]
  },
  {
    wrong: "a tool that is not granted can be called when it is looked for",
    file: catalog,
    find: "found.filter((route) => permitted(kind, access, route))",
    replace: "found",
    tests: [seen]
  },
  {
    wrong: "a tool that is not granted can be called by its bare name",
    file: catalog,
    find: "result.success.has(name) && permitted(kind, access, route)",
    replace: "result.success.has(name) && route.name === name",
    tests: [seen]
  },
  {
    wrong: "a tool that is switched off is there",
    file: catalog,
    find: "      !isSwitchedOff(settings.current().mcpServers[server], server, tool, separator)\n",
    replace: "      true\n",
    tests: [seen]
  },
  {
    wrong: "a name that two servers have leads to the first",
    file: catalog,
    find: "if (bare.length !== 1) return yield* unknown(kind, name)",
    replace: "if (bare.length === 0) return yield* unknown(kind, name)",
    tests: [seen]
  },
  {
    wrong: "a URI names a server out of reach",
    file: resources,
    find: "    for (const server of access.keys()) {\n      const name = unqualifiedUri(",
    replace: '    for (const server of [...access.keys(), "notes"]) {\n      const name = unqualifiedUri(',
    tests: [seen]
  },
  {
    wrong: "resources are looked for at servers out of reach",
    file: resources,
    find: '[load("resources", access.keys(), context),',
    replace: '[load("resources", [...access.keys(), "notes"], context),',
    tests: [seen]
  },
  {
    wrong: "templates are looked for at servers out of reach",
    file: resources,
    find: 'load("templates", access.keys(), context)],',
    replace: 'load("templates", [...access.keys(), "notes"], context)],',
    tests: [seen]
  },
  {
    wrong: "completion goes to templates of servers out of reach",
    file: resources,
    find: 'const loaded = yield* load("templates", access.keys(), context)',
    replace: 'const loaded = yield* load("templates", [...access.keys(), "notes"], context)',
    tests: [seen]
  },
  {
    wrong: "a URI that a server out of reach gave still leads there",
    file: resources,
    find: "owner !== undefined && access.has(owner)",
    replace: "owner !== undefined",
    tests: [seen]
  },
  {
    wrong: "an entry is named that the user's groups keep from them",
    file: catalog,
    find: 'kind !== "tools" || mayUse(access, server, name))',
    replace: "true)",
    tests: [entries]
  },
  {
    wrong: "a session keeps the groups it was opened with",
    file: "src/actors/session/SessionAccess.ts",
    find: "decided.groups !== groups || ",
    replace: "",
    tests: [targets]
  },
  {
    wrong: "a name leads where it led before the user's groups changed",
    file: catalog,
    find: "latest !== undefined && latest.access === access",
    replace: "latest !== undefined",
    tests: [seen, targets]
  },
  {
    wrong: "a name leads where it led before the server's list changed",
    file: catalog,
    find: "forget: () => known.clear()",
    replace: "forget: () => {}",
    tests: [seen]
  },
  {
    wrong: "a call whose name was looked up is not looked at again when the user's groups have changed meanwhile",
    file: "src/actors/session/Carrier.ts",
    find: "if (inForce === admittedBy) return true",
    replace: "if (admittedBy !== undefined) return true",
    tests: ["test/http/mcp/sessions/ChangedGroups.test.ts"]
  },
  {
    wrong: "a session keeps the settings it was opened with",
    file: "src/actors/session/SessionAccess.ts",
    find: " || decided.settings !== current",
    replace: "",
    tests: [targets, "test/http/mcp/sessions/SettingsChange.test.ts"]
  },
  {
    wrong: "everybody reaches what the first user to be decided for reaches",
    file: "src/actors/session/SessionAccess.ts",
    find: "const { groups } = principal()\n",
    replace: 'const groups = ((globalThis as any).everybodysGroups ??= principal().groups) as Principal["groups"]\n',
    tests: [targets]
  },
  {
    wrong: "a target out of reach is not unknown",
    file: "src/http/mcp/McpEndpoint.ts",
    find: "resolveTarget(path.target, principal.groups, settings.current())",
    replace:
      '(resolveTarget(path.target, principal.groups, settings.current()) ?? { kind: "server", name: path.target, text: path.target })',
    tests: [targets]
  },
  {
    wrong: "a target is resolved without the user's groups",
    file: "src/http/mcp/McpEndpoint.ts",
    find: "resolveTarget(path.target, principal.groups, settings.current())",
    replace: "resolveTarget(path.target, [], settings.current())",
    tests: [targets]
  },
  {
    wrong: "another user's name in the address does not matter",
    file: "src/http/mcp/McpEndpoint.ts",
    find: "path.user !== undefined && path.user !== principal.username && path.user !== principal.userId",
    replace: "false",
    tests: ["test/http/admission/Keys.test.ts"]
  }
]
