/**
 * The rules for one server of the settings that a schema cannot express: required fields, allowed names, and the user
 * credentials that the server may get.
 */
import { type EnvironmentRecord, hubSecretNames } from "../config/Environment.ts"
import {
  bindProblemText,
  bindTemplate,
  contextNames,
  contextReferences,
  isPerUser,
  parseTemplate,
  type Template,
  userTokens
} from "../servers/Expansion.ts"
import { type ServerConfig, serverType } from "../servers/ServerConfig.ts"
import { type TemplateField, templateFields } from "../servers/ServerTemplates.ts"
import { fittingServer } from "../protocol/ExposedNames.ts"
import { exposesTokens, serverTokenName } from "../context/TokenHeaders.ts"
import { isHeaderValue, reservedHeaders } from "../context/UserContext.ts"
import { filesForAll } from "./FileKeepers.ts"
import type { SettingsFinding } from "./SettingsFinding.ts"

interface Findings {
  readonly problems: Array<SettingsFinding>
  readonly warnings: Array<SettingsFinding>
}

/** Legal in a header, in a path segment of the hub's urls, and in an exposed tool name. */
const serverName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Checks one entry; paths are below the entry. Templates of a disabled server only warn. */
export const checkServer = (name: string, config: ServerConfig, environment: EnvironmentRecord): Findings => {
  const findings: Findings = { problems: [], warnings: [] }
  const problem = (path: string, reason: string): void => void findings.problems.push({ path, reason })
  const warning = (path: string, reason: string): void => void findings.warnings.push({ path, reason })
  if (!serverName.test(name) || name === "__proto__") {
    problem(
      "",
      "A server's name is 1 to 64 letters, digits and . _ - and starts with a letter, a digit or _; rename it"
    )
  }
  checkTransport(config, problem, warning)
  checkNumbers(config, problem)
  checkTokens(config, problem)
  for (const header of Object.keys(config.headers ?? {})) {
    const path = `headers.${header}`
    if (!headerName.test(header)) problem(path, "This is not a legal header name (RFC 9110 §5.1)")
    else if (reservedHeaders.has(header.toLowerCase())) {
      warning(path, "The hub sends this header itself; the configured value is not sent")
    }
  }
  for (const key of Object.keys(config.env ?? {})) {
    if (key === "" || /[=\0]/.test(key)) problem(`env.${key}`, "A variable's name is not empty and holds no = or NUL")
  }
  const keeps = config.enabled === false ? undefined : filesForAll(config)
  if (keeps !== undefined) warning("", keeps)
  const report = config.enabled === false ? warning : problem
  for (const field of templateFields(config)) checkField(field, environment, problem, report, warning)
  return findings
}

type Report = (path: string, reason: string) => void

const notConnected = "This version does not connect to servers of this type; its users are told that it is missing"

const checkTransport = (config: ServerConfig, problem: Report, warning: Report): void => {
  const { command, openapi, url } = config
  if (config.type === undefined && !url && !command && openapi === undefined) {
    return problem("", "The server has neither url nor command nor openapi; give one of them")
  }
  const transport = serverType(config)
  switch (transport) {
    case "stdio":
      if (!command) problem("command", "A stdio server needs a command")
      if (config.headers !== undefined) warning("headers", "A stdio server has no headers; use env")
      if (config.cwd === "") problem("cwd", "Name a folder, or leave cwd out")
      if (config.enabled !== false && exposesTokens(config)) {
        warning(
          "",
          'Its processes hold users\' tokens, which other stdio servers may be able to read; start it in a sandbox and add "sandboxed": true'
        )
      }
      break
    case "sse":
    case "streamable-http":
      if (transport === "sse" && config.enabled !== false) {
        warning("type", `${notConnected}; if the server offers it, write "streamable-http" and the address for that`)
      }
      if (!url) problem("url", `A server of type ${transport} needs a url`)
      break
    case "openapi": {
      if (config.enabled !== false) warning("type", notConnected)
      const spec = openapi?.["url"]
      const schema = openapi?.["schema"]
      const isGiven = (typeof spec === "string" && spec !== "") || (typeof schema === "object" && schema !== null)
      if (!isGiven) problem("openapi", "An openapi server needs openapi.url or openapi.schema")
      break
    }
    default:
      transport satisfies never
  }
}

const checkNumbers = (config: ServerConfig, problem: Report): void => {
  const numbers: ReadonlyArray<readonly [string, number | undefined]> = [
    ["options.timeout", config.options?.timeout],
    ["options.initTimeout", config.options?.initTimeout],
    ["options.maxTotalTimeout", config.options?.maxTotalTimeout],
    ["keepAliveInterval", config.keepAliveInterval]
  ]
  for (const [path, value] of numbers) {
    if (value !== undefined && !(value > 0 && value < 2 ** 31)) {
      problem(path, "This is a number of milliseconds, more than 0 and less than 2147483648")
    }
  }
  const most = config.options?.maxInflight
  if (most !== undefined && !(Number.isSafeInteger(most) && most >= 1)) {
    problem("options.maxInflight", "This is a number of requests, a whole number from 1 on")
  }
}

