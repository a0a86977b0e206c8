/**
 * The rules for a settings document: its shape, the names of its servers and what they ask for.
 *
 * Every problem is reported, each with its path in the document and a reason; warnings stop nothing. Reasons never hold
 * a value of the document, which may be a secret.
 */
import { Result, Schema, SchemaIssue } from "effect"
import type { EnvironmentRecord } from "../config/Environment.ts"
import { signInProblems } from "../access/SignInSettings.ts"
import { approvals, understood } from "./Dialects.ts"
import { checkGroups } from "./GroupCheck.ts"
import { checkServer, checkServerNames } from "./ServerCheck.ts"
import { ServerConfig } from "../servers/ServerConfig.ts"
import { SettingsValue } from "../servers/Settings.ts"
import { tooDeep } from "./SettingsDepth.ts"
import { pathText, type SettingsFinding } from "./SettingsFinding.ts"

export interface SettingsReport {
  /** The document, unknown keys included; undefined when there are problems. */
  readonly value: SettingsValue | undefined
  readonly problems: ReadonlyArray<SettingsFinding>
  readonly warnings: ReadonlyArray<SettingsFinding>
}

/** Keys of the old hub's and of other programs' files that mean nothing here: kept without a warning. */
const silentServerKeys: ReadonlySet<string> = new Set(["name", "description", "$schema", ...approvals])

const unknownKey = "This key has no meaning here; it is kept as it is"

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => (issue._tag === "UnexpectedKey" ? unknownKey : SchemaIssue.defaultLeafHook(issue))
})

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const decodeSettings = Schema.decodeUnknownResult(SettingsValue, { errors: "all", onExcessProperty: "error" })
const isServer = Schema.is(ServerConfig)

const checkShape = (document: unknown): ReadonlyArray<SettingsFinding & { readonly isUnknownKey: boolean }> => {
  const decoded = decodeSettings(document)
  if (Result.isSuccess(decoded)) return []
  return format(decoded.failure.issue).issues.map(({ path, message }) => {
    const keys = (path ?? []).map((part) => (typeof part === "object" ? part.key : part))
    return { path: pathText(keys), reason: message, isUnknownKey: message === unknownKey }
  })
}

const lastKey = (path: string): string => path.slice(path.lastIndexOf(".") + 1)

/**
 * The servers in a record without a prototype, so that a name like `constructor` finds only what the document holds.
 * The entries keep the keys the hub does not know.
 */
const asValue = (document: Record<string, unknown>): SettingsValue =>
  ({ ...document, mcpServers: Object.assign(Object.create(null), document["mcpServers"]) }) as SettingsValue

/** Checks a parsed document. `separator` stands between server and tool in exposed names. */
export const checkSettings = (written: unknown, environment: EnvironmentRecord, separator: string): SettingsReport => {
  const deep = tooDeep(written)
  if (deep !== undefined) return { value: undefined, problems: [deep], warnings: [] }
  const { document, problems: foreign } = understood(written)
  const shape = checkShape(document)
  const problems: Array<SettingsFinding> = [...foreign]
  const warnings: Array<SettingsFinding> = []
  for (const { path, reason, isUnknownKey } of shape) {
    if (!isUnknownKey) problems.push({ path, reason })
    else if (!silentServerKeys.has(lastKey(path))) warnings.push({ path, reason })
  }
  const servers = isRecord(document) && isRecord(document["mcpServers"]) ? document["mcpServers"] : {}
  const groups = isRecord(document) && Array.isArray(document["groups"]) ? document["groups"] : []
  const system = isRecord(document) && isRecord(document["systemConfig"]) ? document["systemConfig"] : {}
  for (const { path, reason } of signInProblems(system["signIn"])) {
    problems.push({ path: pathText(["systemConfig", "signIn", ...path]), reason })
  }
  const ofGroups = checkGroups(groups, new Set(Object.keys(servers)))
  problems.push(...ofGroups.problems)
  warnings.push(...ofGroups.warnings)
  for (const [name, config] of Object.entries(servers)) {
    // The shape check above has already reported an entry of the wrong shape.
    const found = isServer(config) ? checkServer(name, config, environment) : { problems: [], warnings: [] }
    const at = (finding: SettingsFinding): SettingsFinding => ({
      path: pathText(["mcpServers", name]) + (finding.path === "" ? "" : `.${finding.path}`),
      reason: finding.reason
    })
    problems.push(...found.problems.map(at))
    warnings.push(...found.warnings.map(at))
  }
  warnings.push(...checkServerNames(Object.keys(servers), separator))
  return { value: problems.length === 0 && isRecord(document) ? asValue(document) : undefined, problems, warnings }
}
