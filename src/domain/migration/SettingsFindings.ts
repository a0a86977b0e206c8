/**
 * The settings file of an old hub: what this hub does with each part of it. Whatever the hub's own check says comes as
 * well, once for each place.
 */
import type { EnvironmentRecord } from "../config/Environment.ts"
import { checkSettings } from "../settings/SettingsCheck.ts"
import { findingsIn, type MigrationFinding } from "./MigrationFinding.ts"
import { serverEntryFindings } from "./ServerEntryFindings.ts"

const { fail, ok, warn } = findingsIn("settings")

type Members = Readonly<Record<string, unknown>>

const membersOf = (value: unknown): Members =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {}

const isSet = (value: unknown): boolean => typeof value === "string" && value !== ""

/** The switches of the old hub that opened or closed it for everybody. */
const routing = (system: Members): ReadonlyArray<MigrationFinding> => {
  const at = (name: string) => `systemConfig.routing.${name}`
  const set = membersOf(system["routing"])
  const found: Array<MigrationFinding> = []
  if (set["skipAuth"] === true) {
    found.push(
      fail({
        kind: "skipAuth",
        places: [at("skipAuth")],
        detail:
          "With the old hub everybody passed without a key; there is no such switch here, and every request needs one",
        remedy: "give each user a key (mcphub key create --user NAME), and remove skipAuth from the file"
      })
    )
  }
  if (set["enableBearerAuth"] === true && isSet(set["bearerAuthKey"])) {
    found.push(
      fail({
        kind: "bearerAuthKey",
        places: [at("bearerAuthKey")],
        detail: "One key for everybody belongs to nobody: clients that use it get 401 here",
        remedy:
          "make a user for those clients and give them that user's key (mcphub user add NAME --key), and remove enableBearerAuth and bearerAuthKey from the file"
      })
    )
  } else if (isSet(set["bearerAuthKey"])) {
    found.push(
      warn({
        kind: "bearerAuthKey",
        places: [at("bearerAuthKey")],
        detail: "It was switched off and stays without effect",
        remedy: "remove it from the file, where it is a secret for nothing"
      })
    )
  }
  if (set["enableGlobalRoute"] === false) {
    found.push(
      fail({
        kind: "enableGlobalRoute",
        places: [at("enableGlobalRoute")],
        detail: "The old hub refused /mcp; here /mcp serves whatever a user's groups admit",
        remedy: "give users groups that hold no more than they may reach, and remove it from the file"
      })
    )
  }
  if (set["enableGroupNameRoute"] !== undefined) {
    found.push(
      ok({
        kind: "enableGroupNameRoute",
        places: [at("enableGroupNameRoute")],
        detail: "Without effect: a group's name always is an address, /mcp/NAME"
      })
    )
  }
  return found
}

const systemFindings = (system: Members): ReadonlyArray<MigrationFinding> => {
  const found = [...routing(system)]
  const install = membersOf(system["install"])
  const mirrors: ReadonlyArray<readonly [name: string, variable: string]> = [
    ["pythonIndexUrl", "UV_DEFAULT_INDEX"],
    ["npmRegistry", "NPM_CONFIG_REGISTRY"]
  ]
  for (const [name, variable] of mirrors) {
    if (!isSet(install[name])) continue
    found.push(
      warn({
        kind: name,
        places: [`systemConfig.install.${name}`],
        detail: "Not read: servers that fetch packages when they start fetch them from the public registry",
        remedy: `name it at each such server: "env": { "${variable}": "…" }`
      })
    )
  }
  const smart = membersOf(system["smartRouting"])
  if (smart["enabled"] === true) {
    found.push(
      fail({
        kind: "smartRouting",
        places: ["systemConfig.smartRouting"],
        detail:
          "There is no smart routing here: the tools search_tools and call_tool are gone, clients see the servers' own tools",
        remedy:
          "let clients address a group (/mcp/GROUP) where there are too many tools, and remove smartRouting from the file"
      })
    )
  }
  if (isSet(smart["dbUrl"])) {
    found.push(
      warn({
        kind: "smartRoutingDatabase",
        places: ["systemConfig.smartRouting.dbUrl"],
        detail:
          "Without DB_URL the old hub kept its users in this database; this hub looks only at DATABASE_URL and DB_URL",
        remedy: "set DATABASE_URL to that database, and remove dbUrl from the file, where it holds a password"
      })
    )
  }
  if (isSet(smart["openaiApiKey"])) {
    found.push(
      warn({
        kind: "smartRoutingKey",
        places: ["systemConfig.smartRouting.openaiApiKey"],
        detail: "Not used",
        remedy: "remove it from the file, where it is a secret for nothing"
      })
    )
  }
  return found
}

/** Findings about a parsed settings document. `separator` stands between server and tool in exposed names. */
export const settingsFindings = (
  written: unknown,
  environment: EnvironmentRecord,
  separator: string
): ReadonlyArray<MigrationFinding> => {
  const document = membersOf(written)
  const servers = membersOf(document["mcpServers"])
  const own = [
    ok({ kind: "servers", detail: `${Object.keys(servers).length} servers in mcpServers` }),
    ...Object.entries(servers).flatMap(([name, entry]) => serverEntryFindings(name, membersOf(entry))),
    ...systemFindings(membersOf(document["systemConfig"]))
  ]
  if (Array.isArray(document["users"]) && document["users"].length > 0) {
    own.push(
      warn({
        kind: "usersInFile",
        places: ["users"],
        detail: "Not read, as in the old hub: users are those of the database",
        remedy:
          "add whoever is missing (mcphub user add NAME), and remove users from the file, where it holds passwords"
      })
    )
  }
  if (Array.isArray(document["groups"]) && document["groups"].length > 0) {
    own.push(
      warn({
        kind: "groupsInFile",
        places: ["groups"],
        detail:
          "The old hub did not use them; here each is an address, /mcp/NAME, for every user whose own groups admit its servers"
      })
    )
  }
  const said = new Set(own.flatMap((finding) => finding.places))
  const { problems, warnings } = checkSettings(written, environment, separator)
  const unsaid = ({ path }: { readonly path: string }): boolean => !said.has(path) && !said.has(`${path}.type`)
  return [
    ...own,
    ...problems.map(({ path, reason }) =>
      fail({ kind: "rejected", places: [path || "(file)"], detail: `The file is rejected: ${reason}` })
    ),
    ...warnings
      .filter(unsaid)
      .map(({ path, reason }) => warn({ kind: "warned", places: [path || "(file)"], detail: reason }))
  ]
}