/** A shared connection serves all users, so nothing of one user may be part of it. */
const checkTokens = (config: ServerConfig, problem: Report): void => {
  config.contextTokens?.forEach((name, index) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      problem(`contextTokens[${index}]`, "A token's name is letters, digits and _, e.g. GITHUB_TOKEN")
    } else if (hubSecretNames.has(name))
      problem(`contextTokens[${index}]`, "This is the name of a secret of the hub itself")
  })
  if (config.isolation !== "shared") return
  const reason =
    'A server with isolation "shared" serves all users and can have no user\'s token, name or folder; use "user" or "session"'
  if (config.context === "full") problem("context", reason)
  if (config.contextTokens !== undefined && config.contextTokens.length > 0) problem("contextTokens", reason)
  for (const { path, text } of templateFields(config)) {
    if (isPerUser(parseTemplate(text))) problem(path, reason)
  }
}

const checkField = (
  { path, place, text }: TemplateField,
  environment: EnvironmentRecord,
  problem: Report,
  report: Report,
  warning: Report
): void => {
  const parsed = parseTemplate(text)
  const { problems, template } = bindTemplate(parsed, environment)
  for (const found of problems) (found.kind === "unset" ? report : problem)(path, bindProblemText(found))
  if (problems.length > 0) return
  const tokens = userTokens(parsed)
  if (place === "command" && isPerUser(parsed)) {
    problem(path, "A user's token, name or folder cannot choose the program to run; put it into env")
  }
  const context = contextReferences(parsed)
  if (context.includes(contextNames.folder) && (place === "url" || place === "headers" || place === "openapi")) {
    problem(path, `\${${contextNames.folder}} is a folder on the hub's machine; only a stdio server can use it`)
  }
  if (place === "cwd" && context.includes(contextNames.name)) {
    problem(path, `A name may be given to another user later; write \${${contextNames.folder}} for a user's own folder`)
  }
  if (place === "cwd" && tokens.length > 0) problem(path, "A user's token cannot choose a folder; put it into env")
  if (place === "args" && tokens.length > 0) {
    warning(path, "Arguments are visible to every process of the machine; put the user's token into env")
  }
  if (place === "url" && !isUsableUrl(template)) {
    report(path, "This is not an http or https URL whose host is fixed: a user's token may stand after the host only")
  }
  if (place === "headers" && !isHeaderValue(literal(template, "x"))) {
    report(path, "A header's value is printable ASCII without line breaks or white space at its ends")
  }
}

/** The text with a harmless filler in place of the user's tokens. */
const literal = (template: Template, filler: string): string =>
  template.map((part) => (typeof part === "string" ? part : filler)).join("")

const isUsableUrl = (template: Template): boolean => {
  const first = URL.parse(literal(template, "x"))
  const second = URL.parse(literal(template, "y"))
  if (first === null || second === null) return false
  const isHttp = first.protocol === "http:" || first.protocol === "https:"
  // If a token reaches into scheme, user, host or port, two different tokens make two different origins.
  return (
    isHttp && first.origin === second.origin && first.username === second.username && first.password === second.password
  )
}

/** As long as names of tools commonly are. */
const usualTool = "x".repeat(24)

/** Warns of names that are easily confused, or that models do not take. Only a warning, because calls are routed by a map and never by the text. */
export const checkServerNames = (names: ReadonlyArray<string>, separator: string): ReadonlyArray<SettingsFinding> => {
  const warnings: Array<SettingsFinding> = []
  const byToken = new Map<string, string>()
  const known = new Set(names)
  for (const name of names) {
    const path = `mcpServers.${name}`
    const fitting = fittingServer(name, [usualTool], separator)
    if (fitting !== name) {
      const offer = fitting === undefined ? "set NAME_SEPARATOR to - or _" : `rename it to "${fitting}"`
      const reason = `Models behind many clients take names of at most 64 letters, digits, _ and - only, and many of its tools would have others; ${offer}`
      warnings.push({ path, reason })
    }
    const token = serverTokenName(name)
    const twin = byToken.get(token)
    if (twin === undefined) byToken.set(token, name)
    else warnings.push({ path, reason: `The servers ${twin} and ${name} both receive the token ${token}` })
    for (let end = name.indexOf(separator); separator !== "" && end > 0; end = name.indexOf(separator, end + 1)) {
      const shorter = name.slice(0, end)
      if (!known.has(shorter)) continue
      warnings.push({
        path,
        reason: `A tool of ${shorter} and one of ${name} can have the same exposed name; rename one`
      })
    }
  }
  return warnings
}
