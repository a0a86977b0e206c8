/**
 * `${…}` templates of the settings file: parsed once, bound to the environment at load, rendered per user.
 *
 * `${USER_X}` is the user's own service token `X` and never the process environment; `${MCPHUB_USER_ID}`,
 * `${MCPHUB_USERNAME}` and `${MCPHUB_USER_DIR}` are the user's context. `${X}` and `${X:-default}` read the environment,
 * except the hub's own secrets, and so does `${env:X}`, as other programs write it. What else other programs expand is a
 * problem and never sent as text. `$X` without braces is ordinary text. Expanded text is never expanded again, and
 * parsing takes linear time whatever the input.
 */
import { type EnvironmentRecord, hubSecretNames } from "../config/Environment.ts"

export interface Reference {
  /** `user`: a token of the user's; `context`: what the hub itself says of the user, and never the environment. */
  readonly scope: "user" | "context" | "environment"
  /** The name, without the `USER_` of a user's token. */
  readonly name: string
  /** The text after `:-`, used when the variable is unset or empty. */
  readonly fallback: string | undefined
}

/** Literal text and references, in order. */
export type Template = ReadonlyArray<string | Reference>

/** A template with its environment references resolved: only text and what is the user's is left. */
export type BoundTemplate = ReadonlyArray<string | Reference>

export interface BindProblem {
  readonly kind: "unset" | "secret" | "malformed" | "foreign" | "default"
  /** The variable, empty for what is malformed or foreign. */
  readonly name: string
}

/** Id and name of the user, and a folder that one server has for this user alone. */
export const contextNames = {
  id: "MCPHUB_USER_ID",
  name: "MCPHUB_USERNAME",
  folder: "MCPHUB_USER_DIR"
} as const

const isContextName = (name: string): boolean => (Object.values(contextNames) as ReadonlyArray<string>).includes(name)

const userPrefix = "USER_"
/** Beginnings of references that no text may hold once it is expanded. */
const ofUser = /\$\{(?:USER_|MCPHUB_USER)/

/** Placeholders of other programs: VS Code's, Cursor's and opencode's. A shell's `${X:0:3}` is none of them. */
const foreign = /\$\{[A-Za-z]{1,40}:[A-Za-z.~/]|\{(?:env|file):/
/** Names that VS Code and Cursor give a value; the hub has no workspace. */
export const foreignNames: ReadonlySet<string> = new Set([
  "workspaceFolder",
  "workspaceFolderBasename",
  "userHome",
  "pathSeparator"
])

/** Reads a text as a template. Anything that is not exactly a reference stays literal text. */
export const parseTemplate = (text: string): Template => {
  const end = text.lastIndexOf("}") + 1
  if (end === 0 || !text.includes("${")) return text === "" ? [] : [text]
  const parts: Array<string | Reference> = []
  // Matching stops at the last brace: otherwise a `:-` that never closes would be scanned anew from every `${`.
  const scanned = text.slice(0, end)
  const pattern = /\$\{(env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g
  let position = 0
  for (let match = pattern.exec(scanned); match !== null; match = pattern.exec(scanned)) {
    if (match.index > position) parts.push(text.slice(position, match.index))
    const name = match[2]!
    const isOwn = match[1] === undefined
    const isUser = isOwn && name.startsWith(userPrefix) && name.length > userPrefix.length
    parts.push({
      scope: isUser ? "user" : isOwn && isContextName(name) ? "context" : "environment",
      name: isUser ? name.slice(userPrefix.length) : name,
      fallback: match[3]
    })
    position = pattern.lastIndex
  }
  if (position < text.length) parts.push(text.slice(position))
  return parts
}

/** The names of the user's tokens a template refers to. */
export const userTokens = (template: Template): ReadonlyArray<string> =>
  template.flatMap((part) => (typeof part !== "string" && part.scope === "user" ? [part.name] : []))

/** The names of the user's context that a template refers to. */
export const contextReferences = (template: Template): ReadonlyArray<string> =>
  template.flatMap((part) => (typeof part !== "string" && part.scope === "context" ? [part.name] : []))

/** Whether the template reads differently for each user. */
export const isPerUser = (template: Template): boolean =>
  template.some((part) => typeof part !== "string" && part.scope !== "environment")

/**
 * Replaces the environment's references with their values. Text that still reads as one of the user's afterwards (a misspelt
 * reference, a nested one, or one that came out of a variable) is a problem: the hub must never send it as text.
 */
export const bindTemplate = (
  template: Template,
  environment: EnvironmentRecord
): { readonly template: BoundTemplate; readonly problems: ReadonlyArray<BindProblem> } => {
  const bound: Array<string | Reference> = []
  const problems: Array<BindProblem> = []
  const append = (text: string): void => {
    const last = bound.length - 1
    const before = bound[last]
    if (typeof before === "string") bound[last] = before + text
    else bound.push(text)
  }
  for (const part of template) {
    if (typeof part === "string") append(part)
    else if (part.fallback?.includes("${") === true) problems.push({ kind: "malformed", name: "" })
    else if (part.scope === "user") bound.push(part)
    else if (part.scope === "context") {
      if (part.fallback === undefined) bound.push(part)
      else problems.push({ kind: "default", name: part.name })
    } else if (foreignNames.has(part.name) && environment[part.name] === undefined) {
      problems.push({ kind: "foreign", name: "" })
    } else if (hubSecretNames.has(part.name)) problems.push({ kind: "secret", name: part.name })
    else {
      const value = environment[part.name]
      const text = part.fallback !== undefined && (value === undefined || value === "") ? part.fallback : value
      if (text === undefined) problems.push({ kind: "unset", name: part.name })
      else append(text)
    }
  }
  if (bound.some((part) => typeof part === "string" && ofUser.test(part))) {
    problems.push({ kind: "malformed", name: "" })
  }
  // What came out of a variable is not the settings' own text, but nobody means to send such a thing either.
  if (bound.some((part) => typeof part === "string" && foreign.test(part))) problems.push({ kind: "foreign", name: "" })
  return { template: bound, problems }
}

/** The problem and its remedy in words, without any value. */
export const bindProblemText = (problem: BindProblem): string => {
  switch (problem.kind) {
    case "unset":
      return `The environment variable ${problem.name} is not set; set it, or write \${${problem.name}:-default}`
    case "default":
      return `\${${problem.name}} has a value for every user; write it without a default`
    case "secret":
      return `\${${problem.name}} is a secret of the hub itself and is never handed to a server; use another variable`
    case "foreign":
      return "This is a placeholder of another program, which the hub cannot fill: write ${NAME} for a variable of the hub's environment, ${USER_NAME} for what each user enters as a token, or a full path"
    case "malformed":
      return "A ${…} reference is misspelt or nested; write ${USER_NAME}, ${NAME} or ${NAME:-default} with letters, digits and _"
  }
}

export interface MissingValue {
  readonly missing: string
  readonly scope: Reference["scope"]
}

/**
 * The text for one user. `encode` applies to the user's values only, for places with a syntax of their own. `valueOf`
 * gives what a reference stands for; an empty value counts as not set.
 */
export const renderTemplate = (
  template: BoundTemplate,
  valueOf: (reference: Reference) => string | undefined,
  encode: (value: string, reference: Reference) => string = (value) => value
): string | MissingValue => {
  let text = ""
  for (const part of template) {
    if (typeof part === "string") {
      text += part
      continue
    }
    const value = valueOf(part) || part.fallback
    if (value === undefined) return { missing: part.name, scope: part.scope }
    text += encode(value, part)
  }
  return text
}
