/**
 * A `server.json` of the MCP registry as an entry of the settings. A remote address is taken before a package, since it
 * starts nothing on the hub's machine; what the publisher calls secret becomes a token of each user.
 *
 * Source: the registry's server.json format, https://github.com/modelcontextprotocol/registry (2025-12-11).
 */
import { isJsonObject } from "../protocol/JsonObjects.ts"
import type { JsonObject } from "../protocol/JsonRpc.ts"
import type { SettingsFinding } from "./SettingsFinding.ts"

interface Read {
  readonly servers: Readonly<Record<string, JsonObject>>
  readonly problems: ReadonlyArray<SettingsFinding>
}

const list = (value: unknown): ReadonlyArray<JsonObject> => (Array.isArray(value) ? value.filter(isJsonObject) : [])
const textOf = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

/** The part of `com.example/weather` that can be the name of a server. */
const nameOf = (name: string): string =>
  name
    .slice(name.lastIndexOf("/") + 1)
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, 64)

const variableOf = (name: string): string => name.replaceAll(/[^A-Za-z0-9]+/g, "_").toUpperCase()

/** The value of an input: given, each user's own, the publisher's default, or a variable of the hub. */
const valueOf = (input: JsonObject, name: string): string | undefined => {
  const given = textOf(input["value"])
  const variables = isJsonObject(input["variables"]) ? input["variables"] : {}
  if (given !== undefined) {
    return given.replaceAll(/\{([A-Za-z0-9_-]+)\}/g, (text, variable: string) => {
      const described = variables[variable]
      return isJsonObject(described) ? (valueOf(described, variable) ?? "") : text
    })
  }
  if (input["isSecret"] === true) return `\${USER_${variableOf(name)}}`
  const standard = textOf(input["default"])
  if (standard !== undefined) return `\${${variableOf(name)}:-${standard}}`
  return input["isRequired"] === true ? `\${${variableOf(name)}}` : undefined
}

const named = (inputs: unknown): Record<string, string> => {
  const found: Record<string, string> = {}
  for (const input of list(inputs)) {
    const name = textOf(input["name"])
    const value = name === undefined ? undefined : valueOf(input, name)
    if (name !== undefined && value !== undefined) found[name] = value
  }
  return found
}

const argumentsOf = (inputs: unknown): ReadonlyArray<string> =>
  list(inputs).flatMap((input) => {
    const name = textOf(input["name"])
    const value = valueOf(input, name?.replace(/^-+/, "") ?? textOf(input["valueHint"]) ?? "VALUE")
    if (input["type"] !== "named" || name === undefined) return value === undefined ? [] : [value]
    if (value !== undefined) return [name, value]
    return input["isRequired"] === true ? [name] : []
  })

/** How a package of a kind is started: the program, and the arguments that name the package. */
const starts: Readonly<Record<string, (identifier: string, version: string | undefined) => ReadonlyArray<string>>> = {
  npm: (identifier, version) => ["npx", "-y", version === undefined ? identifier : `${identifier}@${version}`],
  pypi: (identifier, version) => ["uvx", version === undefined ? identifier : `${identifier}==${version}`],
  oci: (identifier, version) => [
    "docker",
    "run",
    "-i",
    "--rm",
    version === undefined || identifier.includes("@") ? identifier : `${identifier}:${version}`
  ],
  nuget: (identifier, version) => ["dnx", "-y", version === undefined ? identifier : `${identifier}@${version}`]
}

const fromRemote = (remote: JsonObject): JsonObject => {
  const headers = named(remote["headers"])
  return {
    type: remote["type"] === "sse" ? "sse" : "streamable-http",
    url: remote["url"],
    ...(Object.keys(headers).length === 0 ? {} : { headers })
  }
}

const fromPackage = (described: JsonObject): JsonObject | undefined => {
  const start = starts[String(described["registryType"] ?? described["registry_type"])]
  const identifier = textOf(described["identifier"])
  const transport = described["transport"]
  if (start === undefined || identifier === undefined) return undefined
  if (isJsonObject(transport) && transport["type"] !== "stdio") return undefined
  const [standard, ...own] = start(identifier, textOf(described["version"]))
  const env = named(described["environmentVariables"])
  const isDocker = standard === "docker"
  const passed = isDocker ? Object.keys(env).flatMap((name) => ["-e", name]) : []
  const before = argumentsOf(described["runtimeArguments"])
  const given = isDocker ? [...own.slice(0, -1), ...passed, ...before, own.at(-1)!] : [...before, ...own]
  return {
    command: textOf(described["runtimeHint"]) ?? standard,
    args: [...given, ...argumentsOf(described["packageArguments"])],
    ...(Object.keys(env).length === 0 ? {} : { env })
  }
}

export const read = (document: JsonObject): Read => {
  // What the registry's API answers has the description below `server`.
  const server = isJsonObject(document["server"]) ? document["server"] : document
  const full = textOf(server["name"])
  const problem = (path: string, reason: string): Read => ({ servers: {}, problems: [{ path, reason }] })
  if (full === undefined) return problem("name", "The file has no name; it is not a server.json of the MCP registry")
  const remotes = list(server["remotes"])
  const remote = remotes.find((one) => one["type"] === "streamable-http") ?? remotes[0]
  const entry =
    remote === undefined
      ? list(server["packages"]).reduce<JsonObject | undefined>((found, one) => found ?? fromPackage(one), undefined)
      : fromRemote(remote)
  if (entry === undefined) {
    return problem("packages", "The server has no address, and no package that npx, uvx, dnx or docker can start")
  }
  return { servers: { [nameOf(full)]: entry }, problems: [] }
}
