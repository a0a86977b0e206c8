/**
 * The part of the settings file that says who may sign in elsewhere (`systemConfig.signIn`): OpenID Connect providers, and
 * rules that make roles and groups of what a provider or GitHub says of a person.
 *
 * Where a provider has rules about roles, they alone decide the role of whoever signs in there; the same holds for groups
 * by their names. Both fail closed: a group whose rule does not hold is there and inactive.
 */
import { Result, Schema, SchemaIssue } from "effect"
import { isOwnHost } from "../config/UpstreamAddresses.ts"
import type { SettingsValue } from "../servers/Settings.ts"

const text = Schema.String.check(Schema.isMinLength(1))

const Rule = Schema.Struct({
  /** The name of a claim, such as `groups`. */
  claim: text,
  /** The claim's value, or one of them where it is a list. */
  has: Schema.Union([Schema.String, Schema.Number, Schema.Boolean]),
  role: Schema.optional(Schema.Literals(["admin", "auditor"])),
  group: Schema.optional(
    Schema.Struct({
      name: text,
      servers: Schema.Array(Schema.String),
      tools: Schema.optional(Schema.Array(Schema.String))
    })
  )
})
export type Rule = typeof Rule.Type

const People = {
  /** Whether somebody whom the hub does not know gets a user at the first sign-in. */
  newUsers: Schema.optional(Schema.Boolean),
  rules: Schema.optional(Schema.Array(Rule))
}

/** Plain http only where the way to it cannot leave the operator's network. */
const isIssuer = (issuer: string): boolean => {
  const url = URL.parse(issuer)
  if (url === null || url.username + url.password + url.search + url.hash !== "") return false
  return url.protocol === "https:" || (url.protocol === "http:" && isOwnHost(url.hostname))
}

const Provider = Schema.Struct({
  issuer: Schema.String.check(
    Schema.makeFilter((issuer) => isIssuer(issuer) || "an issuer is an https address, as the provider writes it")
  ),
  clientId: text,
  /** A reference, so that the file holds no secret. Absent for a public client. */
  clientSecret: Schema.optional(
    Schema.String.check(
      Schema.isPattern(/^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/, {
        message:
          "name a variable of the environment, such as ${OIDC_CLIENT_SECRET}; the secret itself has no place here"
      })
    )
  ),
  title: Schema.optional(text),
  /** Beside `openid`. */
  scopes: Schema.optional(Schema.Array(text)),
  /** The claim that names new users. */
  usernameClaim: Schema.optional(text),
  ...People
})
export type OpenIdProvider = typeof Provider.Type

const SignInSettings = Schema.Struct({
  providers: Schema.optional(
    Schema.Record(Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/)), Provider)
  ),
  github: Schema.optional(Schema.Struct(People))
})
export type SignInSettings = typeof SignInSettings.Type

const decode = Schema.decodeUnknownResult(SignInSettings, { errors: "all", onExcessProperty: "error" })

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) =>
    issue._tag === "UnexpectedKey"
      ? "There is no such key here; a misspelt rule would let the wrong people in"
      : SchemaIssue.defaultLeafHook(issue)
})

/** What is wrong with the value of `systemConfig.signIn`, by path below it. */
export const signInProblems = (
  value: unknown
): ReadonlyArray<{ readonly path: ReadonlyArray<PropertyKey>; readonly reason: string }> => {
  const decoded = value === undefined ? undefined : decode(value)
  if (decoded === undefined || Result.isSuccess(decoded)) return []
  return format(decoded.failure.issue).issues.map(({ message, path }) => ({
    path: (path ?? []).map((part) => (typeof part === "object" ? part.key : part)),
    reason: message
  }))
}

/** Those in force; nobody signs in elsewhere by settings that are wrong. */
export const signInSettings = (settings: SettingsValue): SignInSettings => {
  const decoded = decode(settings.systemConfig?.["signIn"] ?? {})
  return Result.isSuccess(decoded) ? decoded.success : {}
}

export type Claims = Readonly<Record<string, unknown>>

export const holds = ({ claim, has }: Rule, claims: Claims): boolean => {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined
  return Array.isArray(value) ? value.includes(has) : value === has
}

/** Undefined: the rules say nothing about roles. */
export const roleFrom = (rules: ReadonlyArray<Rule>, claims: Claims): "admin" | "auditor" | "user" | undefined => {
  const about = rules.filter(({ role }) => role !== undefined)
  if (about.length === 0) return undefined
  const roles = new Set(about.filter((rule) => holds(rule, claims)).map(({ role }) => role))
  return roles.has("admin") ? "admin" : roles.has("auditor") ? "auditor" : "user"
}

export interface GroupFrom {
  readonly name: string
  readonly servers: ReadonlyArray<string>
  readonly tools: ReadonlyArray<string> | undefined
  readonly isActive: boolean
}

/** Every group that a rule names, each once; of several rules for one name the first that holds says what is in it. */
export const groupsFrom = (rules: ReadonlyArray<Rule>, claims: Claims): ReadonlyArray<GroupFrom> => {
  const made = new Map<string, GroupFrom>()
  for (const rule of rules) {
    if (rule.group === undefined) continue
    const { name, servers, tools } = rule.group
    const isActive = holds(rule, claims)
    if (made.get(name)?.isActive !== true) made.set(name, { name, servers, tools, isActive })
  }
  return [...made.values()]
}
