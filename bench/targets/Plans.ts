/** Everything the bench can measure: the server itself, proxies, the least a hub can be, and the hub. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { runtimeCommand } from "../../src/cli/sample/RuntimeCommand.ts"
import { contexts } from "../load/HeaderBytes.ts"
import { nginx } from "./Nginx.ts"
import { provisionOf } from "./Provision.ts"
import type { Place, Plan, Start } from "./Target.ts"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** A program of a checkout on the runtime the bench runs on. */
const program = (checkout: string, path: string, args: ReadonlyArray<string>): Start => {
  const { args: own, command } = runtimeCommand(new URL(path, `file://${checkout}/`))
  return { command, args: [...own, ...args] }
}

const gateway = (file: string) => (place: Place) =>
  program(root, `bench/targets/${file}`, [String(place.port), place.upstream])

/** The hub of a checkout as `mcphub start` runs it: on its embedded database, or on the empty one of a server. */
export const hubOf = (name: string, checkout: string, databaseUrl?: string): Plan => ({
  name,
  about: `mcphub start: ${databaseUrl === undefined ? "embedded database" : "PostgreSQL"}, log lines and audit rows of all requests`,
  start: ({ folder, port, upstream, users }) => {
    const settings = join(folder, "mcp_settings.json")
    const provision = join(folder, "users.json")
    writeFileSync(settings, JSON.stringify({ mcpServers: { bench: { url: `${upstream}/mcp` } } }))
    writeFileSync(provision, JSON.stringify(provisionOf(users)))
    const args = ["--data", join(folder, "data"), "--port", String(port), "--settings", settings]
    const start = program(checkout, "src/main.ts", ["start", ...args, "--provision", provision])
    return databaseUrl === undefined ? start : { ...start, env: { DATABASE_URL: databaseUrl } }
  }
})

/** The hub as layers of another program, with what keeps users apart and counts their requests, and without it. */
const composed = (mode: "on" | "off", about: string): Plan => ({
  name: `isolation-${mode}`,
  about,
  start: ({ folder, port, upstream }) =>
    program(root, "bench/targets/composed-hub.ts", [mode, String(port), upstream, folder])
})

const ofNoUsers = ["isolation", "idle", "churn"]

/** `databaseUrl`: an empty database, for the hub on PostgreSQL beside the others. */
export const plans = (against: string | undefined, databaseUrl: string | undefined): ReadonlyArray<Plan> => [
  { name: "direct", about: "the load client on the server itself", skip: [...ofNoUsers, "recovery"] },
  { name: "nginx", about: "nginx as a plain proxy", skip: ofNoUsers, start: nginx },
  { name: "node", about: "a plain proxy on node:http", skip: ofNoUsers, start: gateway("bare-node.ts") },
  {
    name: "effect-raw",
    about: "the least a hub does: key, session map, identity headers, deadline; Effect as supervisor only",
    start: gateway("effect-raw.ts")
  },
  {
    name: "sdk",
    about: "a gateway on the MCP SDK: its server and client for each session",
    skip: ["progress", "stateless"],
    start: gateway("sdk-gateway.ts")
  },
  hubOf("hub", root),
  ...(databaseUrl === undefined ? [] : [hubOf("hub-postgres", root, databaseUrl)]),
  ...(against === undefined ? [] : [hubOf("hub-before", against)])
]

export const isolationPlans: ReadonlyArray<Plan> = [
  composed("on", "the hub as it is: context ids, isolation session, tracker, log lines, audit rows"),
  composed("off", "one connection for all users, no context, a tracker that only runs, no log lines, no audit rows")
]

/** The hub with one server for each level of context, and a user who has what the highest one tells. */
export const contextsPlan: Plan = {
  name: "hub-contexts",
  about: "a server for each level of context; context signed",
  start: ({ folder, port, upstream, users }) => {
    const settings = join(folder, "mcp_settings.json")
    const provision = join(folder, "users.json")
    const contextTokens = ["GITHUB_TOKEN", "ATLASSIAN_TOKEN"]
    const url = `${upstream}/mcp`
    const servers = contexts.map((context) => {
      const entry = { url, context, ...(context === "full" ? { contextTokens } : {}) }
      return [context, entry] as const
    })
    writeFileSync(settings, JSON.stringify({ mcpServers: Object.fromEntries(servers) }))
    const [first] = provisionOf(users.slice(0, 1)).users
    const serviceTokens = Object.fromEntries(contextTokens.map((name) => [name, "t".repeat(40)]))
    const groups = [{ name: "engineering", servers: [...contexts] }]
    writeFileSync(provision, JSON.stringify({ users: [{ ...first, serviceTokens, groups }] }))
    const args = ["--data", join(folder, "data"), "--port", String(port), "--settings", settings]
    const start = program(root, "src/main.ts", ["start", ...args, "--provision", provision])
    return { ...start, env: { CONTEXT_SIGNING_KEY: "k".repeat(32) } }
  }
}
