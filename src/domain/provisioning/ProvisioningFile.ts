/**
 * The file of `mcphub provision FILE`: its schema, and the rules a schema cannot express (texts that fit, nothing named
 * twice).
 *
 * Unknown fields are rejected, since a misspelt `groups` would otherwise open every server to its user. No problem
 * repeats the value of a key or token.
 */
import { Effect, Redacted, Result, Schema, SchemaIssue } from "effect"
import { keyDigest } from "../identity/HubKey.ts"
import {
  idProblem,
  keyTextProblem,
  labelProblem,
  serversProblem,
  tokenProblem,
  usernameProblem
} from "../identity/IdentityRules.ts"
import { ProvisioningRefused } from "./Provisioning.ts"

const Secret = Schema.RedactedFromValue(Schema.String)

export const ProvisioningUser = Schema.Struct({
  username: Schema.String,
  /** A uuid to keep. */
  id: Schema.optional(Schema.String),
  admin: Schema.optional(Schema.Boolean),
  groups: Schema.optional(
    Schema.Array(
      Schema.Struct({
        name: Schema.String,
        servers: Schema.Array(Schema.String),
        tools: Schema.optional(Schema.Array(Schema.String))
      })
    )
  ),
  keys: Schema.optional(
    Schema.Array(
      Schema.Struct({
        name: Schema.optional(Schema.String),
        key: Schema.optional(Secret),
        /** ISO 8601 text, or milliseconds since the epoch. */
        expiresAt: Schema.optional(Schema.Union([Schema.String, Schema.Number]))
      })
    )
  ),
  serviceTokens: Schema.optional(Schema.Record(Schema.String, Secret))
})
export type ProvisioningUser = typeof ProvisioningUser.Type

export const ProvisioningFile = Schema.Struct({
  $schema: Schema.optional(Schema.String),
  users: Schema.Array(ProvisioningUser)
})

export interface Problem {
  readonly path: string
  readonly reason: string
}

const pathText = (path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === "number" ? `${text}[${part}]` : text === "" ? String(part) : `${text}.${String(part)}`,
    ""
  )

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const schemaProblems = (issue: SchemaIssue.Issue): ReadonlyArray<Problem> =>
  formatIssues(issue).issues.map(({ message, path = [] }) => {
    const parts = path.map((part) => (typeof part === "object" ? part.key : part))
    const secret = parts.some((part) => part === "serviceTokens" || part === "key")
    return { path: pathText(parts) || "(the whole file)", reason: secret ? "must be a text" : message }
  })

/** Milliseconds since the epoch of an `expiresAt`; NaN when the text is no date. */
export const expiryOf = (expiresAt: string | number): number =>
  typeof expiresAt === "number" ? expiresAt : Date.parse(expiresAt)

const userProblems = (users: ReadonlyArray<ProvisioningUser>): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const seen = new Map<string, string>()
  const report = (path: string, reason: string | undefined) => {
    if (reason !== undefined) problems.push({ path, reason })
  }
  /** `what` says the kind of name. The name itself is not shown, since it may be a key. */
  const once = (path: string, what: string, name: string) => {
    const first = seen.get(`${what} ${name}`)
    if (first === undefined) seen.set(`${what} ${name}`, path)
    else report(path, `is the same ${what} as ${first}`)
  }
  users.forEach((user, u) => {
    const at = `users[${u}]`
    report(`${at}.username`, usernameProblem(user.username))
    once(`${at}.username`, "user name", user.username)
    if (user.id !== undefined) {
      report(`${at}.id`, idProblem(user.id))
      once(`${at}.id`, "user id", user.id.toLowerCase())
    }
    user.groups?.forEach((group, g) => {
      report(`${at}.groups[${g}].name`, labelProblem(group.name))
      once(`${at}.groups[${g}].name`, `group of ${at}`, group.name)
      report(`${at}.groups[${g}].servers`, serversProblem(group.servers))
    })
    user.keys?.forEach((key, k) => {
      const path = `${at}.keys[${k}]`
      if (key.name !== undefined) report(`${path}.name`, labelProblem(key.name))
      if (key.key === undefined) once(`${path}.name`, `key name of ${at}`, key.name ?? "")
      else {
        report(`${path}.key`, keyTextProblem(key.key))
        once(`${path}.key`, "key", keyDigest(Redacted.value(key.key)))
      }
      if (key.expiresAt !== undefined && !Number.isFinite(expiryOf(key.expiresAt))) {
        report(`${path}.expiresAt`, "is no time; write it as 2026-12-31T00:00:00Z")
      }
    })
    for (const [name, value] of Object.entries(user.serviceTokens ?? {})) {
      report(`${at}.serviceTokens`, tokenProblem(name, value))
    }
  })
  return problems
}

/** The refusal that lists problems, the first few in its message. */
export const refuse = (file: string, problems: ReadonlyArray<Problem>): ProvisioningRefused => {
  const shown = problems.slice(0, 5).map(({ path, reason }) => `${path}: ${reason}`)
  const more = problems.length > shown.length ? [`and ${problems.length - shown.length} more`] : []
  return new ProvisioningRefused({
    message: `${file} was not applied, nothing has changed; ${[...shown, ...more].join("; ")}`,
    problems
  })
}

/** The users of a parsed file, or every problem in it. */
export const readFile = (
  input: unknown,
  file: string
): Effect.Effect<ReadonlyArray<ProvisioningUser>, ProvisioningRefused> =>
  Effect.suspend(() => {
    const decoded = Schema.decodeUnknownResult(ProvisioningFile)(input, {
      errors: "all",
      onExcessProperty: "error"
    })
    if (Result.isFailure(decoded)) return Effect.fail(refuse(file, schemaProblems(decoded.failure.issue)))
    const problems = userProblems(decoded.success.users)
    return problems.length > 0 ? Effect.fail(refuse(file, problems)) : Effect.succeed(decoded.success.users)
  })
